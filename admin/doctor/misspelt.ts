/**
 * Finds commands in mail filters that were probably meant to be the hook: no such program exists, but the name is
 * similar.
 */
import { nearest } from "../../lib/nearest.ts";
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import { hookCall } from "./hook_call.ts";

/** A program that a line runs: after a bar, a backtick, `argv=`, `exec`, or as the value of mailbox_command. */
const COMMAND = /(?:[|`"'=]|\bexec)\s*((?:~|\$HOME|\$\{HOME\})?\/[^\s"'`|;]+)/g;

/** Words of the path of the hook. */
const WORDS = ["countersign", "hooks", "incoming"];

/**
 * Checks the commands of a file.
 *
 * @param hook the path of the installed hook, for the suggestion
 */
export function checkMisspelt({ file, text }: TextFile, programs: Programs, hook: string): Finding[] {
  const { list, add } = findingsOf(file);
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*#/.test(line) || hookCall(line) !== undefined) continue;
    for (const [, program = ""] of line.matchAll(COMMAND)) {
      const parts = program.split("/");
      const similar = parts.some((part) => nearest(part, WORDS) !== undefined);
      if (!similar || programs.trouble(program) !== "does not exist") continue;
      add(
        "hook-misspelt",
        `${program} does not exist; it looks like a misspelt path of the hook`,
        index + 1,
        "Nothing checks bounces, and the mail server bounces or defers the mail that it passes to this program.",
        line.trim().replace(program, hook),
      );
    }
  }
  return list;
}
