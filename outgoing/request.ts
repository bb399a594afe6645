/** What a mail program asks for: who sends a message, and to whom. */
import type { Address } from "../lib/address.ts";
import type { Dsn } from "../lib/envelope.ts";

/** A message to be sent. */
export interface OutgoingRequest {
  /** `-f`: null for the null sender, undefined when it is not there. */
  readonly sender: Address | null | undefined;
  /** `-F`: the name for a From field that is missing. */
  readonly fullName: string;
  /** Where the recipients stand. */
  readonly recipientsFrom: "arguments" | "header" | "both";
  readonly recipients: readonly Address[];
  readonly dsn: Dsn;
}
