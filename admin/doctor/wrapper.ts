/** Recognizes programs in dot-qmail files that run the hook: scripts of the user, and vdelivermail of vpopmail. */
import type { Programs } from "./finding.ts";
import { hookCall } from "./hook_call.ts";

/** Matches programs and shell commands that deliver. */
const DELIVERS =
  /\b(?:safecat|maildir|maildrop|procmail|forward|qmail-local|deliverquota|dovecot-lda|dovecot-deliver)\b|\/new\//;

/** A program that runs the hook. */
export interface Wrapper {
  /** The program, as it is written. */
  readonly program: string;
  /** Whether it contains a command that delivers. */
  readonly delivers: boolean;
}

/** Returns the wrapper that a line of a dot-qmail file runs; undefined if none is recognized. */
export function wrapperIn(line: string, programs: Programs): Wrapper | undefined {
  if (hookCall(line) !== undefined) return undefined;
  const program = /^\|\s*(?:exec\s+|preline\s+(?:-\w+\s+)*)?["']?([^\s"';&|]+)/.exec(line)?.[1];
  if (program === undefined) return undefined;
  // vdelivermail runs the .qmail files of its users, which may call the hook and are not checked.
  if (/(?:^|\/)vdelivermail$/.test(program)) return { program, delivers: true };
  const script = programs.script?.(program)?.replace(/^\s*#.*$/gm, "");
  if (script === undefined || !script.split("\n").some((one) => hookCall(one) !== undefined)) return undefined;
  return { program, delivers: DELIVERS.test(script) };
}
