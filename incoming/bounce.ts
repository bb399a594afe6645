/**
 * Decides whether a message is a bounce. This requires positive evidence, because receipts, vacation replies, reports
 * and calendar messages also come from the null sender and are wanted.
 *
 * A delivery-status part, the wording of a mail system or the transcript of an SMTP session is sufficient evidence.
 * Weaker signs are added up: the author, the Subject, a returned header, failure wording.
 */
import { parseAddressList } from "../lib/address.ts";
import { decodeLatin1, text as decodeUtf8 } from "../lib/bytes.ts";
import { htmlToText } from "../lib/html.ts";
import { memoize } from "../lib/memoize.ts";
import { type Header, named, value, values } from "../lib/message.ts";
import { decodeWords } from "../lib/encoded_words.ts";
import { contentType, mimeParts } from "../lib/mime.ts";
import type { Delivery } from "./delivery.ts";
import { failureIn, hasTranscript, isFailureSubject, noticeOf } from "./notices.ts";

/** The parts of a delivery that are examined. */
export type Content = Pick<Delivery, "header" | "prefix" | "bodyStart">;

type Part = NonNullable<ReturnType<typeof mimeParts>>[number];

/** Maximum nesting of multiparts. */
const MAX_DEPTH = 4;
/** Maximum number of Content-Type fields that are considered. */
const MAX_TYPES = 4;
/** Maximum number of text parts that are read, and bytes of each. */
const MAX_TEXTS = 2;
const MAX_TEXT_BYTES = 16 * 1024;

/** Media types of delivery reports: RFC 3464 and RFC 6533. */
const STATUS = ["message/delivery-status", "message/global-delivery-status"];
/** Media types that identify other kinds of messages: RFC 8098, RFC 5965, RFC 8460, RFC 6047. */
const OTHERS = [
  "message/disposition-notification",
  "message/global-disposition-notification",
  "message/feedback-report",
  "application/tlsrpt+gzip",
  "application/tlsrpt+json",
  "text/calendar",
];
/** Media types in which a message or its header is returned. */
const RETURNED = ["message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"];

/**
 * Returns the evidence that the message is a bounce, in words, or undefined when it is not a bounce.
 *
 * @param nullSender whether the envelope sender is known to be null or a mailer daemon. Only then are a transcript or
 *   failure wording evidence, because people write about mail, too
 */
export function bounceEvidence(content: Content, nullSender = true): string | undefined {
  const { header } = content;
  const { body, parts } = contentOf(content);
  if (parts.some(({ type }) => STATUS.includes(type)) || hasStrayStatus(header, parts, body)) {
    return "message/delivery-status";
  }
  if (value(header, "X-Failed-Recipients") !== undefined) return "X-Failed-Recipients";

  const report = reportType(header);
  const other = parts.some(({ type }) => OTHERS.includes(type));
  if (report === "delivery-status" && !other) return "multipart/report";
  const text = textOf(content);
  const notice = text.slice(0, endOfNotice(text));
  const system = noticeOf(notice);
  if (system !== undefined) return system;
  if (nullSender && hasTranscript(notice)) return "an SMTP transcript";
  if (other || (report !== undefined && report !== "")) return undefined;

  const from = author(header);
  const subject = values(header, "Subject").some((one) => isFailureSubject(decodeWords(one)));
  const returned = parts.some(({ type }) => RETURNED.includes(type)) || RETURNED_LINES.test(text);
  const failure = failureIn(notice.replace(QUOTED_LINES, "")); // a reply may quote a bounce
  const signs: [weight: number, words: string | false][] = [
    [2, from === "daemon" && "a daemon's From"],
    [1, from === "postmaster" && "a postmaster's From"],
    [1, subject && "the Subject of a bounce"],
    [1, returned && "a returned message"],
    [1, report === "" && "multipart/report"],
    [2, failure === "code" && nullSender && "failure wording with an SMTP reply"],
    [1, failure === "reason" && "failure wording with a reason"],
    [1, failure === "words" && (subject || from !== undefined) && "failure wording"],
  ];
  const found = signs.filter(([, words]) => words !== false);
  // Autoresponders use auto-replied (RFC 3834 section 5), but Exim and others use it for bounces, too.
  const needed = /^\s*auto-replied\b/i.test(value(header, "Auto-Submitted") ?? "") ? 3 : 2;
  return found.reduce((sum, [weight]) => sum + weight, 0) < needed
    ? undefined
    : found.map(([, words]) => words).join(", ");
}

/** Returns the header once for each of its Content-Type fields, because mail programs differ in which one they use. */
function variants(header: Header): Header[] {
  const types = header.filter((one) => named(one, "Content-Type"));
  return types.length < 2 ? [header] : types.slice(0, MAX_TYPES).map((type) => {
    return header.filter((one) => one === type || !named(one, "Content-Type"));
  });
}

function partsOf(header: Header, body: Uint8Array): Part[] {
  return variants(header).flatMap((one) => mimeParts(one, body, MAX_DEPTH) ?? []);
}

/** Returns the report-type in lower case, "" for a multipart/report without one, undefined for any other message. */
function reportType(header: Header): string | undefined {
  const reports = variants(header).map((one) => contentType(one)).filter(({ type }) => type === "multipart/report");
  const types = reports.map(({ parameters }) => parameters.get("report-type")?.trim().toLowerCase() ?? "");
  return types.includes("delivery-status") ? "delivery-status" : types[0];
}

/** Searches for the header of a delivery-status part as a line, in case the boundaries or the type are wrong. */
function hasStrayStatus(header: Header, parts: readonly Part[], body: Uint8Array): boolean {
  if (parts.some(({ ended }) => ended) || !contentType(header, "multipart/").type.startsWith("multipart/")) {
    return false;
  }
  const front = decodeLatin1(body.subarray(0, MAX_TEXT_BYTES));
  const status = /^content-type:[ \t]{0,16}message\/(?:global-)?delivery-status/im.exec(front);
  const message = /^content-type:[ \t]{0,16}message\/rfc822/im.exec(front);
  return status !== null && (message === null || status.index < message.index);
}

/** Returns the body and its parts. Several checks examine them. */
const contentOf = memoize(({ header, prefix, bodyStart }: Content) => {
  const body = prefix.subarray(bodyStart);
  return { body, parts: partsOf(header, body) };
});

/**
 * Returns the beginning of the text that a mail program would display: of the first text parts, or of the body when its
 * parts cannot be found.
 */
export const textOf = memoize((content: Content): string => {
  const { body, parts } = contentOf(content);
  const texts = parts.filter(({ type }) => /^text\/(?!rfc822-headers|calendar)/.test(type)).slice(0, MAX_TEXTS);
  const found = parts.length === 0 ? [{ type: "text/plain", bytes: body }] : texts;
  return found.map(({ type, bytes }) => readable(type, bytes.subarray(0, MAX_TEXT_BYTES))).join("\n");
});

const ESCAPE = 0x1b;

function readable(type: string, bytes: Uint8Array): string {
  // Japanese carriers use ISO-2022-JP. Other charsets differ from UTF-8 only in letters that no pattern needs.
  const front = bytes.subarray(0, 2048);
  const japanese = front.includes(ESCAPE) && decodeLatin1(front).includes("\x1b$");
  const decoded = japanese ? new TextDecoder("iso-2022-jp").decode(bytes) : decodeUtf8(bytes);
  const text = decoded.replace(/\r\n?/g, "\n");
  return type === "text/html" ? htmlToText(text) : text;
}

/** The line that separates the notice of the mail system from the message that is returned in the same text. */
const SEPARATOR =
  /^[ \t]{0,16}(?:-{2,80}[^\n]{0,80}(?:copy|original|message|header|below|enclosed)[^\n]{0,80}|[^\n]{0,40}(?:(?:original|returned|unsent) message|message headers?)[^\n]{0,40}(?:follow|:$)[^\n]{0,40})$/im;
const QUOTED_LINES = /^>(?: [^\n]*)?$/gm;
const RETURNED_LINES = /^[> \t]{0,16}(?:Message-ID|Received|Return-Path)[ \t]{0,16}:/im;

/** Returns where the notice ends. The separator belongs to it, because some systems write nothing else. */
function endOfNotice(text: string): number {
  const found = SEPARATOR.exec(text);
  return found === null ? text.length : found.index + found[0].length;
}

/** Local parts of daemons and system mailboxes that the patterns for the whole field do not match. */
const DAEMONS = /^(?:mail\.?delivery|mdaemon$)/i;
const ROLES = /^(?:bounce|microsoftexchange[0-9a-f]{32}$)/i;
/** Maximum number of From fields whose addresses are parsed, and characters of each. Patterns match all of them. */
const [MAX_PARSED, MAX_FROM_LENGTH] = [16, 8 * 1024];

/** Returns the kind of author that any From field claims, with encoded words decoded. */
function author(header: Header): "daemon" | "postmaster" | undefined {
  let found: "postmaster" | undefined;
  for (const [nth, from] of values(header, "From").map(decodeWords).entries()) {
    const locals = nth < MAX_PARSED && from.length <= MAX_FROM_LENGTH ? localParts(from) : [];
    if (/mail(?:er)?[-_ ]?daemon|mail delivery (?:sub)?system/i.test(from)) return "daemon";
    if (locals.some((one) => DAEMONS.test(one))) return "daemon";
    const role = /post[-_.]?master|(?:system|mail) administrator|mail[-_ ]?system/i.test(from);
    if (role || locals.some((one) => ROLES.test(one))) found = "postmaster";
  }
  return found;
}

function localParts(from: string): string[] {
  try {
    return parseAddressList(from, { bare: true }).flatMap(({ address }) => address === null ? [] : [address.local]);
  } catch {
    return [];
  }
}
