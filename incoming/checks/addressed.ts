/** Is it a bounce at all, and to one of our identities? What is not, is none of our business. */
import { type Identity, identityOf } from "../../lib/settings/identity.ts";
import type { Received } from "../delivery.ts";
import { isBounceSender, type JudgeContext, type Verdict } from "../verdict.ts";

/** Delivered when a person sent it, or it is for nobody of ours. */
export function checkAddressed(delivery: Received, context: JudgeContext): Verdict | string {
  const pass = (reason: string): Verdict => ({ action: "deliver", check: "addressed", result: "other", reason });
  if (delivery.sender === undefined) return pass("nobody told the envelope sender");
  if (!isBounceSender(delivery.sender)) return pass("the envelope sender is a person's");
  const identity = recipientIdentity(delivery, context);
  return identity === undefined ? pass("the recipient is not an identity") : "a bounce to an identity";
}

/** The identity that the message was sent to. */
export function recipientIdentity(
  { recipients }: Pick<Received, "recipients">,
  context: JudgeContext,
): Identity | undefined {
  return recipients.map((recipient) => identityOf(context.identities, recipient)).find((one) => one);
}
