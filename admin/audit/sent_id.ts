/** The Message-ID of a message that was sent, as the hook compares it. */
import { utf8ToLatin1 } from "../../lib/bytes.ts";
import { named, parseHead } from "../../lib/message.ts";
import { bareMessageId, messageIdBody } from "../../lib/message_id.ts";

/**
 * The Message-ID of a sent message in the form of `bareMessageId()`, as bytes or a binary string.
 *
 * @param start where it begins behind its bracket, and `end` where the other one is; both 0 where none were found
 * @returns undefined when it has none
 */
export function sentId(bytes: Uint8Array, whole: boolean, start: number, end: number): Uint8Array | string | undefined {
  const inside = bytes.subarray(start, end);
  if (end > start && isPlain(inside)) return inside;
  const field = parseHead(bytes, whole)?.header.find((one) => named(one, "Message-ID"));
  const id = field && bareMessageId(messageIdBody(field));
  return id ? utf8ToLatin1(id) : undefined;
}

/** Is it the same however it is read? Nearly all are: no white space, comment or second bracket. */
function isPlain(id: Uint8Array): boolean {
  for (const byte of id) if (byte <= 0x20 || byte === 0x28 || byte === 0x3c || byte >= 0x7f) return false;
  return true;
}
