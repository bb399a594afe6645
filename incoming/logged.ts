/**
 * What the log says about a bounce besides the verdict: the message that it returns, and the server that returns it.
 */
import { parseAddressList } from "../lib/address.ts";
import { type Header, value } from "../lib/message.ts";
import { isProbeMessageId, PROBE } from "../lib/probe.ts";
import { returnedIds } from "./checks/returned_header.ts";
import type { Delivery } from "./delivery.ts";
import { isBounceSender, type Verdict } from "./verdict.ts";

/**
 * Results that prove that the user sent the returned message. Otherwise a stranger could pretend that it was a test.
 */
const PROVED = ["genuine", "late"];

/** Returns the fields of the log line. Without a verdict the message could not be judged. */
export function loggedBounce(delivery: Delivery, verdict: Verdict | undefined): Record<string, string | undefined> {
  const bounce = isBounceSender(delivery.sender);
  const original = verdict?.original ?? (bounce ? returnedIds(delivery)[0] : undefined);
  const domain = bounce ? authorDomain(delivery.header) : undefined;
  const probe = original !== undefined && isProbeMessageId(original) && PROVED.includes(verdict?.result ?? "");
  return {
    from: domain === undefined ? undefined : `@${domain}`,
    original: original && `<${original}>`,
    probe: probe ? PROBE : undefined,
  };
}

/** Returns the domain of the author in lower case; undefined if From has none. */
export function authorDomain(header: Header): string | undefined {
  try {
    const address = parseAddressList(value(header, "From") ?? "").find((one) => one.address !== null)?.address;
    return address?.domain.toLowerCase() || undefined;
  } catch {
    return undefined;
  }
}
