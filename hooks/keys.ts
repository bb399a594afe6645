/** Could anything have been verified at all? Without a key that verifies, no message is called forged. */
import { Fail } from "../lib/fail.ts";
import { identityName, identityOf } from "../lib/identity.ts";
import { KEY_LIFETIME_DAYS, noValidKey } from "../lib/keys.ts";
import type { Delivery } from "./delivery.ts";
import type { Context, Verdict } from "./judge.ts";
import { checkSigned, claimedIdentity } from "./signed.ts";

/**
 * The verdict, unless it counts against the message and no key of the addressed identity can verify. Then the message
 * is delivered with a mark, or deferred when a key is dated in the future: that may be a wrong clock, which retrying
 * outlives.
 *
 * @throws {Fail} `temporary` for a key dated in the future
 */
export function needsKeys(verdict: Verdict, delivery: Delivery, context: Context): Verdict {
  const accepted = verdict.action === "deliver" || verdict.action === "answer";
  if (accepted && !["suspect", "forged", "unsure"].includes(verdict.result)) return verdict;
  const identity = delivery.recipients
    .map((recipient) => identityOf(context.identities, recipient) ?? claimedIdentity(recipient, context))
    .find((one) => one !== undefined);
  const why = identity && noValidKey(identity.keys, context.now);
  if (identity === undefined || why === undefined) return verdict;
  const name = identityName(identity);
  if (why === "future") {
    const what = `No key of ${name} can verify today, because one is dated in the future`;
    throw new Fail("temporary", `${what}: check the clock and the key file`);
  }
  const reason = `no key of ${name} can verify: all are older than ${KEY_LIFETIME_DAYS} days`;
  return { ...verdict, action: "deliver", check: "keys", result: "unjudged", reason, identity, mark: true };
}

/** What the recipient alone says, for `countersign verify`. */
export async function checkSignedAlone(delivery: Delivery, context: Context): Promise<Verdict | string> {
  const found = await checkSigned(delivery, context);
  return typeof found === "string" ? found : needsKeys(found, delivery, context);
}
