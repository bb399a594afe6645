/** The envelope of an outgoing message (RFC 5321 section 2.3.1), with DSN requests (RFC 3461). */
import type { Address } from "./address.ts";

/** Requests for delivery status notifications (RFC 3461 section 4). */
export interface Dsn {
  readonly notify?: string;
  readonly ret?: string;
  readonly envid?: string;
}

/** Sender, recipients and DSN requests of a message. */
export interface Envelope {
  /** Null for the null sender; undefined when none was given, so that the sending program chooses one. */
  readonly sender: Address | null | undefined;
  readonly recipients: readonly Address[];
  readonly dsn: Dsn;
}
