/** The envelope of an outgoing message (RFC 5321 section 2.3.1), with DSN requests (RFC 3461). */
import type { Address } from "./address.ts";
import { latin1ToUtf8, utf8 } from "./bytes.ts";

/** Requests for delivery status notifications (RFC 3461 section 4). */
export interface Dsn {
  readonly notify?: string;
  readonly ret?: string;
  /** In xtext. */
  readonly envid?: string;
}

/** Sender, recipients and DSN requests of a message. */
export interface Envelope {
  /** Null for the null sender; undefined when none was given, so that the sending program chooses one. */
  readonly sender: Address | null | undefined;
  readonly recipients: readonly Address[];
  readonly dsn: Dsn;
}

/** Encodes as xtext (RFC 3461 section 4): `+`, `=` and all but visible ASCII become hexadecimal codes. */
export function toXtext(text: string): string {
  return Array.from(utf8(text), (byte) => {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2b && byte !== 0x3d;
    return plain ? String.fromCharCode(byte) : `+${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

/** Decodes xtext (RFC 3461 section 4). The result may contain control characters. */
export function fromXtext(text: string): string {
  return latin1ToUtf8(text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))));
}
