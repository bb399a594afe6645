/** Encoded words (RFC 2047), and the two encodings that they share with MIME bodies. */
import { type Bytes, concat, decodeLatin1, encodeLatin1, fromBase64 } from "./bytes.ts";

/** Maximum length of a text whose encoded words are decoded. Names and Subjects are shorter. */
const MAX_TEXT_LENGTH = 8 * 1024;

const WORD = "=\\?([^?\\s]+)\\?([QqBb])\\?([^?]*)\\?=";
const WORDS = new RegExp(`${WORD}(?:[ \\t\\r\\n]+${WORD.replaceAll("(", "(?:")})*`, "g");

/**
 * Decodes encoded words (RFC 2047). White space between two of them is dropped, and words in one charset are decoded
 * together, because a character may be split between them. A text that is too long is returned unchanged.
 */
export function decodeWords(text: string): string {
  if (!text.includes("=?") || text.length > MAX_TEXT_LENGTH) return text;
  return text.replace(WORDS, (run: string) => {
    let out = "";
    let held = "";
    let last = "";
    for (const [, label, encoding, word] of run.matchAll(new RegExp(WORD, "g"))) {
      const charset = label!.split("*")[0]!.toLowerCase(); // the language follows the asterisk (RFC 2231 section 5)
      if (charset !== last) [out, held, last] = [out + decodeCharset(last, held), "", charset];
      held += /b/i.test(encoding!) ? decodeLatin1(base64In(word!)) : fromQuotedPrintable(word!.replaceAll("_", " "));
    }
    return out + decodeCharset(last, held);
  });
}

function decodeCharset(charset: string, bytes: string): string {
  if (bytes === "") return "";
  try {
    return new TextDecoder(charset).decode(encodeLatin1(bytes));
  } catch {
    return new TextDecoder("windows-1252").decode(encodeLatin1(bytes)); // unknown charset
  }
}

/** Decodes base64 as it occurs in mail: in lines, each possibly padded. */
export function base64In(text: string): Bytes {
  const units = text.replace(/[^A-Za-z0-9+/=]+/g, "").split(/=+/);
  return concat(...units.map((unit) => fromBase64(unit.length % 4 === 1 ? unit.slice(0, -1) : unit)));
}

/**
 * Decodes quoted-printable (RFC 2045 section 6.7) to a Latin-1 string. Other text changes only where it contains `=`.
 */
export function fromQuotedPrintable(text: string): string {
  return text.replace(/=[ \t]*\r?\n/g, "").replace(
    /=([0-9A-F]{2})/gi,
    (_, hex: string) => String.fromCharCode(parseInt(hex, 16)),
  );
}
