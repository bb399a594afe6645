/** What SMTP and POP3 have in common before the login. */
import type { ClientInput, Gone } from "./client.ts";
import type { Credentials } from "./sasl.ts";

/** A login that a client has requested. */
export interface LoginRequest {
  readonly credentials: Credentials;
  /** The timestamp of a POP3 greeting; empty for SMTP. */
  readonly timestamp: string;
}

/** Why a login fails, or ends the session. */
export type Refusal =
  | "failed"
  | "temporary"
  | "crash"
  | "misconfigured"
  | "early"
  | Extract<Gone, "timeout" | "long">;

/** A protocol before the login. */
export interface Protocol {
  readonly greeting: string;
  readonly refusals: Readonly<Record<Refusal, string>>;
  /** Answers commands until the client wants to log in or quits. @throws {ClientGone} */
  next(input: ClientInput, until: number): Promise<LoginRequest | "quit">;
}
