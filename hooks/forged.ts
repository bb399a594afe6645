/** Nothing proved that it answers our mail: what remains is a forged bounce, or no bounce at all. */
import { dayOf } from "../lib/day.ts";
import { parseDay } from "../lib/keys.ts";
import type { Delivery } from "./delivery.ts";
import type { Context, Verdict } from "./judge.ts";
import { signOfBounce } from "./signs.ts";

/** See the file's head. */
export function checkForged(delivery: Delivery, { settings, now }: Context): Verdict {
  const sign = signOfBounce(delivery);
  if (sign === undefined) {
    const reason = "from the null sender, but no bounce";
    return { action: "deliver", check: "forged", result: "unsolicited", reason, mark: true };
  }
  const verdict = { check: "forged", result: "forged", mark: true } as const;
  const reason = `a bounce (${sign}) that answers nothing of ours`;
  const since = parseDay(settings.since);
  const age = since === undefined ? Infinity : dayOf(now) - since;
  if (age < settings.incoming.grace) {
    return {
      ...verdict,
      action: "deliver",
      reason: `${reason}; only marked in the first ${settings.incoming.grace} days`,
    };
  }
  const { forged } = settings.incoming;
  return { ...verdict, action: forged === "mark" ? "deliver" : forged, reason };
}
