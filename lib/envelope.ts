/** The envelope of a message that leaves: RFC 5321 section 2.3.1, with the requests of RFC 3461. */
import type { Address } from "./address.ts";

/** Delivery status notifications asked for (RFC 3461 section 4). */
export interface Dsn {
  readonly notify?: string;
  readonly ret?: string;
  readonly envid?: string;
}

/** Who sends a message, to whom, and which notifications are wanted. */
export interface Envelope {
  /** Null for the null sender; undefined: none was given, the program finds its own. */
  readonly sender: Address | null | undefined;
  readonly recipients: readonly Address[];
  readonly dsn: Dsn;
}
