/** Removes expired state and leftovers of killed hooks in maildirs, once a day. */
import { digest } from "../lib/digest.ts";
import { maildirsAmong } from "../lib/settings/mailbox.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { daily } from "../io/state/daily.ts";
import { expireDaily } from "../io/state/expire.ts";
import { cleanMaildir } from "../io/transport/leftovers.ts";
import type { Destination } from "./destination.ts";

/** Runs after the message has been handled. */
export async function tidy(
  { state, incoming, challenge }: Settings,
  destination: Destination | undefined,
  now: Date,
): Promise<void> {
  const own = maildirsAmong([incoming.spam, incoming.inbox, challenge.answered]);
  await expireDaily(state.folder, "incoming", now, () => own.forEach((maildir) => cleanMaildir(maildir, now)));
  if (destination === undefined || destination === "forward" || "mbox" in destination) return;
  if (own.includes(destination.maildir)) return;
  const { maildir } = destination;
  // Programs of one site may share the state, and each user has a maildir.
  await daily(state.folder, `maildir-${digest(maildir)}`, now, () => cleanMaildir(maildir, now) >= 0);
}
