/** Writes the log line of an incoming message; hook and `countersign sweep` write the same one. */
import { addressIn, type Delivery, DOUBLE_BOUNCE } from "../incoming/delivery.ts";
import { warningAbout } from "../incoming/checks/keys.ts";
import { loggedBounce } from "../incoming/logged.ts";
import type { JudgeContext, Verdict } from "../incoming/verdict.ts";
import { log } from "../io/system/log.ts";
import { logAddress } from "../lib/log.ts";
import { PROBE } from "../lib/probe.ts";
import { canonicalAddress } from "../lib/settings/identity.ts";
import type { HookResult } from "./delivery_context.ts";

/**
 * Writes the log line. Without a verdict the message was deferred before it could be judged.
 *
 * @param probe whether this is a test of `countersign doctor`
 */
export function record(
  context: JudgeContext,
  delivery: Delivery,
  verdict: Verdict | undefined,
  { outcome, reason }: HookResult,
  probe = false,
): void {
  const { settings } = context;
  const sender = typeof delivery.sender === "string" ? addressIn(delivery.sender) : null;
  const { from, original, probe: test } = loggedBounce(delivery, verdict);
  log(settings, {
    direction: "in",
    sender: delivery.sender === undefined
      ? "unknown"
      : delivery.sender === DOUBLE_BOUNCE
      ? DOUBLE_BOUNCE
      : sender === undefined
      ? "unreadable"
      : logAddress(sender, settings.log_addresses),
    identity: verdict?.identity && canonicalAddress(verdict.identity),
    result: verdict?.result,
    check: verdict?.check,
    outcome,
    original, // the message that bounced
    from, // who claims to return it
    probe: probe ? PROBE : test,
    why: reason,
    warning: warningFor(context, delivery, verdict),
  });
}

/** Returns the warning about keys. A key file that cannot be read is the reason why the message is deferred. */
function warningFor(context: JudgeContext, delivery: Delivery, verdict: Verdict | undefined): string | undefined {
  try {
    return warningAbout(verdict, delivery, context);
  } catch {
    return undefined;
  }
}
