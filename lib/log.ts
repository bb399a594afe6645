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
