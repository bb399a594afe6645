/** Checks that the message is from a bounce sender and addressed to an identity. All other mail is delivered. */
import { type Identity, identityOf } from "../../lib/settings/identity.ts";
import type { Received } from "../delivery.ts";
import { claimOf, recipientIn } from "../claimed.ts";
import { isBounceSender, type JudgeContext, type Verdict } from "../verdict.ts";

/** Delivers mail from an ordinary sender and mail that is not addressed to an identity. */
export function checkAddressed(delivery: Received, context: JudgeContext): Verdict | string {
  const pass = (reason: string): Verdict => ({ action: "deliver", check: "addressed", result: "other", reason });
  if (delivery.sender === undefined) return pass("the envelope sender is unknown");
  if (!isBounceSender(delivery.sender)) return pass("not from the null sender or a mailer daemon");
  const identity = recipientIdentity(delivery, context);
  return identity === undefined ? pass("the recipient is not an identity") : "addressed to an identity";
}

/** Returns the identity to which the message is addressed. */
export function recipientIdentity(
  { recipients }: Pick<Received, "recipients">,
  context: JudgeContext,
): Identity | undefined {
  const own = recipients.filter((recipient) => !isOfOthers(recipient, context));
  return own.map((recipient) => identityOf(context.identities, recipient)).find((one) => one);
}

/** Returns whether another program, such as postsrsd, signed the address. A pattern in `also` may match it. */
function isOfOthers(recipient: string, { settings, identities }: JudgeContext): boolean {
  if (settings.srs.others !== "pass") return false;
  const claim = claimOf(recipientIn(recipient).local);
  return claim?.wellFormed === true && identityOf(identities, claim.address) === undefined;
}
