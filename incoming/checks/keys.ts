/** Makes sure that a message is not called forged when no key could have verified it. */
import { Fail } from "../../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../../lib/settings/identity.ts";
import { KEY_LIFETIME_DAYS, keyWarning, noValidKey } from "../../lib/settings/keys.ts";
import type { Received } from "../delivery.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";
import { checkSigned, claimedIdentity } from "./signed_recipient.ts";

/**
 * Returns the verdict, unless it is unfavorable and no key of the addressed identity can verify. Then the message is
 * delivered with a mark, or deferred when a key is dated in the future, because the clock may be wrong temporarily.
 *
 * @throws {Fail} `temporary` for a key dated in the future
 */
export function needsKeys(verdict: Verdict, delivery: Received, context: JudgeContext): Verdict {
  const accepted = verdict.action === "deliver" || verdict.action === "answer";
  if (accepted && !["suspect", "forged", "unsure"].includes(verdict.result)) return verdict;
  const identity = identityMeant(delivery, context);
  const why = identity && noValidKey(identity.keys, context.now);
  if (identity === undefined || why === undefined) return verdict;
  const name = canonicalAddress(identity);
  if (why === "future") {
    const what = `No key of ${name} can verify today, because one is dated in the future`;
    throw new Fail("temporary", what, { fix: "check the clock and the key file" });
  }
  const reason = `no key of ${name} can verify: all are older than ${KEY_LIFETIME_DAYS} days`;
  return { ...verdict, action: "deliver", check: "keys", result: "unjudged", reason, identity, mark: true };
}

/**
 * Returns a warning for the log when the identity's key will soon stop signing or no key can sign.
 *
 * @param verdict undefined for a message that could not be judged
 */
export function warningAbout(
  verdict: Verdict | undefined,
  delivery: Received,
  context: JudgeContext,
): string | undefined {
  // Other mail does not need a key, so no key file is read.
  if (verdict?.result === "other") return undefined;
  const identity = verdict?.identity ?? identityMeant(delivery, context);
  if (identity === undefined) return undefined;
  const warning = keyWarning(identity.keys, context.now);
  return warning && `${canonicalAddress(identity)}: ${warning}`;
}

/** The identity to which the message is addressed, or whose signed address the recipient claims to be. */
function identityMeant({ recipients }: Received, context: JudgeContext): Identity | undefined {
  return recipients.map((one) => identityOf(context.identities, one) ?? claimedIdentity(one, context)).find((one) =>
    one !== undefined
  );
}

/** Checks the recipient alone, for `countersign verify`. */
export function checkSignedAlone(delivery: Received, context: JudgeContext): Verdict | string {
  const found = checkSigned(delivery, context);
  return typeof found === "string" ? found : needsKeys(found, delivery, context);
}
