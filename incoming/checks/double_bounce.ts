/** Is it a double bounce of qmail's? Then there is nothing to prove: it reports a bounce that could not be delivered. */
import type { Identity } from "../../lib/settings/identity.ts";
import { recipientIdentity } from "./addressed.ts";
import { isSrsDomain, recipientIn } from "../claimed.ts";
import { DOUBLE_BOUNCE, type Received } from "../delivery.ts";
import { srsPostmaster } from "./signed_recipient.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";

/** Delivered with a mark, whoever the recipient is: qmail-send writes them to the postmaster, strangers to anybody. */
export function checkDoubleBounce(delivery: Received, context: JudgeContext): Verdict | string {
  if (delivery.sender !== DOUBLE_BOUNCE) return "not a double bounce";
  const identity = recipientIdentity(delivery, context) ?? postmaster(delivery, context);
  const reason = "a double bounce of qmail";
  return {
    action: "deliver",
    check: "double-bounce",
    result: "other",
    reason,
    mark: true,
    ...(identity && { identity }),
  };
}

/** Nobody else reads what is sent to an SRS domain, and what is forwarded from there must go to somebody. */
function postmaster({ recipients }: Received, context: JudgeContext): Identity | undefined {
  return recipients.some((one) => isSrsDomain(recipientIn(one).domain, context)) ? srsPostmaster(context) : undefined;
}
