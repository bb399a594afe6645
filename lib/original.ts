/**
 * Finds our own tag, and the Message-ID that stood beside it, in a bounce.
 *
 * What is read is the capped prefix of somebody else's mail. A scan for lines
 * that look like ours needs no MIME and finds nearly all (it also works where
 * boundaries are broken); then the same scan over what quoted-printable and
 * base64 hide; postal-mime last, for what is nested deeper.
 */
import { binary } from "./bytes.ts";
import { parseHead } from "./message.ts";
import { eightBitText } from "./message_id.ts";
import { mimeParts } from "./mime.ts";
import { TAG_FIELD } from "./tag.ts";

/** A tag and a Message-ID that stood in one header block. */
export interface Original {
  readonly tag: string;
  readonly messageId: string;
  /** How it was found: `bytes`, `quoted-printable`, `base64` or `mime`. */
  readonly by: string;
}

/** Tags looked at in one message; each costs a MAC or two. */
const LIMIT = 16;
/** Multiparts inside of multiparts. */
const MAX_DEPTH = 16;

/**
 * The candidates in the prefix of a message, best first; the MAC decides.
 *
 * @param prefix header and beginning of the body
 * @param bodyStart where the body begins: our tag in the outer header proves nothing
 */
export async function* findOriginals(prefix: Uint8Array, bodyStart: number): AsyncGenerator<Original> {
  const body = binary(prefix.subarray(bodyStart));
  const seen = new Set<string>();
  const fresh = function* (text: string, by: string): Generator<Original> {
    for (const found of scan(text)) {
      const key = `${found.tag} ${found.messageId}`;
      if (seen.size >= LIMIT || seen.has(key)) continue;
      seen.add(key);
      yield { ...found, by };
    }
  };
  yield* fresh(body, "bytes");
  yield* fresh(unquote(body), "quoted-printable");
  for (const part of base64Parts(body)) yield* fresh(part, "base64");
  if (worthParsing(body)) {
    const { header } = parseHead(prefix.subarray(0, bodyStart), true)!;
    for (const { bytes } of mimeParts(header, prefix.subarray(bodyStart), MAX_DEPTH) ?? []) {
      const part = binary(bytes);
      yield* fresh(part, "mime");
      yield* fresh(unquote(part), "mime");
    }
  }
}

// Bounces quote with "> ", indent, or do neither. The value may have been folded away from its name.
// Every repetition has a bound: this runs over a stranger's text.
const TAG_LINE = new RegExp(
  `^[> \\t|]{0,16}${TAG_FIELD}:[ \\t]{0,16}(?:\\r?\\n[> |]{0,16}[ \\t]{1,16})?(v1\\.[a-z0-9.]{1,80})[ \\t]{0,16}\\r?$`,
  "gim",
);
const ID_LINE = /^[> \t|]{0,16}Message-ID:[ \t]{0,16}(?:\r?\n[> |]{0,16}[ \t]{1,16})?([^\r\n]{1,998})/im;
/** A header block is looked for this far on either side of the tag. */
const REACH = 64 * 1024;

function* scan(text: string): Generator<{ tag: string; messageId: string }> {
  let count = 0;
  for (const match of text.matchAll(TAG_LINE)) {
    if (++count > LIMIT) return;
    const [line, tag] = match as unknown as [string, string];
    const before = text.slice(Math.max(0, match.index - REACH), match.index);
    const after = text.slice(match.index + line.length, match.index + line.length + REACH);
    // The block ends at an empty line on either side; the Message-ID must stand inside it.
    const top = lastEmptyLine(before);
    const bottom = EMPTY.exec(after)?.index ?? after.length;
    const found = ID_LINE.exec(before.slice(top) + after.slice(0, bottom));
    const id = found && eightBitText(found[1]!).trim();
    if (id) yield { tag: tag.toLowerCase(), messageId: /^<([^<>]+)>$/.exec(id)?.[1] ?? id };
  }
}

const EMPTY = /\n[> \t|]*\r?\n/;

function lastEmptyLine(text: string): number {
  let at = 0;
  for (const match of text.matchAll(/\n[> \t|]*\r?(?=\n)/g)) at = match.index + match[0].length + 1;
  return at;
}

/** Quoted-printable undone everywhere (RFC 2045 section 6.7): in text that is not, it only breaks what was none. */
function unquote(text: string): string {
  if (!text.includes("=")) return "";
  return text.replace(/=[ \t]*\r?\n/g, "").replace(
    /=([0-9A-F]{2})/gi,
    (_, hex) => String.fromCharCode(parseInt(hex, 16)),
  );
}

/** Runs of lines that can only be base64 (RFC 2045 section 6.8), decoded. */
function* base64Parts(text: string): Generator<string> {
  for (const run of text.matchAll(/(?:^[A-Za-z0-9+/]{40,}={0,2}\r?$\n?)+(?:^[A-Za-z0-9+/]+={0,2}\r?$)?/gm)) {
    const joined = run[0].replace(/[^A-Za-z0-9+/]/g, "");
    // Of these characters any count is base64 to atob() but for one over a multiple of four.
    yield atob(joined.slice(0, joined.length - (joined.length % 4 === 1 ? 1 : 0)));
  }
}

/** Can MIME show more than the scans did? */
function worthParsing(body: string): boolean {
  return /^[> \t]{0,16}content-transfer-encoding:[ \t]{0,16}(?:base64|quoted-printable)/im.test(body);
}
