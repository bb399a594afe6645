/** Composes the report to the sender about rejected recipients (RFC 3464). */
import { type Address, formatAddress, formatMailbox } from "../../lib/address.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";
import { fromXtext } from "../../lib/envelope.ts";
import { decodeWords } from "../../lib/encoded_words.ts";
import { rfc5322Date } from "../../lib/date.ts";
import { type Field, field, type Header, printHead, value, values } from "../../lib/message.ts";
import type { OutboxRecipient } from "./entry.ts";
import { replyText } from "./progress.ts";

/** Largest message that is returned whole; of a larger one only the header is. */
export const MAX_RETURNED_BYTES = 64 * 1024;

/** What a report is about. */
export interface UndeliveredMail {
  /** Who gets the report. */
  readonly owner: Address;
  /** The rejected recipients, with the reasons. */
  readonly recipients: readonly OutboxRecipient[];
  /** When the message was put into the outbox. */
  readonly created: Date;
  /** The envelope identifier in xtext. */
  readonly envid?: string | undefined;
  /** The header of the message, with its tag, by which a hook recognizes the report as genuine. */
  readonly header: Header;
  /** The whole message, if it is returned. */
  readonly message?: Uint8Array | undefined;
}

/** What else a report needs. */
export interface ReportContext {
  readonly now: Date;
  /** A text that occurs in no message, of letters and digits. */
  readonly unique: string;
  /** The name of this machine, as in EHLO. */
  readonly mta: string;
}

/** Returns the report, with LF as line end. */
export function composeReport(
  given: UndeliveredMail,
  { now, unique, mta }: ReportContext,
): { head: Bytes; body: Bytes } {
  // Entries are files, so a reply could have been changed by hand.
  const recipients = given.recipients.map((one) => ({ ...one, reply: replyText(one.reply) }));
  const undelivered = { ...given, recipients };
  const { owner, header, message } = undelivered;
  const boundary = `report-${unique}`;
  const fields: Field[] = [
    field("From", formatMailbox("Countersign outbox", owner)),
    field("To", formatAddress(owner)),
    field("Subject", "Undelivered mail"),
    field("Date", rfc5322Date(now)),
    field("Message-ID", `<${unique}.report@${owner.domain || "localhost"}>`),
    ...values(header, "Message-ID").slice(0, 1).map((id) => field("References", id)),
    field("Auto-Submitted", "auto-replied"),
    field("MIME-Version", "1.0"),
    field("Content-Type", `multipart/report; report-type=delivery-status; boundary="${boundary}"`),
    field("Content-Transfer-Encoding", "8bit"),
  ];
  const part = (type: string, content: Uint8Array) => [
    utf8(`--${boundary}\nContent-Type: ${type}\nContent-Transfer-Encoding: 8bit\n\n`),
    content,
    utf8("\n"),
  ];
  const international = undelivered.recipients.some(({ address }) => !isAscii(formatAddress(address)));
  const body = concat(
    ...part("text/plain; charset=utf-8", utf8(words(undelivered))),
    ...part(
      `message/${international ? "global-delivery-status" : "delivery-status"}`,
      utf8(status(undelivered, now, mta)),
    ),
    ...(message === undefined ? part("text/rfc822-headers", printHead(header)) : part("message/rfc822", message)),
    utf8(`--${boundary}--\n`),
  );
  return { head: printHead(fields), body };
}

/** The part for people. */
function words({ recipients, created, header, message }: UndeliveredMail): string {
  const given = value(header, "Subject");
  const subject = given === undefined ? undefined : replyText(decodeWords(given));
  const about = subject === undefined ? "" : `, with the Subject "${subject}",`;
  const each = recipients.map(({ address, reply }) =>
    `<${formatAddress(address)}>:\n    ${reply || "no attempt was made"}\n`
  );
  return [
    `Your message of ${rfc5322Date(created)}${about}\ncould not be sent to:\n`,
    ...each,
    message === undefined
      ? "No further attempts will be made. The header of the message follows.\n"
      : "No further attempts will be made. The message follows.\n",
  ].join("\n");
}

/** The part for programs: fields about the message, then a group for each recipient (RFC 3464 section 2). */
function status({ recipients, created, envid }: UndeliveredMail, now: Date, mta: string): string {
  const about = [
    // RFC 3461 section 6.3: decoded. What it decodes to must not begin another line.
    ...(envid === undefined ? [] : [`Original-Envelope-Id: ${replyText(fromXtext(envid))}`]),
    `Reporting-MTA: dns; ${mta}`,
    `Arrival-Date: ${rfc5322Date(created)}`,
  ];
  const each = recipients.map(({ address, reply }) => {
    const text = formatAddress(address);
    return [
      `Final-Recipient: ${isAscii(text) ? "rfc822" : "utf-8"}; ${text}`,
      "Action: failed",
      `Status: ${statusCode(reply)}`,
      ...(reply === "" ? [] : [`Diagnostic-Code: ${/^[45]\d\d /.test(reply) ? "smtp" : "x-countersign"}; ${reply}`]),
      `Last-Attempt-Date: ${rfc5322Date(now)}`,
    ].join("\n");
  });
  return `${[about.join("\n"), ...each].join("\n\n")}\n`;
}

/** Returns the status code (RFC 3463) of a reply; for one without, that of its class, or that the time has expired. */
function statusCode(reply: string): string {
  const [, code, enhanced] = /^([45])\d\d(?: ([45]\.\d{1,3}\.\d{1,3})(?=\s|$))?/.exec(reply) ?? [];
  if (enhanced !== undefined) return enhanced;
  return code === "5" ? "5.0.0" : code === "4" ? "4.4.7" : "5.0.0";
}

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text);
