/** Finds the Message-ID of a sent message in the form in which the hook compares it. */
import { utf8ToLatin1 } from "../../lib/bytes.ts";
import { named, parseHead } from "../../lib/message.ts";
import { bareMessageId, messageIdBody } from "../../lib/message_id.ts";

/**
 * Returns the Message-ID of a sent message in the form of `bareMessageId()`, as bytes or as a string with one byte per
 * character; undefined if there is none.
 *
 * @param start offset after the opening angle bracket; 0 if none was found
 * @param end offset of the closing angle bracket; 0 if none was found
 */
export function sentId(bytes: Uint8Array, whole: boolean, start: number, end: number): Uint8Array | string | undefined {
  const inside = bytes.subarray(start, end);
  if (end > start && isPlain(inside)) return inside;
  const field = parseHead(bytes, whole)?.header.find((one) => named(one, "Message-ID"));
  const id = field && bareMessageId(messageIdBody(field));
  return id ? utf8ToLatin1(id) : undefined;
}

/** Whether the id needs no parsing. Nearly all do not: they have no white space, comment or second bracket. */
function isPlain(id: Uint8Array): boolean {
  for (const byte of id) if (byte <= 0x20 || byte === 0x28 || byte === 0x3c || byte >= 0x7f) return false;
  return true;
}
