/** Asks functions that throw for an answer. */
import { Fail } from "../lib/fail.ts";
import { verifyTag } from "../lib/tag.ts";

/** Does {@link verifyTag} accept it? */
export function doesVerify(...asked: Parameters<typeof verifyTag>): boolean {
  try {
    verifyTag(...asked);
    return true;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return false;
  }
}

/** What it returns, or the kind of the `Fail` that it throws. */
export function orKind(run: () => string): string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return error.kind;
  }
}
