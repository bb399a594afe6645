/** The text with which `init` ends: what to paste, how to see a forged bounce filed, and what to run next. */
import type { Paste } from "./paste.ts";

/** The screen of a terminal. Longer lines are wrapped. */
export const SCREEN = { rows: 24, columns: 80 } as const;

/** What the screen says. */
export interface Screen {
  /** What was done and found, before the lines to paste; a line each. */
  readonly notes: readonly string[];
  /** The lines to paste, the most important first. */
  readonly pastes: readonly Paste[];
  /** The command that prints all lines to paste. */
  readonly printAll: string;
  /** What remains to be done, after them. */
  readonly next: readonly string[];
}

/** Returns the number of rows of a terminal that these lines take. */
export const rowsOf = (text: string): number =>
  text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / SCREEN.columns)), 0);

/**
 * Returns the text. It leaves a row for the prompt of the shell, and names the files whose lines do not fit.
 */
export function screenText({ notes, pastes, printAll, next }: Screen): string {
  const top = notes.join("\n");
  const end = next.join("\n");
  const blocks = pastes.map(({ into, text }) => ({ into, block: `--- ${into}\n${withoutComments(text)}` }));
  const shown = new Set<string>();
  const whole = (): string => {
    const missing = blocks.filter(({ block }) => !shown.has(block)).map(({ into }) => into.replace(/ \(.*|,.*/, ""));
    const title = pastes.length === 0
      ? "No known mail program was found; see contrib/ for other programs"
      : "Paste these lines for the mail programs found on this machine:";
    const rest = missing.length === 0 ? [] : [`Also for ${missing.join(", ")}: ${printAll}`];
    const fitting = blocks.filter(({ block }) => shown.has(block)).map(({ block }) => block);
    return [...top === "" ? [] : [top, ""], title, ...fitting, ...rest, "", end].join("\n");
  };
  for (const { block } of blocks) {
    shown.add(block);
    if (rowsOf(whole()) >= SCREEN.rows) shown.delete(block);
  }
  return whole();
}

/** Returns the lines of a snippet that are not comments. */
function withoutComments(text: string): string {
  return text.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line)).join("\n");
}
