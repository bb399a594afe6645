/** Removes expired state and leftovers of killed programs, once a day. */
import type { Settings } from "../../lib/settings/parse.ts";
import { expireDaily } from "../state/expire.ts";
import { cleanMaildir } from "../transport/leftovers.ts";
import { cleanSpool } from "../transport/spool.ts";

/** Runs after the message was sent. */
export async function tidy({ state, transport }: Settings, now: Date): Promise<void> {
  await expireDaily(state.folder, "shim", now, () => {
    cleanSpool(`${state.folder}/spool`, now);
    if (transport.via === "maildir") cleanMaildir(transport.maildir, now);
  });
}
