/** Turns expected errors into return values. */
import { Fail } from "../lib/fail.ts";
import { verifyTag } from "../lib/tag.ts";

/** Returns whether {@link verifyTag} accepts the tag. */
export function doesVerify(...args: Parameters<typeof verifyTag>): boolean {
  try {
    verifyTag(...args);
    return true;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return false;
  }
}

/** Returns the result of a function, or the kind of the `Fail` that it throws. */
export function orKind(run: () => string): string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return error.kind;
  }
}
