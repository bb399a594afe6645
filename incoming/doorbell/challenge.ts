/**
 * Composes a challenge: an automatic response (RFC 3834) that asks an address whether it sent a request. It goes to
 * people who may never have written, so it contains next to nothing of the request.
 */
import { type Address, formatAddress } from "../../lib/address.ts";
import { base64, latin1ToUtf8, utf8 } from "../../lib/bytes.ts";
import { printDay, rfc5322Date } from "../../lib/date.ts";
import { decodeWords } from "../../lib/encoded_words.ts";
import { field, type Header, printHead, value, values } from "../../lib/message.ts";
import type { Service } from "../../lib/settings/doorbell.ts";
import { confirmAddress, type Cookie, printCookie } from "./cookie.ts";

/** The request that a challenge is about: its header, and the beginning of its body as a Latin-1 string. */
export interface Request {
  readonly header: Header;
  readonly body: string;
}

/** Maximum length of a quoted line, and of the part of the Subject that is repeated. */
const [MAX_LINE_LENGTH, MAX_SUBJECT_LENGTH] = [70, 60];
/** Maximum length of a References field. */
const MAX_REFERENCES_LENGTH = 900;

/**
 * Composes the challenge.
 *
 * @param terms the text of the service, in the language of the request; empty if it has none
 * @returns the message, with the null sender as its envelope sender
 */
export function composeChallenge(
  service: Service,
  to: Address,
  cookie: Cookie,
  request: Request,
  terms: string,
  { now, messageId }: { readonly now: Date; readonly messageId: string },
): { readonly head: Uint8Array<ArrayBuffer>; readonly body: Uint8Array<ArrayBuffer> } {
  const answered = idIn(request.header);
  const header: Header = [
    field("From", service.address),
    ...(service.confirm === "reply" ? [field("Reply-To", confirmAddress(service, cookie))] : []),
    field("To", formatAddress(to)),
    field("Subject", encoded(`Auto: ${subjectOf(request.header) || `Your message to ${service.address}`}`)),
    field("Date", rfc5322Date(now)),
    field("Message-ID", messageId),
    ...(answered === undefined
      ? []
      : [field("In-Reply-To", answered), field("References", references(request.header, answered))]),
    field("Auto-Submitted", "auto-replied"),
    field("X-Auto-Response-Suppress", "All"),
    field("X-Loop", service.address),
    field("MIME-Version", "1.0"),
    field("Content-Type", "text/plain; charset=utf-8"),
    field("Content-Transfer-Encoding", "8bit"),
  ];
  return { head: printHead(header), body: utf8(textOf(service, cookie, request, terms)) };
}

function textOf(service: Service, cookie: Cookie, request: Request, terms: string): string {
  const how = service.confirm === "reply"
    ? "To confirm that you sent it, reply to this message. Nothing else is needed."
    : `To confirm that you sent it, write to ${service.address}, with these two words in the\nSubject:\n\n` +
      `    ${service.subject_tag} ${printCookie(cookie)}`;
  const parts = [
    `A message from your address has arrived at ${service.address}. It is held until you confirm it:`,
    quotedLines(request).map((line) => `> ${line}`).join("\n"),
    how,
    `If you did not send it, ignore this message. Without your confirmation nothing is done, and the held message\n` +
    `is deleted after ${printDay(cookie.expires)}.`,
    ...(terms.trim() === "" ? [] : [terms.trim()]),
  ];
  return parts.filter((part) => part !== "").map((part) => `${part}\n`).join("\n");
}

/**
 * Returns at most three lines with which a person recognizes the message: Date, Subject, and its first line of text.
 */
export function quotedLines({ header, body }: Request): string[] {
  const date = clean(value(header, "Date") ?? "", MAX_LINE_LENGTH);
  const subject = clean(decodeWords(value(header, "Subject") ?? ""), MAX_LINE_LENGTH);
  const plain = /^(?:text\/plain\b.*)?$/is.test(value(header, "Content-Type") ?? "") &&
    !/base64|quoted-printable/i.test(value(header, "Content-Transfer-Encoding") ?? "");
  const first = plain ? body.split("\n").find((line) => line.trim() !== "") ?? "" : "";
  const line = clean(latin1ToUtf8(first), MAX_LINE_LENGTH);
  return [date && `Date: ${date}`, subject && `Subject: ${subject}`, line].filter((one) => one !== "");
}

/**
 * Makes a stranger's text safe to quote: one line, without control and formatting characters, which could hide or
 * reorder text, and without anything that a mail program would turn into a link.
 */
function clean(text: string, length: number): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\ufffd]+/gu, " ").replace(/\s+/g, " ").trim();
  const plain = line.replace(/\S+/g, (word) => LINKED.test(word) ? "[…]" : word);
  return plain.length <= length ? plain : `${[...plain].slice(0, length - 1).join("")}…`;
}

/**
 * What mail programs turn into links, also without a scheme: `scheme:…` with a slash, `mailto:`, addresses, and names
 * with dots that end in letters, in whatever script.
 */
const LINKED = /:\/|^\W{0,9}(?:mailto|tel|sms|javascript|data):|@|[\p{L}\p{N}-][.\u3002\uff0e\uff61]\p{L}{2}|\bxn--/iu;

/** Returns the beginning of the Subject, without the prefixes of replies. */
function subjectOf(header: Header): string {
  const subject = clean(decodeWords(value(header, "Subject") ?? ""), MAX_SUBJECT_LENGTH);
  return subject.replace(/^(?:(?:re|fwd?|auto|aw|wg)\s{0,4}:\s{0,4})+/i, "");
}

/** Encodes a text for a header (RFC 2047), in words of at most 75 characters. */
function encoded(text: string): string {
  if (/^[ -~]*$/.test(text)) return text;
  const words: string[] = [];
  let word = "";
  for (const character of text) {
    if (utf8(word + character).length > 42) {
      words.push(word);
      word = "";
    }
    word += character;
  }
  return [...words, word].map((one) => `=?utf-8?B?${base64(utf8(one))}?=`).join(" ");
}

/** Returns the Message-ID of the request, if it is well formed; it is untrusted text. */
function idIn(header: Header): string | undefined {
  const [id, ...more] = values(header, "Message-ID");
  return id !== undefined && more.length === 0 && MESSAGE_ID.test(id) ? id : undefined;
}

const MESSAGE_ID = /^<[\w.!#$%&'*+/=?^`{|}~-]{1,200}@[\w.:[\]-]{1,200}>$/;

/** Returns the References of the request and its own Message-ID (RFC 5322 section 3.6.4), as many as fit. */
function references(header: Header, id: string): string {
  const all = (value(header, "References") ?? "").slice(-4000).split(/\s+/).filter((one) => MESSAGE_ID.test(one));
  const kept = [id];
  for (const one of all.reverse()) {
    if (kept.join(" ").length + one.length >= MAX_REFERENCES_LENGTH) break;
    kept.unshift(one);
  }
  return kept.join(" ");
}

/** Returns the languages that a request prefers, the most preferred first, in lower case (RFC 3282). */
export function languagesOf(header: Header): string[] {
  const given = ["Accept-Language", "Content-Language"].map((name) => value(header, name) ?? "").join(",");
  const found = given.slice(0, 500).split(",").map((one, nth) => {
    const [, tag, q] =
      /^\s*([a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3})\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*$/i.exec(one) ?? [];
    return { tag: tag?.toLowerCase(), q: Number(q ?? 1), nth };
  });
  const sorted = found.filter(({ tag, q }) => tag !== undefined && q > 0).sort((a, b) => b.q - a.q || a.nth - b.nth);
  // The language without its region is better than a different language.
  return [...new Set(sorted.flatMap(({ tag }) => [tag!, tag!.split("-")[0]!]))];
}
