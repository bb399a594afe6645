/** Nothing proved that it answers our mail: what remains is a forged bounce, or no bounce at all. */
import { dayOf, parseDay } from "../lib/day.ts";
import type { Delivery } from "./delivery.ts";
import { type Context, forgedVerdict, type Verdict } from "./judge.ts";
import { bounceEvidence } from "./bounce.ts";

/** Spam when it looks like a bounce, only marked in the first days; delivered with a mark when it does not. */
export function checkForged(delivery: Delivery, context: Context): Verdict {
  const { settings, now } = context;
  const sign = bounceEvidence(delivery);
  if (sign === undefined) {
    const reason = "from the null sender, but no bounce";
    return { action: "deliver", check: "forged", result: "unsolicited", reason, mark: true };
  }
  const reason = `a bounce (${sign}) that answers nothing of ours`;
  const since = parseDay(settings.since);
  const age = since === undefined ? Infinity : dayOf(now) - since;
  // A day that lies ahead is a typing error, not a licence for ever.
  const grace = age >= -1 && age < settings.incoming.grace;
  const why = grace ? `; only marked in the first ${settings.incoming.grace} days` : "";
  return forgedVerdict("forged", reason + why, context, grace);
}
