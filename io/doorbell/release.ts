/** Releases a claimed message: runs the program with it, or delivers it. */
import { utf8 } from "../../lib/bytes.ts";
import type { Service } from "../../lib/settings/doorbell.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import type { Claim, HeldRecord } from "../state/doorbell/store.ts";
import { deliverToMaildir } from "../transport/maildir.ts";
import { type ProgramEnd, runProgram } from "./program.ts";

/** Where a released message goes. */
export interface ReleaseTarget {
  readonly program: readonly string[];
  readonly maildir?: string;
}

/** What became of the message, and why. */
export interface Released {
  /** `defer`: it is held again, and the confirmation should be retried. */
  readonly outcome: "delivered" | "defer";
  readonly why: string;
  /** What the program wrote last to standard error, which may contain addresses. */
  readonly said?: string;
}

/** Releases a message, and ends the claim. Never runs the program again if it was killed. */
export async function release(
  claim: Claim,
  { program, maildir }: ReleaseTarget,
  state: "confirmed" | "remembered",
  settings: Settings,
  { timeout }: Service,
  abort: AbortSignal,
): Promise<Released> {
  const spool = `${settings.state.folder}/spool`;
  let ended: ProgramEnd;
  try {
    if (maildir === undefined) {
      ended = await runProgram(program, claim.record, state, claim.body(), { spool, timeout, abort });
    } else {
      await deliverToMaildir(maildir, { head: deliveryLines(claim.record), body: claim.body() });
      ended = { end: "done", why: "delivered" };
    }
  } catch (error) {
    claim.settle("held"); // nothing was started or delivered
    throw error;
  }
  // If this fails, the message stays claimed, and nobody releases it again.
  claim.settle(({ done: "done", failed: "held", killed: "kept" } as const)[ended.end]);
  const { end, why, said } = ended;
  if (end === "failed") return { outcome: "defer", why: `${why}; the message is held again`, ...(said && { said }) };
  return { outcome: "delivered", why: end === "done" ? `${state}; ${why}` : `${why}; the message is kept` };
}

/** Returns the lines that qmail-local leaves to programs. */
function deliveryLines({ environment: { RPLINE = "", DTLINE = "" } }: HeldRecord): Uint8Array<ArrayBuffer> {
  return utf8([RPLINE, DTLINE].filter((line) => /^[^\n]+\n$/.test(line)).join(""));
}
