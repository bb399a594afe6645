/** Decides about mail that no other check could verify: it is a forged bounce, or not a bounce at all. */
import { dayOf, parseDay } from "../../lib/date.ts";
import { bounceEvidence } from "../bounce.ts";
import type { Delivery } from "../delivery.ts";
import { forgedVerdict, type JudgeContext, type Verdict } from "../verdict.ts";

const CHECK = "forged";

/** Files a bounce as forged, or only marks it during the grace period. `incoming.unsolicited` decides otherwise. */
export function checkForged(delivery: Delivery, context: JudgeContext): Verdict {
  const evidence = bounceEvidence(delivery);
  if (evidence === undefined) return unsolicited(context);
  const { settings } = context;
  const grace = inGrace(context);
  const why = grace ? `; only marked during the first ${settings.incoming.grace} days` : "";
  if (!(delivery.unread ?? delivery.whole === false)) {
    return forgedVerdict(
      CHECK,
      `a bounce (${evidence}) that does not match any message you sent${why}`,
      context,
      grace,
    );
  }
  const reason = `a bounce (${evidence}) too long to search completely, with no message of yours found in it${why}`;
  const verdict = forgedVerdict(CHECK, reason, context, grace);
  // It is filed like a forged bounce, but must not be rejected: the part that was not searched could prove it.
  return verdict.result === "forged" ? { ...verdict, result: "unsure" } : verdict;
}

function unsolicited({ settings }: JudgeContext): Verdict {
  const reason = "from the null sender, but not a bounce";
  const verdict = { check: CHECK, result: "unsolicited", reason } as const;
  const { unsolicited } = settings.incoming;
  if (unsolicited === "deliver") return { ...verdict, action: "deliver" };
  return { ...verdict, action: unsolicited === "spam" ? "spam" : "deliver", mark: true };
}

/**
 * Returns whether a message arrives in the grace period, during which mail may bounce that was sent before signing
 * began.
 */
export function inGrace({ settings, now, arrived }: Pick<JudgeContext, "settings" | "now" | "arrived">): boolean {
  const since = parseDay(settings.since);
  const age = since === undefined ? Infinity : dayOf(arrived ?? now) - since;
  // A date in the future is a typing error and must not disable the check until then.
  return age >= -1 && age < settings.incoming.grace;
}
