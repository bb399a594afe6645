/**
 * The Message-ID field (RFC 5322 section 3.6.4), read in one way when a message is signed, when it comes back, and
 * when a reply names it. Mail programs write much that the grammar does not allow, and their users do not know it.
 */
import { latin1ToUtf8, utf8ToLatin1 } from "./bytes.ts";
import { Fail, quote } from "./fail.ts";
import { unescapeHtml } from "./html.ts";
import { type Field, type Header, named } from "./message.ts";

/** Ways of undoing what servers do to a field, tried when a tag is verified; each costs a MAC. */
const MAX_READINGS = 8;

/**
 * The Message-ID of a message that is to be signed: the body of its field as written, as {@link signedMessageId} has it.
 *
 * @throws {Fail} `data` when there is not exactly one field, or it cannot be read
 */
export function messageIdOf(header: Header): string {
  const fields = header.filter((field) => named(field, "Message-ID"));
  if (fields.length !== 1) throw new Fail("data", `The message has ${fields.length} Message-ID fields`);
  return signedMessageId(messageIdBody(fields[0]!));
}

/** The body of a field with its folds: as UTF-8 (RFC 6532 section 3.2), or as ISO 8859-1 where it is not that. */
export function messageIdBody({ raw }: Field): string {
  return eightBitText(raw.slice(raw.indexOf(":") + 1));
}

/** The characters of eight-bit text: UTF-8, or else ISO 8859-1, which unlike U+FFFD keeps different octets apart. */
export function eightBitText(binary: string): string {
  const text = latin1ToUtf8(binary);
  return text.includes("\ufffd") && utf8ToLatin1(text) !== binary ? binary : text;
}

/**
 * What a tag covers of a Message-ID: the body of the field as written, unfolded and trimmed. A single pair of angle
 * brackets around everything does not count, because programs add and drop it.
 *
 * @param body the body of the field, folds included
 * @throws {Fail} `data` for control characters, an empty field, or one with several Message-IDs
 */
export function signedMessageId(body: string): string {
  const unfolded = unfold(body);
  const text = unfolded.trim();
  // A tab is white space; what is left of a line end is not, also where trimming would remove it.
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(unfolded)) {
    throw new Fail("data", `Message-ID ${quote(text)} holds a control character`);
  }
  const { bracketed, bare } = split(text);
  if (bracketed.length + bare.length === 0) throw new Fail("data", "The Message-ID is empty");
  if (bracketed.length + bare.flatMap(addresses).length > 1) {
    throw new Fail("data", `Message-ID ${quote(text)} holds several Message-IDs`);
  }
  return withoutBrackets(text);
}

/**
 * What a returned Message-ID may have been when it was signed, the most likely first: as it is, folded differently,
 * with white space added, escaped for HTML, or with text beside the brackets.
 *
 * @param body the body of the field as it came back, folds included
 * @returns at most eight, in the form of {@link signedMessageId}
 */
export function messageIdReadings(body: string): string[] {
  const readings = new Set<string>();
  const add = (text: string) => {
    const reading = withoutBrackets(unfold(text).trim());
    if (reading !== "" && readings.size < MAX_READINGS) readings.add(reading);
  };
  const texts = body.includes("&") ? [body, unescapeHtml(body)] : [body];
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
 * The Message-ID for comparing and remembering, which is all the same however it is written: encoded words decoded, no
 * comments, brackets or white space. Empty when there is none.
 */
export function bareMessageId(body: string): string {
  return messageIdsIn(body)[0] ?? "";
}

/**
 * The Message-IDs that a field names (Message-ID, In-Reply-To, References, Original-Message-ID), each as
 * {@link bareMessageId} has it: those in angle brackets in their order, then what is written without.
 */
export function messageIdsIn(body: string): string[] {
  const { bracketed, bare } = split(decodeWords(unfold(body)));
  const tokens = bare.flatMap((text) => [text, ...addresses(text)]);
  return [...new Set([...bracketed, ...tokens].map(squeeze))].filter((id) => !/^[,;]*$/.test(id));
}

/** A line end with the white space behind it: servers fold where they like (RFC 5322 section 2.2.3), also inside a word. */
const FOLDS = /\r?\n[ \t]{0,998}/g;

const unfold = (text: string): string => text.replace(/\r?\n/g, "");

const squeeze = (text: string): string => text.replace(/\s+/g, "");

/** A text without the one pair of angle brackets around it. */
export const withoutBrackets = (text: string): string => /^<([^<>]+)>$/.exec(text)?.[1]?.trim() ?? text;

/** What in a text without brackets can only be a Message-ID or an address. */
function addresses(text: string): string[] {
  const words = text.replace(/"[^"]{0,998}"/g, (quoted) => squeeze(quoted)).split(/[\s,;]+/);
  return words.filter((word) => /[^@]@[^@]/.test(word));
}

/** Separates what is inside of angle brackets from what is outside; comments are left out (RFC 5322 section 3.2.2). */
function split(text: string): { bracketed: string[]; bare: string[] } {
  const bracketed: string[] = [];
  const bare: string[] = [];
  let piece = "";
  let inside = false;
  let closed = true; // no comment or quoted string has failed to end: what was not found is not looked for again
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

/** The last character of the comment or quoted string that begins here; -1 when it does not end. */
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

/** Encoded words of RFC 2047 section 2, which some libraries write into every long field. */
function decodeWords(text: string): string {
  if (!text.includes("=?")) return text;
  // White space between two of them is not part of the text (section 6.2).
  return text.replace(/(\?=)\s{1,998}(?==\?)/g, "$1").replace(
    /=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([bq])\?([^?\s]{0,998})\?=/gi,
    (word, charset, encoding, encoded) => decodeWord(charset, encoding.toLowerCase(), encoded) ?? word,
  );
}

function decodeWord(charset: string, encoding: string, encoded: string): string | undefined {
  try {
    const octets = encoding === "b"
      ? Uint8Array.fromBase64(encoded)
      : Uint8Array.from(unquote(encoded), (char) => char.charCodeAt(0));
    return new TextDecoder(charset).decode(octets);
  } catch {
    return undefined;
  }
}

const unquote = (text: string): string =>
  text.replaceAll("_", " ").replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
