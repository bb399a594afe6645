/** Does a bounce return the header of a message that was sent? By its Message-ID: old mail was not signed. */
import { textToBinary } from "../../lib/bytes.ts";
import { named, parseHead } from "../../lib/message.ts";
import { bareMessageId, messageIdBody } from "../../lib/message_id.ts";
import { findMessageIds } from "../../lib/original.ts";
import type { Hashes } from "./hashes.ts";

/** Message-IDs looked up for one message. */
const MAX_CANDIDATES = 32;

/** Looks through the body for the Message-IDs that a hook would find there. */
export function returnsSent(prefix: Uint8Array, bodyStart: number, sent: Hashes): boolean {
  if (sent.size === 0) return false;
  return findMessageIds(prefix, bodyStart).take(MAX_CANDIDATES).some((id) => sent.has(textToBinary(id)));
}

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
  return id ? textToBinary(id) : undefined;
}

/** Is it the same however it is read? Nearly all are: no white space, comment or second bracket. */
function isPlain(id: Uint8Array): boolean {
  for (const byte of id) if (byte <= 0x20 || byte === 0x28 || byte === 0x3c || byte >= 0x7f) return false;
  return true;
}
