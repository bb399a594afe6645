/**
 * The texts that a body may hold: as it is, and with undone what hides a returned header from a scan for its lines.
 * No MIME parser is asked: boundaries are often broken, and each text is scanned for what only we could have made.
 */
import { htmlToText, looksLikeHtml } from "../lib/html.ts";

/** A text, as a binary string with LF for line ends. */
export interface EncodedText {
  readonly text: string;
  /** How it was found: `bytes`, `utf-16`, `quoted-printable`, `base64`, `html`; `mime` for one inside of another. */
  readonly by: string;
}

/** Base64 inside of base64: a message attached to a message. */
const MAX_DEPTH = 2;

/** The texts of a body, the most likely first. Their sizes together are a small multiple of that of the body. */
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
    // Only a text that names the field is worth it.
    if (/msgauth|message-id/i.test(source) && looksLikeHtml(source)) {
      yield { text: htmlToText(source), by: outer ?? "html" };
    }
  }
  if (depth === MAX_DEPTH) return;
  const parts = new Set(base64Parts(plain));
  if (unquoted !== undefined) { for (const part of base64Parts(unquoted)) parts.add(part); }
  for (const part of parts) yield* expand(lineFeeds(part), "base64", depth + 1);
}

/** CRLF, and the bare CR of old systems, as LF. A line that ends with two CRs gets an empty line behind it. */
const lineFeeds = (text: string): string => text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;

/** UTF-16 of either byte order: what matters to us is ASCII, in which each second octet is NUL. */
const withoutNuls = (text: string): string => text.replace(/\0|\xff\xfe|\xfe\xff/g, "");

/** Quoted-printable undone everywhere (RFC 2045 section 6.7); undefined where there is none. */
function unquote(text: string): string | undefined {
  if (!/=(?:[0-9A-F]{2}|[ \t]{0,76}\n)/i.test(text)) return undefined;
  return lineFeeds(
    text.replace(/=[ \t]{0,76}\n/g, "").replace(
      /=([0-9A-F]{2})/gi,
      (_, hex) => String.fromCharCode(parseInt(hex, 16)),
    ),
  );
}

/** Characters of base64 in a row that begin a part; behind them its lines may be shorter. */
const BEGIN = /[A-Za-z0-9+/]{24}/g;
const LINE = /[>|* \t]{0,80}([A-Za-z0-9+/]{1,262144})(={0,2})[ \t]{0,80}(?:\n|$)/y;

/** Runs of lines that can only be base64 (RFC 2045 section 6.8), decoded. */
function* base64Parts(text: string): Generator<string> {
  BEGIN.lastIndex = 0;
  for (let found; (found = BEGIN.exec(text)) !== null;) {
    const lines: string[] = [];
    LINE.lastIndex = text.lastIndexOf("\n", found.index) + 1;
    let at = found.index;
    for (let line; (line = LINE.exec(text)) !== null;) {
      lines.push(line[1]!);
      at = LINE.lastIndex;
      if (line[2] !== "") break; // padding ends it
    }
    BEGIN.lastIndex = Math.max(at, lineEnd(text, found.index));
    if (lines.length === 0) continue;
    const joined = lines.join("");
    // Of these characters any count is base64 to atob() but for one over a multiple of four.
    yield atob(joined.slice(0, joined.length - (joined.length % 4 === 1 ? 1 : 0)));
  }
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}
