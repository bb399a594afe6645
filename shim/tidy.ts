/** What the shim removes once a day: what has expired, and what programs that were killed have left. */
import type { Settings } from "../lib/config.ts";
import { expireDaily } from "../state/expire.ts";
import { cleanMaildir } from "../transport/leftovers.ts";
import { cleanSpool } from "../transport/spool.ts";

/** Does it, when the message has left. */
export async function tidy({ state, transport }: Settings, now: Date): Promise<void> {
  await expireDaily(state, "shim", now, () => {
    cleanSpool(`${state}/spool`, now);
    if (transport.via === "maildir") cleanMaildir(transport.maildir, now);
  });
}
