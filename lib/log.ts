/** Formats log lines, one per event: `time=… key=value …`. No body, no Subject, no secret. */
import { type Address, formatAddress } from "./address.ts";
import { quoteAll } from "./fail.ts";

/** The fields of an event, in the order in which they are written. Empty values are omitted. */
export type Event = Record<string, string | number | undefined>;

/** Maximum length of a value that is written, because strangers choose the length of their addresses. */
export const MAX_VALUE_LENGTH = 500;

/** Returns the line with its newline. Values that contain other than plain characters are quoted. */
export function logLine(event: Event, now: Date): string {
  const parts = [`time=${now.toISOString().slice(0, -".000Z".length)}Z`];
  for (const [key, value] of Object.entries(event)) {
    if (value === undefined || value === "") continue;
    parts.push(`${key}=${logValue(value)}`);
  }
  return parts.join(" ") + "\n";
}

/** Values that are written without quotes. */
export const PLAIN_VALUE = /^[\w@.+/:,<>=*-]+$/;

/** Returns a value as it is written. */
export function logValue(value: string | number): string {
  const text = String(value).slice(0, MAX_VALUE_LENGTH);
  return PLAIN_VALUE.test(text) ? text : quoteAll(text);
}

/** Returns an address for the log: the domain only, unless the settings ask for whole addresses. */
export function logAddress(address: Address | null, whole: boolean): string {
  if (address === null) return "<>";
  return whole ? formatAddress(address) : `@${address.domain}`;
}

/** The shortest local part that is also removed where it stands alone; shorter ones are parts of ordinary words. */
const MIN_LOCAL_LENGTH = 3;

/**
 * Returns text of a server or a program without the addresses in it, of which only the domains remain. Servers also
 * repeat the local part of a recipient alone, so that of the envelope is replaced, too.
 */
export function maskAddresses(text: string, envelope: readonly Address[]): string {
  const masked = text.replace(/[^\s<>@"'(),;:]{1,256}(?=@[\w[])/g, "");
  return envelope.reduce((left, { local: written }) => {
    const local = written.replace(/^"(.*)"$/, "$1");
    if (local.length < MIN_LOCAL_LENGTH) return left;
    return left.replace(new RegExp(`(?<![\\w.-])${RegExp.escape(local)}(?![\\w-])`, "gi"), "…");
  }, masked);
}

/** Number of recipients that are written; the number of all is written, too. */
const MAX_RECIPIENTS = 20;

/**
 * Describes an envelope for the log.
 *
 * @param sender null for the null sender, undefined if the mail program chooses it
 * @param own whether it is the user's own address, which is always logged whole
 * @param whole whether the addresses of others are logged whole
 */
export function logEnvelope(
  sender: Address | null | undefined,
  own: boolean,
  recipients: readonly Address[],
  whole: boolean,
): { sender: string | undefined; to: string; recipients: number } {
  return {
    sender: sender && own ? formatAddress(sender) : sender === undefined ? undefined : logAddress(sender, whole),
    to: recipients.slice(0, MAX_RECIPIENTS).map((one) => logAddress(one, whole)).join(","),
    recipients: recipients.length,
  };
}
