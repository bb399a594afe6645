/** The only failure after which a retry cannot deliver twice. */
import { Fail, type Kind } from "../../lib/fail.ts";

/** A program exited with a status other than 0, or a server refused the message: nothing was sent, for certain. */
export class Rejected extends Fail {
  /**
   * Makes one.
   *
   * @param code the program's exit status, or the one from sysexits.h that the server's reply amounts to; 75 where the
   *   status could mean anything
   * @param kind what it means to callers that have no use for the status
   */
  constructor(
    readonly code: number,
    message: string,
    kind: Kind = code === 100 ? "refused" : "temporary",
    options?: ErrorOptions,
  ) {
    super(kind, message, options);
  }

  /** The error without addresses, for the log. */
  get summary(): string {
    return `status ${this.code}`;
  }
}
