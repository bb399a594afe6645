/**
 * MIME parts (RFC 2045, RFC 2046), as far as bounces need them.
 *
 * This is deliberately not a general parser. postal-mime takes 10 seconds for a To field of 1 MB, and up to 3 seconds
 * for 256 KB of padded base64 or short lines. Here addresses are not parsed, each level of the body is scanned once,
 * and everything that a stranger can repeat is bounded.
 */
import { decodeLatin1, encodeLatin1, utf8 } from "./bytes.ts";
import { base64In, fromQuotedPrintable } from "./encoded_words.ts";
import { type Header, named, parseHead } from "./message.ts";

/** A part that is not a multipart, decoded. */
export interface MimePart {
  /** Its media type in lower case, without parameters. */
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Whether the delimiter after it was found. If not, the part may be truncated where the text was. */
  readonly ended: boolean;
}

/** A parsed Content-Type field such as `text/plain; charset=utf-8`. */
export interface ContentType {
  /** The media type in lower case; empty when the field is not valid. */
  readonly type: string;
  /** Parameters by name in lower case. When a name is repeated, the first one counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Maximum number of parts that are read from one message, more than any bounce has. */
const MAX_PARTS = 1000;
/** Maximum length of a field that is parsed, in octets, more than a valid Content-Type has. */
const MAX_FIELD_BYTES = 8 * 1024;

/**
 * Returns the leaf parts of a message, in order. An attached message is one part, and HTML stays HTML.
 *
 * @param header the header of the message
 * @param body its body, or the beginning of it
 * @param maxDepth how deeply multiparts may be nested
 * @returns undefined for a message beyond the bounds, whose content is unknown
 */
export function mimeParts(header: Header, body: Uint8Array, maxDepth: number): MimePart[] | undefined {
  let text: string | undefined; // most bounces are not multiparts
  const out: MimePart[] = [];
  let left = MAX_PARTS;
  const read = (header: Header, from: Slice, fallback: string, depth: number): boolean => {
    const { type, parameters } = contentType(header, fallback);
    if (!type.startsWith("multipart/")) {
      const bytes = decoded(header, body.subarray(from.start, from.end));
      out.push({ type, bytes: type.startsWith("text/") ? asUtf8(bytes, parameters) : bytes, ended: from.ended });
      return true;
    }
    const boundary = parameters.get("boundary") ?? "";
    if (boundary === "") return true;
    if (depth >= maxDepth) return false;
    const inner = type === "multipart/digest" ? "message/rfc822" : "text/plain";
    for (const part of bodyParts(text ??= decodeLatin1(body), from, boundary)) {
      if (--left < 0) return false;
      const head = parseHead(body.subarray(part.start, part.end), true)!;
      const content = { ...part, start: part.start + head.bodyStart };
      if (!read(head.header, content, inner, depth + 1)) return false;
    }
    return true;
  };
  return read(header, { start: 0, end: body.length, ended: false }, "text/plain", 0) ? out : undefined;
}

/** A part, as offsets into the text. */
interface Slice {
  readonly start: number;
  readonly end: number;
  readonly ended: boolean;
}

/** Yields the parts between the delimiters. The line end before a delimiter belongs to it (RFC 2046 section 5.1.1). */
function* bodyParts(text: string, { start, end, ended }: Slice, boundary: string): Generator<Slice> {
  const mark = `--${boundary}`;
  const inside = text.slice(start, end); // searching beyond the end would take quadratic time in all
  let from: number | undefined;
  let at = inside.startsWith(mark) ? 0 : nextLine(inside, mark, 0);
  for (; at >= 0; at = nextLine(inside, mark, at + mark.length)) {
    const closing = inside.startsWith("--", at + mark.length);
    const after = at + mark.length + (closing ? 2 : 0);
    const newline = inside.indexOf("\n", after);
    const lineEnd = newline < 0 ? inside.length : newline;
    if (inside.slice(after, lineEnd).trim() !== "") continue; // a longer boundary that begins with this one
    if (from !== undefined) {
      const before = inside[at - 2] === "\r" ? at - 2 : at - 1;
      yield { start: start + from, end: start + Math.max(from, before), ended: true };
    }
    if (closing) return;
    from = Math.min(lineEnd + 1, inside.length);
  }
  if (from !== undefined) yield { start: start + from, end, ended };
}

/** Returns the offset of the next line that begins with the mark, or -1. */
function nextLine(text: string, mark: string, from: number): number {
  const found = text.indexOf(`\n${mark}`, from);
  return found < 0 ? -1 : found + 1;
}

/**
 * Parses the first Content-Type field of a part.
 *
 * @param fallback the type of a part without the field (RFC 2045 section 5.2)
 */
export function contentType(header: Header, fallback = "text/plain"): ContentType {
  const raw = rawValue(header, "Content-Type");
  if (raw === undefined || raw.length > MAX_FIELD_BYTES) {
    return { type: raw === undefined ? fallback : "", parameters: new Map() };
  }
  const value = withoutComments(raw);
  const semicolon = value.indexOf(";");
  const type = (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
  return { type, parameters: parametersOf(semicolon < 0 ? "" : value.slice(semicolon)) };
}

const PARAMETER = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\[^])*)"|([^\s;"]*))/g;

/** Parses parameters, with continuations joined and percent-encoding decoded (RFC 2231 sections 3 and 4). */
function parametersOf(text: string): Map<string, string> {
  const out = new Map<string, string>();
  const pieces = new Map<string, { nth: number; text: string }[]>();
  for (const [, name, quoted, token] of text.matchAll(PARAMETER)) {
    const value = quoted?.replace(/\\([^])/g, "$1") ?? token!;
    const [, base, nth, star] = /^([^*]+)(?:\*(\d{1,3}))?(\*?)$/.exec(name!.toLowerCase()) ?? [];
    if (base === undefined) continue;
    if (nth === undefined && star === "") {
      if (!out.has(base)) out.set(base, value);
      continue;
    }
    const piece = star === ""
      ? value
      : percentDecoded(Number(nth ?? 0) === 0 ? value.replace(/^[^']*'[^']*'/, "") : value);
    pieces.set(base, [...pieces.get(base) ?? [], { nth: Number(nth ?? 0), text: piece }]);
  }
  for (const [base, all] of pieces) {
    if (!out.has(base)) out.set(base, all.sort((a, b) => a.nth - b.nth).map(({ text }) => text).join(""));
  }
  return out;
}

const percentDecoded = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/** Removes comments, which nest. Quoted text and unclosed parentheses are not comments (RFC 5322 section 3.2.2). */
function withoutComments(text: string): string {
  let out = "";
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    const pair = c === "\\" ? text.slice(at, at + 2) : c;
    if (pair.length === 2) at++;
    else if (c === '"' && depth === 0) quoted = !quoted;
    else if (c === "(" && !quoted) depth++;
    if (depth === 0) out += pair;
    if (c === ")" && !quoted && depth > 0) depth--;
  }
  return depth === 0 ? out : text;
}

function rawValue(header: Header, name: string): string | undefined {
  const found = header.find((one) => named(one, name));
  return found?.raw.slice(found.raw.indexOf(":") + 1).replace(/\n/g, "");
}

/** Decodes the Content-Transfer-Encoding (RFC 2045 section 6). */
function decoded(header: Header, bytes: Uint8Array): Uint8Array {
  const encoding = withoutComments((rawValue(header, "Content-Transfer-Encoding") ?? "").slice(0, MAX_FIELD_BYTES));
  if (/base64/i.test(encoding)) return base64In(decodeLatin1(bytes));
  if (/quoted-printable/i.test(encoding)) return encodeLatin1(fromQuotedPrintable(decodeLatin1(bytes)));
  return bytes;
}

/** Converts UTF-16, which would hide everything from a scan for ASCII. Other charsets hide nothing of ours. */
function asUtf8(bytes: Uint8Array, parameters: ContentType["parameters"]): Uint8Array {
  const charset = parameters.get("charset")?.toLowerCase() ?? "";
  const marked = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (!marked && !/^utf-?16(?:be|le)?$/.test(charset)) return bytes;
  const big = bytes[0] === 0xfe || (!marked && /be$/.test(charset));
  return utf8(new TextDecoder(big ? "utf-16be" : "utf-16le").decode(bytes));
}
