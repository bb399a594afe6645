/**
 * MIME parts and encoded words, by postal-mime, which is called here alone and is loaded only when it is needed.
 *
 * Everything that a stranger decides has a bound here, because postal-mime takes more than linear time for some of it:
 * a To field of 1 MB costs it 10 seconds, 256 KB of empty lines more than one.
 */
import { utf8 } from "./bytes.ts";
import { type Header, named, printHead } from "./message.ts";

/** One part, decoded. */
export interface MimePart {
  /** Its media type in lower case, without parameters. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Lines of a body that is parsed. */
const MAX_LINES = 20_000;
/** Octets of a body that is parsed. */
const MAX_BODY_BYTES = 256 * 1024;
/** Octets of one field: a Content-Type that holds more describes nothing. */
const MAX_FIELD_BYTES = 8 * 1024;
/** Octets of all part headers together. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Characters of a text with encoded words; a display name or a Subject is shorter. */
const MAX_TEXT_LENGTH = 8 * 1024;

/**
 * The leaves of a message: its text, then the other parts. A message inside of a message is one part.
 *
 * @param header the header of the message, of which only the MIME fields are parsed (RFC 2045 section 3)
 * @param maxDepth how deep multiparts may be nested
 * @returns undefined for a message beyond the bounds: what it holds is not known
 */
export async function mimeParts(header: Header, body: Uint8Array, maxDepth: number): Promise<MimePart[] | undefined> {
  if (body.length > MAX_BODY_BYTES || !hasFewLines(body)) return undefined;
  const fields = ["Content-Type", "Content-Transfer-Encoding"].flatMap((name) =>
    header.find((one) => named(one, name)) ?? []
  );
  if (fields.some(({ raw }) => raw.length > MAX_FIELD_BYTES)) return undefined;
  const head = printHead(fields);
  const message = new Uint8Array(head.length + body.length);
  message.set(head);
  message.set(body, head.length);
  const { default: PostalMime } = await import("postal-mime");
  try {
    const mail = await PostalMime.parse(message, {
      forceRfc822Attachments: true,
      attachmentEncoding: "arraybuffer",
      maxNestingDepth: maxDepth,
      maxHeadersSize: MAX_HEADER_BYTES,
    });
    const parts = mail.attachments.map(({ mimeType, content }) => ({
      type: mimeType.toLowerCase(),
      bytes: new Uint8Array(content as ArrayBuffer),
    }));
    return mail.text === undefined ? parts : [{ type: "text/plain", bytes: utf8(mail.text) }, ...parts];
  } catch {
    return undefined;
  }
}

function hasFewLines(body: Uint8Array): boolean {
  let lines = 0;
  for (let at = -1; (at = body.indexOf(10, at + 1)) >= 0;) if (++lines > MAX_LINES) return false;
  return true;
}

/** A text with its encoded words (RFC 2047) decoded. One that is too long for a name or a Subject stays as it is. */
export async function decodeWords(text: string): Promise<string> {
  if (!text.includes("=?") || text.length > MAX_TEXT_LENGTH) return text;
  const postalMime = await import("postal-mime");
  return postalMime.decodeWords(text);
}
