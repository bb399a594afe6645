/** One line an event: `time=… key=value …`. No body, no subject, no secret. */
import { type Address, formatAddress } from "./address.ts";
import { quoteAll } from "./fail.ts";

/** What happened, in the order in which it is written. Empty values are left out. */
export type Event = Record<string, string | number | undefined>;

/** Characters of a value that are written: a stranger chooses how long an address is. */
const MAX_VALUE_LENGTH = 500;

/** The line, with its newline. Values with anything but plain characters are quoted. */
export function logLine(event: Event, now: Date): string {
  const parts = [`time=${now.toISOString().replace(/\.\d+Z$/, "Z")}`];
  for (const [key, value] of Object.entries(event)) {
    if (value === undefined || value === "") continue;
    const text = String(value).slice(0, MAX_VALUE_LENGTH);
    parts.push(`${key}=${/^[\w@.+/:,<>=*-]+$/.test(text) ? text : quoteAll(text)}`);
  }
  return parts.join(" ") + "\n";
}

/** Somebody's address for the log: the domain only, unless settings say otherwise. */
export function logAddress(address: Address | null, whole: boolean): string {
  if (address === null) return "<>";
  return whole ? formatAddress(address) : `@${address.domain}`;
}
