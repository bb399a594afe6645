/** A program in a dot-qmail file that runs the hook for it: a script of the user's own, or vpopmail's. */
import type { Programs } from "./finding.ts";
import { hookCall } from "./hookline.ts";

/** Programs, and ways of a shell, that deliver. */
const DELIVERS =
  /\b(?:safecat|maildir|maildrop|procmail|forward|qmail-local|deliverquota|dovecot-lda|dovecot-deliver)\b|\/new\//;

/** A wrapper of the hook. */
export interface Wrapper {
  /** The program, as it is written. */
  readonly program: string;
  /** Is there anything in it that delivers? */
  readonly delivers: boolean;
}

/** The wrapper that a line of a dot-qmail file runs; undefined where it runs none, as far as can be seen. */
export function wrapperIn(line: string, programs: Programs): Wrapper | undefined {
  if (hookCall(line) !== undefined) return undefined;
  const program = /^\|\s*(?:exec\s+|preline\s+(?:-\w+\s+)*)?["']?([^\s"';&|]+)/.exec(line)?.[1];
  if (program === undefined) return undefined;
  // It runs what the users' own .qmail files say, which may be the hook; what is behind it there only it knows.
  if (/(?:^|\/)vdelivermail$/.test(program)) return { program, delivers: true };
  const script = programs.script?.(program)?.replace(/^\s*#.*$/gm, "");
  if (script === undefined || !script.split("\n").some((one) => hookCall(one) !== undefined)) return undefined;
  return { program, delivers: DELIVERS.test(script) };
}
