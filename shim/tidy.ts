/** What the shim removes once a day: what has expired, and what programs that were killed have left. */
import type { Settings } from "../lib/settings/parse.ts";
import { expireDaily } from "../io/state/expire.ts";
import { cleanMaildir } from "../io/transport/leftovers.ts";
import { cleanSpool } from "../io/transport/spool.ts";

/** Does it, when the message has left. */
export async function tidy({ state, transport }: Settings, now: Date): Promise<void> {
  await expireDaily(state.folder, "shim", now, () => {
    cleanSpool(`${state.folder}/spool`, now);
    if (transport.via === "maildir") cleanMaildir(transport.maildir, now);
  });
}
