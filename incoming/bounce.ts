/**
 * Is a message a bounce? That is a positive finding: receipts, vacation replies, reports and calendars come from the
 * null sender too, and somebody wants to read them.
 *
 * Some things are evidence alone: a delivery-status part, the wording of a mail system, the transcript of an SMTP
 * session. Weaker ones count together: who wrote it, the Subject, a returned header, words about a failure.
 */
import { parseAddressList } from "../lib/address.ts";
import { decodeLatin1 } from "../lib/bytes.ts";
import { htmlToText } from "../lib/html.ts";
import { type Header, named, value, values } from "../lib/message.ts";
import { contentType, decodeWords, mimeParts } from "../lib/mime.ts";
import type { Delivery } from "./delivery.ts";
import { failureIn, hasTranscript, isFailureSubject, noticeOf } from "./notices.ts";

/** What of a delivery is looked at. */
export type Content = Pick<Delivery, "header" | "prefix" | "bodyStart">;

type Part = NonNullable<ReturnType<typeof mimeParts>>[number];

/** Multiparts inside of multiparts. */
const MAX_DEPTH = 4;
/** Content-Type fields of one message. */
const MAX_TYPES = 4;
/** Texts that are read, and octets of each. */
const MAX_TEXTS = 2;
const MAX_TEXT_BYTES = 16 * 1024;

/** Types of a report on delivery: RFC 3464 and RFC 6533. */
const STATUS = ["message/delivery-status", "message/global-delivery-status"];
/** Types of parts that say what else a message is: RFC 8098, RFC 5965, RFC 8460, RFC 6047. */
const OTHERS = [
  "message/disposition-notification",
  "message/global-disposition-notification",
  "message/feedback-report",
  "application/tlsrpt+gzip",
  "application/tlsrpt+json",
  "text/calendar",
];
/** Types in which a message, or its header, is returned. */
const RETURNED = ["message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"];

/**
 * The evidence, in words; undefined: it is something else.
 *
 * @param nullSender is the envelope sender known to be null, or a daemon's? Only then a transcript or words are
 *   evidence: people write about mail, too
 */
export function bounceEvidence({ header, prefix, bodyStart }: Content, nullSender = true): string | undefined {
  const body = prefix.subarray(bodyStart);
  const parts = partsOf(header, body);
  if (parts.some(({ type }) => STATUS.includes(type)) || hasStrayStatus(header, parts, body)) {
    return "message/delivery-status";
  }
  if (value(header, "X-Failed-Recipients") !== undefined) return "X-Failed-Recipients";

  const report = reportType(header);
  const other = parts.some(({ type }) => OTHERS.includes(type));
  if (report === "delivery-status" && !other) return "multipart/report";
  const text = shownText(parts, body);
  const notice = text.slice(0, endOfNotice(text));
  const system = noticeOf(notice);
  if (system !== undefined) return system;
  if (nullSender && hasTranscript(notice)) return "an SMTP transcript";
  if (other || (report !== undefined && report !== "")) return undefined;

  const from = author(header);
  const subject = values(header, "Subject").some((one) => isFailureSubject(decodeWords(one)));
  const returned = parts.some(({ type }) => RETURNED.includes(type)) || RETURNED_LINES.test(text);
  const failure = failureIn(notice.replace(QUOTED_LINES, "")); // an answer quotes what it answers
  const signs: [weight: number, words: string | false][] = [
    [2, from === "daemon" && "a daemon's From"],
    [1, from === "postmaster" && "a postmaster's From"],
    [1, subject && "the Subject of a bounce"],
    [1, returned && "a returned message"],
    [1, report === "" && "multipart/report"],
    [2, failure === "code" && nullSender && "words of failure with an SMTP reply"],
    [1, failure === "reason" && "words of failure with a reason"],
    [1, failure === "words" && (subject || from !== undefined) && "words of failure"],
  ];
  const found = signs.filter(([, words]) => words !== false);
  // Programs that answer for people say so (RFC 3834 section 5); Exim and others, unfortunately, say the same.
  const needed = /^\s*auto-replied\b/i.test(value(header, "Auto-Submitted") ?? "") ? 3 : 2;
  return found.reduce((sum, [weight]) => sum + weight, 0) < needed
    ? undefined
    : found.map(([, words]) => words).join(", ");
}

/** The header once for each Content-Type that it has: nobody knows which one a mail program goes by. */
function variants(header: Header): Header[] {
  const types = header.filter((one) => named(one, "Content-Type"));
  return types.length < 2 ? [header] : types.slice(0, MAX_TYPES).map((type) => {
    return header.filter((one) => one === type || !named(one, "Content-Type"));
  });
}

function partsOf(header: Header, body: Uint8Array): Part[] {
  return variants(header).flatMap((one) => mimeParts(one, body, MAX_DEPTH) ?? []);
}

/** The report-type in lower case, empty for a multipart/report without one; undefined: it is no report. */
function reportType(header: Header): string | undefined {
  const reports = variants(header).map((one) => contentType(one)).filter(({ type }) => type === "multipart/report");
  const types = reports.map(({ parameters }) => parameters.get("report-type")?.trim().toLowerCase() ?? "");
  return types.includes("delivery-status") ? "delivery-status" : types[0];
}

/** Where the boundaries are wrong, or the header lacks the type, the part's own header is looked for as a line. */
function hasStrayStatus(header: Header, parts: readonly Part[], body: Uint8Array): boolean {
  if (parts.some(({ ended }) => ended) || !contentType(header, "multipart/").type.startsWith("multipart/")) {
    return false;
  }
  const front = decodeLatin1(body.subarray(0, MAX_TEXT_BYTES));
  const status = /^content-type:[ \t]{0,16}message\/(?:global-)?delivery-status/im.exec(front);
  const message = /^content-type:[ \t]{0,16}message\/rfc822/im.exec(front);
  return status !== null && (message === null || status.index < message.index);
}

/** What a person reads first of a message. */
export function textOf({ header, prefix, bodyStart }: Content): string {
  const body = prefix.subarray(bodyStart);
  return shownText(partsOf(header, body), body);
}

/** The beginning of the first texts, or of the body where its parts cannot be found. */
function shownText(parts: readonly Part[], body: Uint8Array): string {
  const texts = parts.filter(({ type }) => /^text\/(?!rfc822-headers|calendar)/.test(type)).slice(0, MAX_TEXTS);
  const found = parts.length === 0 ? [{ type: "text/plain", bytes: body }] : texts;
  return found.map(({ type, bytes }) => readable(type, bytes.subarray(0, MAX_TEXT_BYTES))).join("\n");
}

function readable(type: string, bytes: Uint8Array): string {
  // Japanese carriers; others differ from UTF-8 in letters that no pattern here needs.
  const charset = decodeLatin1(bytes.subarray(0, 2048)).includes("\x1b$") ? "iso-2022-jp" : "utf-8";
  const text = new TextDecoder(charset).decode(bytes).replace(/\r\n?/g, "\n");
  return type === "text/html" ? htmlToText(text) : text;
}

/** What is returned in the text itself, after the last words of the mail system. */
const SEPARATOR =
  /^[ \t]{0,16}(?:-{2,80}[^\n]{0,80}(?:copy|original|message|header|below|enclosed)[^\n]{0,80}|[^\n]{0,40}(?:(?:original|returned|unsent) message|message headers?)[^\n]{0,40}(?:follow|:$)[^\n]{0,40})$/im;
const QUOTED_LINES = /^>(?: [^\n]*)?$/gm;
const RETURNED_LINES = /^[> \t]{0,16}(?:Message-ID|Received|Return-Path)[ \t]{0,16}:/im;

/** The separator belongs to the notice: some systems write nothing else that is their own. */
function endOfNotice(text: string): number {
  const found = SEPARATOR.exec(text);
  return found === null ? text.length : found.index + found[0].length;
}

/** Local parts; what is asked of the whole field before is not asked again. */
const DAEMONS = /^(?:mail\.?delivery|mdaemon$)/i;
const ROLES = /^(?:bounce|microsoftexchange[0-9a-f]{32}$)/i;
/** From fields whose addresses are parsed, and characters of one; the patterns above look at all of them. */
const [MAX_PARSED, MAX_FROM_LENGTH] = [16, 8 * 1024];

/** Who says to have written it: every From counts, with its encoded words decoded. */
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
