/** Nothing proved that it answers our mail: what remains is a forged bounce, or no bounce at all. */
import { dayOf, parseDay } from "../../lib/date.ts";
import { bounceEvidence } from "../bounce.ts";
import type { Delivery } from "../delivery.ts";
import { forgedVerdict, type JudgeContext, type Verdict } from "../verdict.ts";

const CHECK = "forged";

/** Spam when it is a bounce, only marked in the first days; what is not a bounce goes by `incoming.unsolicited`. */
export function checkForged(delivery: Delivery, context: JudgeContext): Verdict {
  const evidence = bounceEvidence(delivery);
  if (evidence === undefined) return unsolicited(context);
  const { settings } = context;
  const grace = inGrace(context);
  const why = grace ? `; only marked in the first ${settings.incoming.grace} days` : "";
  if (!(delivery.unread ?? delivery.whole === false)) {
    return forgedVerdict(CHECK, `a bounce (${evidence}) that answers nothing of ours${why}`, context, grace);
  }
  const reason = `a bounce (${evidence}) longer than what was looked at, where nothing of ours was found${why}`;
  const verdict = forgedVerdict(CHECK, reason, context, grace);
  // It is filed as a forged one is, but nobody may refuse it: what was not looked at could prove it.
  return verdict.result === "forged" ? { ...verdict, result: "unsure" } : verdict;
}

function unsolicited({ settings }: JudgeContext): Verdict {
  const reason = "from the null sender, but not a bounce";
  const verdict = { check: CHECK, result: "unsolicited", reason } as const;
  const { unsolicited } = settings.incoming;
  if (unsolicited === "deliver") return { ...verdict, action: "deliver" };
  return { ...verdict, action: unsolicited === "spam" ? "spam" : "deliver", mark: true };
}

/** Is it one of the first days, in which mail comes back that was not signed yet? */
function inGrace({ settings, now }: JudgeContext): boolean {
  const since = parseDay(settings.since);
  const age = since === undefined ? Infinity : dayOf(now) - since;
  // A day that lies ahead is a typing error, not a licence for ever.
  return age >= -1 && age < settings.incoming.grace;
}
