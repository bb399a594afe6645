/** What doctor has to say, and how it is shown. */
import { placeText } from "../../lib/fail.ts";

/** A text with its name: what every check of a file is given. */
export interface TextFile {
  readonly file: string;
  readonly text: string;
  /** Its permission bits, sticky and x bits among them; undefined when they are not known. */
  readonly mode?: number;
}

/** One thing that is wrong. */
export interface Finding {
  readonly what: string;
  readonly where: Where;
  /** What comes of it. */
  readonly why: string;
  /** The command or the line that fixes it. */
  readonly fix: string;
}

/** A file, and the line in it, where there is one. */
export interface Where {
  readonly file: string;
  readonly line?: number;
}

/** What a program that is named somewhere is to us. */
export interface Programs {
  /** Why it cannot be run; undefined: it can. */
  trouble(path: string): string | undefined;
  /** Is it the shim, or a link to it? */
  isShim(path: string): boolean;
  /** The text of a script; undefined for any other program, and where it cannot be read. */
  script?(path: string): string | undefined;
}

/** Makes the findings of one file: what, in which line, why, and what fixes it. */
export function findingsOf(file: string): {
  readonly list: Finding[];
  add(what: string, line: number | undefined, why: string, fix: string): void;
} {
  const list: Finding[] = [];
  return {
    list,
    add: (what, line, why, fix) =>
      void list.push({ what, where: line === undefined ? { file } : { file, line }, why, fix }),
  };
}

/** The findings for people. */
export function printFindings(findings: readonly Finding[], notes: readonly string[], colour: boolean): string {
  const [bold, red, green, off] = colour ? ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"] : ["", "", "", ""];
  const blocks = findings.map(({ what, where, why, fix }) =>
    [
      `${bold}${red}${plain(what)}${off}`,
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

/** On one line, and nothing in it that a terminal would obey: it may come from any file. */
function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ");
}
