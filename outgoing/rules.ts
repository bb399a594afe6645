/** Which envelope sender a recipient gets. */
import { type Address, canonical } from "../lib/address.ts";
import type { Rule, Settings } from "../lib/settings/parse.ts";
import { glob } from "../lib/glob.ts";
import { requestIn, type RequestMessage } from "../lib/requests.ts";
import type { Scheme } from "../lib/settings/schema.ts";

/** The scheme of one recipient: list commands and plain lists, then the first rule that matches, then the setting. */
export function schemeFor(recipient: Address, settings: Pick<Settings, "rule" | "sender" | "plainLists">): Scheme {
  if (isListCommand(recipient) || settings.plainLists?.has(canonical(recipient))) return "plain";
  const rule = settings.rule.find((one) => matches(one, recipient));
  return rule?.sender || settings.sender;
}

function matches(rule: Rule, recipient: Address): boolean {
  return isAmong(rule.to, recipient);
}

function isAmong(patterns: readonly string[], recipient: Address): boolean {
  const address = canonical(recipient);
  return patterns.some((pattern) => glob(pattern.toLowerCase(), address));
}

/** Is mail to this recipient remembered, since a challenge about it is to be answered? */
export function isRemembered(
  recipient: Address,
  settings: Pick<Settings, "rule" | "challenge">,
  message: RequestMessage,
): boolean {
  const { answer, lists, requests } = settings.challenge;
  if (!answer) return false;
  return isAmong(lists, recipient) || settings.rule.some((rule) => rule.confirm && matches(rule, recipient)) ||
    SUBSCRIPTION.test(recipient.local) || (requests && requestIn(recipient, message) !== undefined);
}

const SUBSCRIPTION = /^.+[-+](?:un)?subscribe(?:[-+][^=]+=[^=]+)?$/i;

// ezmlm: list-subscribe, list-subscribe-user=host, list-sc.TIME.COOKIE-user=host, list-confirm-…, list-accept-…;
// Mailman and Sympa: list-join, list-confirm+COOKIE, list-request; mlmmj writes + where ezmlm writes -.
// The software behind them looks at the envelope sender, so it must be the subscriber's own address.
const VERB = /^.+[-+](?:subscribe|unsubscribe|confirm|join|leave|request|help|owner)$/i;
const FOR_ANOTHER = /^.+[-+](?:subscribe|unsubscribe)[-+][^=]+=[^=]+$/i;
const EZMLM_COOKIE = /^.+-(?:sc|uc|accept|confirm)[-.]\d+\.(?:\d+\.)?[a-p]{20}(?:-[^=]+=[^=]+)?$/i;
const MAILMAN_COOKIE = /^.+-confirm\+[0-9a-f]{40}$/i;
const PROGRAMS = new Set(["majordomo", "sympa", "listserv", "mailer-daemon"]);

/** Is this an address to which commands for list software are sent? The whole shape must be right. */
export function isListCommand({ local }: Address): boolean {
  return PROGRAMS.has(local.toLowerCase()) ||
    [VERB, FOR_ANOTHER, EZMLM_COOKIE, MAILMAN_COOKIE].some((shape) => shape.test(local));
}
