/**
 * Parses the Message-ID field (RFC 5322 section 3.6.4) in the same way when a message is signed, when it is returned,
 * and when a reply refers to it. Mail programs often write what the grammar does not allow, so parsing is lenient.
 */
import { latin1ToUtf8, utf8ToLatin1 } from "./bytes.ts";
import { decodeWords } from "./encoded_words.ts";
import { Fail, quote } from "./fail.ts";
import { unescapeHtml } from "./html.ts";
import { type Field, type Header, named } from "./message.ts";

/** Maximum number of possible original forms that are tried when a tag is verified; each requires a MAC. */
const MAX_READINGS = 8;

/**
 * Returns the Message-ID to sign, in the form of {@link signedMessageId}.
 *
 * @throws {Fail} `data` when there is not exactly one field, or it cannot be parsed
 */
export function messageIdOf(header: Header): string {
  const fields = header.filter((field) => named(field, "Message-ID"));
  if (fields.length !== 1) throw new Fail("data", `The message has ${fields.length} Message-ID fields`);
  return signedMessageId(messageIdBody(fields[0]!));
}

/** Returns the body of a field with its folds, decoded as UTF-8 (RFC 6532 section 3.2) if valid, else as ISO 8859-1. */
export function messageIdBody({ raw }: Field): string {
  return eightBitText(raw.slice(raw.indexOf(":") + 1));
}

/** Decodes eight-bit text as UTF-8, or else as ISO 8859-1, which unlike U+FFFD keeps different bytes distinct. */
export function eightBitText(latin1: string): string {
  const text = latin1ToUtf8(latin1);
  return text.includes("\ufffd") && utf8ToLatin1(text) !== latin1 ? latin1 : text;
}

/**
 * Returns what a tag covers of a Message-ID: the body of the field as written, unfolded and trimmed, without an
 * enclosing pair of angle brackets, because programs add and remove them.
 *
 * @param body the body of the field, folds included
 * @throws {Fail} `data` for control characters, an empty field, or one with several Message-IDs
 */
export function signedMessageId(body: string): string {
  const unfolded = unfold(body);
  const text = unfolded.trim();
  // A tab is white space. What remains of a line ending is an error, even where trimming would remove it.
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(unfolded)) {
    throw new Fail("data", `Message-ID ${quote(text)} contains a control character`);
  }
  const { bracketed, bare } = split(text);
  if (bracketed.length + bare.length === 0) throw new Fail("data", "The Message-ID is empty");
  if (bracketed.length + bare.flatMap(addresses).length > 1) {
    throw new Fail("data", `Message-ID ${quote(text)} contains several Message-IDs`);
  }
  return withoutBrackets(text);
}

/**
 * Returns what a returned Message-ID may have been when it was signed, the most likely form first. Servers fold it
 * differently, add white space, escape it for HTML, or write text next to the brackets.
 *
 * @param body the body of the field as it was returned, folds included
 * @returns at most eight, in the form of {@link signedMessageId}
 */
export function messageIdReadings(body: string): string[] {
  const readings = new Set<string>();
  const add = (text: string) => {
    const reading = withoutBrackets(unfold(text).trim());
    if (reading !== "" && readings.size < MAX_READINGS) readings.add(reading);
  };
  const once = unescapeHtml(body);
  const texts = new Set([body, unescapeHtml(once), once]); // some gateways escape twice
  for (const text of texts) {
    add(text);
    add(text.replace(/\s+/g, " "));
    add(text.replace(FOLDS, ""));
    add(squeeze(text));
  }
  for (const text of texts) for (const id of split(unfold(text)).bracketed) add(id);
  return [...readings];
}

/**
 * Returns the Message-ID in a normalized form, for comparing and remembering: encoded words decoded, without comments,
 * brackets and white space. Empty when there is none.
 */
export function bareMessageId(body: string): string {
  return messageIdsIn(body)[0] ?? "";
}

/** Returns the Message-ID of a message for the log, in angle brackets; undefined when there is none. */
export function loggedMessageId(header: Header): string | undefined {
  const field = header.find((one) => named(one, "Message-ID"));
  const id = field === undefined ? "" : bareMessageId(messageIdBody(field));
  return id === "" ? undefined : `<${id}>`;
}

/**
 * Returns the Message-IDs in a field (Message-ID, In-Reply-To, References, Original-Message-ID), in the form of
 * {@link bareMessageId}: those in angle brackets in their order, then those without.
 */
export function messageIdsIn(body: string): string[] {
  const { bracketed, bare } = split(decodeWords(unfold(body)));
  const tokens = bare.flatMap((text) => [text, ...addresses(text)]);
  return [...new Set([...bracketed, ...tokens].map(squeeze))].filter((id) => !/^[,;]*$/.test(id));
}

/** A line ending and the white space after it. Servers fold anywhere, even inside a word (RFC 5322 section 2.2.3). */
const FOLDS = /\r?\n[ \t]{0,998}/g;

const unfold = (text: string): string => text.replace(/\r?\n/g, "");

const squeeze = (text: string): string => text.replace(/\s+/g, "");

/** Removes an enclosing pair of angle brackets. */
export const withoutBrackets = (text: string): string => /^<([^<>]+)>$/.exec(text)?.[1]?.trim() ?? text;

/** Returns the words of a text without brackets that can only be Message-IDs or addresses. */
function addresses(text: string): string[] {
  const words = text.replace(/"[^"]{0,998}"/g, (quoted) => squeeze(quoted)).split(/[\s,;]+/);
  return words.filter((word) => /[^@]@[^@]/.test(word));
}

/** Separates text inside angle brackets from text outside; comments are removed (RFC 5322 section 3.2.2). */
function split(text: string): { bracketed: string[]; bare: string[] } {
  const bracketed: string[] = [];
  const bare: string[] = [];
  let piece = "";
  let inside = false;
  let closed = true; // after an unterminated comment or quoted string, do not search for its end again
  const end = (to: string[]) => {
    if (piece.trim() !== "") to.push(piece.trim());
    piece = "";
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "<") {
      end(bare);
      inside = true;
    } else if (char === ">") {
      end(inside ? bracketed : bare);
      inside = false;
    } else if (closed && (char === '"' || (char === "(" && !inside))) {
      const last = endOf(text, at);
      closed = last > 0;
      if (!closed || char === '"') piece += closed ? text.slice(at, last + 1) : char;
      if (closed) at = last;
    } else piece += char;
  }
  end(bare);
  return { bracketed, bare };
}

/** Returns the offset of the last character of the comment or quoted string that begins here; -1 if unterminated. */
function endOf(text: string, start: number): number {
  const comment = text[start] === "(";
  for (let at = start, depth = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (!comment && at > start && text[at] === '"') return at;
    else if (comment && text[at] === "(") depth++;
    else if (comment && text[at] === ")" && --depth === 0) return at;
  }
  return -1;
}
