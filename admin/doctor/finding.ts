/** The findings of doctor, and their output. */
import { placeText } from "../../lib/fail.ts";
import type { FindingId } from "./ids.ts";

/** A file with its text, as the checks need it. */
export interface TextFile {
  readonly file: string;
  readonly text: string;
  /** The permission bits, including the sticky bit; undefined if unknown. */
  readonly mode?: number;
}

/** A problem. */
export interface Finding {
  /** A name that stays the same when the words change. */
  readonly id: FindingId;
  readonly what: string;
  readonly where: Where;
  /** The consequence. */
  readonly why: string;
  /** The command to run or the change to make. */
  readonly fix: string;
}

/** A file, and optionally a line in it. */
export interface Where {
  readonly file: string;
  readonly line?: number;
}

/** Access to the programs that a configuration names. */
export interface Programs {
  /** Returns why a program cannot be run; undefined if it can. */
  trouble(path: string): string | undefined;
  /** Whether a program is the shim, or a link to it. */
  isShim(path: string): boolean;
  /** Returns the preset of a program, if the name of the file shows it. */
  preset?(path: string): string | undefined;
  /** Returns the text of a script; undefined for other programs, and if it cannot be read. */
  script?(path: string): string | undefined;
}

/** Collects the findings of one file. */
export function findingsOf(file: string): {
  readonly list: Finding[];
  add(id: FindingId, what: string, line: number | undefined, why: string, fix: string): void;
} {
  const list: Finding[] = [];
  return {
    list,
    add: (id, what, line, why, fix) =>
      void list.push({ id, what, where: line === undefined ? { file } : { file, line }, why, fix }),
  };
}

/** Returns the findings as text. */
export function printFindings(findings: readonly Finding[], notes: readonly string[], colour: boolean): string {
  const [bold, red, green, off] = colour ? ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"] : ["", "", "", ""];
  const blocks = findings.map(({ id, what, where, why, fix }) =>
    [
      `${bold}${red}${plain(what)}${off} [${id}]`,
      `  where  ${plain(placeText(where))}`,
      `  why    ${plain(why)}`,
      `  fix    ${plain(fix)}`,
    ].join("\n")
  );
  const count = findings.length === 0
    ? `${green}No problems found.${off}`
    : findings.length === 1
    ? "1 problem found."
    : `${findings.length} problems found.`;
  return [...blocks, ...notes.map((note) => `Note: ${plain(note)}`), count].join("\n\n");
}

/** Returns the text on one line and without control characters, because it may come from any file. */
function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ");
}
