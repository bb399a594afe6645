/** Requests by mail programs to send a message. */
import type { Address } from "../lib/address.ts";
import type { Dsn } from "../lib/envelope.ts";

/** A request to send a message. */
export interface OutgoingRequest {
  /** `-f`: null for the null sender, undefined when the option is missing. */
  readonly sender: Address | null | undefined;
  /** `--read-envelope-from`: without `-f`, the author of a message that is not signed is its envelope sender. */
  readonly senderFromHeader?: boolean;
  /** `-F`: the display name, used when the From field is missing. */
  readonly fullName: string;
  /** Where the recipients are listed. */
  readonly recipientsFrom: "arguments" | "header" | "both";
  readonly recipients: readonly Address[];
  readonly dsn: Dsn;
}
