/** The outcome of an attempt to send a message of the outbox. */
import { Fail } from "../../lib/fail.ts";
import type { Envelope } from "../../lib/envelope.ts";
import type { Outcome, RecipientResult } from "../../outgoing/outbox/progress.ts";
import type { Answered } from "./answered.ts";
import type { Hear } from "./output.ts";
import { Rejected } from "./rejected.ts";

/** The result of an attempt. */
export interface Attempt {
  /** The server or program. */
  readonly route: string;
  /** A result for each recipient of the envelope. */
  readonly results: readonly RecipientResult[];
  /** What the server or program answered, for the log. */
  readonly answered?: Answered;
  /** Why no recipient was accepted. */
  readonly failure?: Fail;
  /** Whether the attempt failed before this message mattered: any other one would have failed, too. */
  readonly unreachable: boolean;
}

/**
 * Called directly before the message is committed, with what is known until then: `accepted` means that the message is
 * about to be sent to the recipient. If it throws, nothing is sent.
 */
export type BeforeCommit = (results: readonly RecipientResult[]) => void | Promise<void>;

/** What else an attempt needs. */
export interface AttemptOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether a program gets the message as a file. Otherwise it could send a part of it if this process were killed, and
   * a runner would then send it again.
   */
  readonly spool?: boolean;
  readonly beforeCommit: BeforeCommit;
  /** As for send(). */
  readonly hear?: Hear | undefined;
}

/** Returns the same result for all recipients. */
export function forAll({ recipients }: Envelope, outcome: Outcome, reply: string): RecipientResult[] {
  return recipients.map((address) => ({ address, outcome, reply }));
}

/**
 * Statuses that are permanent (EX_DATAERR, EX_NOUSER, EX_NOHOST and EX_UNAVAILABLE of sysexits.h, and qmail's), and
 * those that are errors in the settings of the program. Where a program also uses one of them for temporary errors, its
 * preset says so.
 */
const [PERMANENT, LOCAL] = [[65, 67, 68, 69, 100], [64, 78]];

/** Returns what an error means for the message; undefined if it does not concern the message. */
export function outcomeOf(error: unknown): Outcome | undefined {
  if (!(error instanceof Fail)) return undefined;
  if (error instanceof Rejected) {
    if (LOCAL.includes(error.code)) return undefined;
    return PERMANENT.includes(error.code) || error.kind === "refused" ? "permanent" : "temporary";
  }
  if (error.kind === "refused" || error.kind === "data") return "permanent";
  return error.kind === "temporary" ? "temporary" : undefined;
}

/** Returns whether a retry would certainly fail, too: for the outbox, the hooks and `submitd` alike. */
export const isPermanent = (error: unknown): boolean => outcomeOf(error) === "permanent";
