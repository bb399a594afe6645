/** Chooses the envelope sender scheme of each recipient, and which mail is remembered for challenges. */
import { type Address, canonical } from "../lib/address.ts";
import type { Rule, Settings } from "../lib/settings/parse.ts";
import { glob } from "../lib/glob.ts";
import { requestIn, type RequestMessage } from "../lib/requests.ts";
import type { Scheme } from "../lib/settings/schema.ts";

/** Returns the scheme for a recipient: `plain` for list commands and lists, or that of the first rule, or `sender`. */
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

/** Returns whether mail to this recipient is remembered, so that a challenge about it can be answered. */
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
// List software uses the envelope sender to identify the subscriber, so it must be the subscriber's own address.
const VERB = /^.+[-+](?:subscribe|unsubscribe|confirm|join|leave|request|help|owner)$/i;
const FOR_ANOTHER = /^.+[-+](?:subscribe|unsubscribe)[-+][^=]+=[^=]+$/i;
const EZMLM_COOKIE = /^.+-(?:sc|uc|accept|confirm)[-.]\d+\.(?:\d+\.)?[a-p]{20}(?:-[^=]+=[^=]+)?$/i;
const MAILMAN_COOKIE = /^.+-confirm\+[0-9a-f]{40}$/i;
const PROGRAMS = new Set(["majordomo", "sympa", "listserv", "mailer-daemon"]);

/** Returns whether commands to list software are sent to this address. The whole local part must match. */
export function isListCommand({ local }: Address): boolean {
  return PROGRAMS.has(local.toLowerCase()) ||
    [VERB, FOR_ANOTHER, EZMLM_COOKIE, MAILMAN_COOKIE].some((shape) => shape.test(local));
}
