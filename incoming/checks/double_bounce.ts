/** Recognizes double bounces of qmail. They report an undeliverable bounce and contain nothing to verify. */
import type { Identity } from "../../lib/settings/identity.ts";
import { recipientIdentity } from "./addressed.ts";
import { isSrsDomain, recipientIn } from "../claimed.ts";
import { DOUBLE_BOUNCE, type Received } from "../delivery.ts";
import { srsPostmaster } from "./signed_recipient.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";

/** Delivers a double bounce with a mark to any recipient: qmail-send writes to the postmaster, others to anybody. */
export function checkDoubleBounce(delivery: Received, context: JudgeContext): Verdict | string {
  if (delivery.sender !== DOUBLE_BOUNCE) return "not a double bounce";
  const identity = recipientIdentity(delivery, context) ?? postmaster(delivery, context);
  const reason = "a double bounce from qmail";
  return {
    action: "deliver",
    check: "double-bounce",
    result: "other",
    reason,
    mark: true,
    ...(identity && { identity }),
  };
}

/** The identity that gets double bounces to an SRS domain, in which there are no other mailboxes. */
function postmaster({ recipients }: Received, context: JudgeContext): Identity | undefined {
  return recipients.some((one) => isSrsDomain(recipientIn(one).domain, context)) ? srsPostmaster(context) : undefined;
}
