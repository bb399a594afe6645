/** Formats log lines, one per event: `time=… key=value …`. No body, no Subject, no secret. */
import { type Address, formatAddress } from "./address.ts";
import { quoteAll } from "./fail.ts";

/** The fields of an event, in the order in which they are written. Empty values are omitted. */
export type Event = Record<string, string | number | undefined>;

/** Maximum length of a value that is written, because strangers choose the length of their addresses. */
const MAX_VALUE_LENGTH = 500;

/** Returns the line with its newline. Values that contain other than plain characters are quoted. */
export function logLine(event: Event, now: Date): string {
  const parts = [`time=${now.toISOString().replace(/\.\d+Z$/, "Z")}`];
  for (const [key, value] of Object.entries(event)) {
    if (value === undefined || value === "") continue;
    const text = String(value).slice(0, MAX_VALUE_LENGTH);
    parts.push(`${key}=${/^[\w@.+/:,<>=*-]+$/.test(text) ? text : quoteAll(text)}`);
  }
  return parts.join(" ") + "\n";
}

/** Returns an address for the log: the domain only, unless the settings ask for whole addresses. */
export function logAddress(address: Address | null, whole: boolean): string {
  if (address === null) return "<>";
  return whole ? formatAddress(address) : `@${address.domain}`;
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
