/**
 * Decodes a body in every way in which a returned header may be encoded, so that its lines can be searched. No MIME
 * parser is used, because boundaries are often broken, and a wrong guess is harmless: only a valid MAC counts.
 */
import { decodeLatin1, fromBase64 } from "../lib/bytes.ts";
import { htmlToText, looksLikeHtml, unescapeHtml } from "../lib/html.ts";

/** A decoded text, as a Latin-1 string with LF line endings. */
export interface EncodedText {
  readonly text: string;
  /** How it was decoded: `bytes`, `utf-16`, `quoted-printable`, `base64`, `html`; `mime` for nested encodings. */
  readonly by: string;
}

/** Maximum nesting of base64, which occurs when a message is attached to a message. */
const MAX_DEPTH = 2;

/** Yields the texts of a body, the most likely first. Their total size is a small multiple of the body's size. */
export function* textsIn(body: string): Generator<EncodedText> {
  yield* expand(lineFeeds(body), "bytes", 0);
}

function* expand(text: string, by: string, depth: number): Generator<EncodedText> {
  const outer = depth === 0 ? undefined : depth > 1 ? "mime" : by;
  const nested = depth === 0 ? undefined : "mime";
  yield { text, by: outer ?? by };
  let plain = text;
  if (text.includes("\0")) {
    plain = lineFeeds(withoutNuls(text));
    yield { text: plain, by: nested ?? "utf-16" };
  }
  const unquoted = unquote(plain);
  if (unquoted !== undefined) yield { text: unquoted, by: nested ?? "quoted-printable" };
  for (const source of unquoted === undefined ? [plain] : [plain, unquoted]) {
    // HTML is only converted when it contains the name of a field.
    if (/msgauth|message-id/i.test(source) && looksLikeHtml(source)) {
      const page = htmlToText(source, true);
      yield { text: page, by: outer ?? "html" };
      const again = unescapeHtml(page, true); // some gateways escape twice
      if (again !== page) yield { text: again, by: outer ?? "html" };
    }
  }
  if (depth === MAX_DEPTH) return;
  const parts = new Set(base64Parts(plain));
  if (unquoted !== undefined) { for (const part of base64Parts(unquoted)) parts.add(part); }
  for (const part of parts) yield* expand(lineFeeds(part), "base64", depth + 1);
}

/** Converts CRLF, and the bare CR of old systems, to LF. A line that ends with two CRs is followed by an empty line. */
const lineFeeds = (text: string): string => text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;

/** Decodes UTF-16 of either byte order as far as it is ASCII, in which every second byte is NUL. */
const withoutNuls = (text: string): string => text.replace(/\0|\xff\xfe|\xfe\xff/g, "");

/** Decodes quoted-printable everywhere (RFC 2045 section 6.7); undefined when the text contains none. */
function unquote(text: string): string | undefined {
  if (!/=(?:[0-9A-F]{2}|[ \t]{0,76}\n)/i.test(text)) return undefined;
  return lineFeeds(
    text.replace(/=[ \t]{0,76}\n/g, "").replace(
      /=([0-9A-F]{2})/gi,
      (_, hex) => String.fromCharCode(parseInt(hex, 16)),
    ),
  );
}

/** The run of base64 characters that begins a part; its further lines may be shorter. */
const MIN_RUN = 24;
const LINE = /[>|* \t]{0,80}([A-Za-z0-9+/]{1,262144})(={0,2})[ \t]{0,80}(?:\n|$)/y;

/** Yields the decoded runs of lines that can only be base64 (RFC 2045 section 6.8). */
function* base64Parts(text: string): Generator<string> {
  for (let next = 0, found; (found = findRun(text, next)) >= 0;) {
    const lines: string[] = [];
    LINE.lastIndex = text.lastIndexOf("\n", found) + 1;
    let at = found;
    for (let line; (line = LINE.exec(text)) !== null;) {
      lines.push(line[1]!);
      at = LINE.lastIndex;
      if (line[2] !== "") break; // padding ends it
    }
    next = Math.max(at, lineEnd(text, found));
    if (lines.length === 0) continue;
    const joined = lines.join("");
    yield decodeLatin1(fromBase64(joined.slice(0, joined.length - (joined.length % 4 === 1 ? 1 : 0))));
  }
}

/**
 * Returns where the next run of {@link MIN_RUN} base64 characters begins; -1 if there is none. It looks at the end of a
 * possible run first, and so at few characters of ordinary text; a regular expression takes twenty times as long.
 */
function findRun(text: string, from: number): number {
  for (let start = from; start + MIN_RUN <= text.length;) {
    let at = start + MIN_RUN - 1;
    while (at >= start && BASE64[text.charCodeAt(at)] === 1) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return -1;
}

/** 1 for each character code of base64. */
const BASE64 = new Uint8Array(256);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") BASE64[char.charCodeAt(0)] = 1;

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}
