/** Failures of a transport: after one of them a retry cannot deliver twice, after the other it can. */
import { Fail, type Kind, reason } from "../../lib/fail.ts";
import type { Answered } from "./answered.ts";

/** A program exited with a nonzero status, or a server rejected the message. Nothing was sent. */
export class Rejected extends Fail {
  readonly #answered: Answered;

  /**
   * Creates the error.
   *
   * @param code the program's exit status, or the status from sysexits.h that matches the server's reply; 75 if the
   *   meaning of the status is unknown
   * @param kind what it means to callers that ignore the status
   * @param options the cause, the fix, and what the program said
   */
  constructor(
    readonly code: number,
    message: string,
    kind: Kind = code === 100 ? "refused" : "temporary",
    options: ErrorOptions & { readonly fix?: string | undefined; readonly answered?: Answered } = {},
  ) {
    super(kind, message, options);
    this.#answered = options.answered ?? {};
  }

  /** What the program or the server answered. */
  get answered(): Answered {
    return this.#answered;
  }

  /** Describes the error without addresses, for the log. */
  get summary(): string {
    return `status ${this.code}`;
  }
}

/**
 * A program had the whole message, but did not exit by itself, or did not read all of it. It may have sent the message.
 */
export class Unfinished extends Fail {
  constructor(message: string, options?: ErrorOptions) {
    super("temporary", message, options);
  }
}

/** Returns the error for the log: only its kind, unless `whole`, because the message may contain addresses. */
export function failureReason(error: unknown, whole: boolean): string {
  if (whole) return reason(error);
  if (error instanceof Rejected) return error.summary;
  return error instanceof Fail ? error.kind : "bug";
}

/** Returns what the program or the server answered, as far as the error contains it. */
export const answeredIn = (error: unknown): Answered => error instanceof Rejected ? error.answered : {};
