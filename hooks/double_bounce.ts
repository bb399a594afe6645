/** Is it a double bounce of qmail's? Then there is nothing to prove: it reports a bounce that could not be delivered. */
import { identityOf } from "../lib/identity.ts";
import { addressedIdentity } from "./addressed.ts";
import { type Delivery, DOUBLE_BOUNCE, isInSrsDomain } from "./delivery.ts";
import type { Context, Verdict } from "./judge.ts";

/** Delivered with a mark, whoever the recipient is: qmail-send writes them to the postmaster, strangers to anybody. */
export function checkDoubleBounce(delivery: Delivery, context: Context): Verdict | string {
  if (delivery.sender !== DOUBLE_BOUNCE) return "not a double bounce";
  const identity = addressedIdentity(delivery, context) ?? postmaster(delivery, context);
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
function postmaster({ recipients }: Delivery, { settings, identities }: Context) {
  if (!recipients.some((one) => isInSrsDomain(one, settings))) return undefined;
  return identityOf(identities, settings.srs.postmaster) ?? identities[0];
}
