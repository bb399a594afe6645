/** Does a bounce return the header of a message that was sent? By its Message-ID: old mail was not signed. */
import { binary } from "../../lib/bytes.ts";
import type { Hashes } from "./hashes.ts";

/** Quoted, indented, folded, with or without brackets; every repetition has a bound. */
const ID_LINE =
  /^[> \t|]{0,16}Message-ID:[ \t]{0,16}(?:\r?\n[> |]{0,16}[ \t]{1,16})?(?:<([^<>\r\n]{1,998})>|([^<>\s]{1,998})[ \t]{0,16}\r?$)/gim;
/** Looked at in one message. */
const LIMIT = 32;

/** Looks through the body, as it is and with quoted-printable undone. */
export function returnsSent(prefix: Uint8Array, bodyStart: number, sent: Hashes): boolean {
  if (sent.size === 0) return false;
  const body = binary(prefix.subarray(bodyStart));
  if (names(body, sent)) return true;
  if (!body.includes("=")) return false;
  // What of it can stand in a Message-ID: RFC 2045 section 6.7.
  const unquoted = body.replace(/=[ \t]*\r?\n/g, "").replace(/=([2-7][0-9A-F])/gi, (_, hex) => {
    return String.fromCharCode(parseInt(hex, 16));
  });
  return names(unquoted, sent);
}

function names(text: string, sent: Hashes): boolean {
  let count = 0;
  for (const [, inside, bare] of text.matchAll(ID_LINE)) {
    if (sent.has((inside ?? bare)!.trim())) return true;
    if (++count >= LIMIT) return false;
  }
  return false;
}
