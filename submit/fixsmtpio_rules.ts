/**
 * The rules in control/fixsmtpio, one per line: `ENV:EVENT:PREPEND:GLOB:EXIT:RESPONSE`. Mistakes that acceptutils
 * accepts or reports without a reason are errors with a fix.
 */
import { Fail, quote } from "../lib/fail.ts";
import { canEndWith } from "./fnmatch.ts";

/** A rule. */
export interface Rule {
  /** The variable that must be set; empty if none. */
  readonly env: string;
  /** A command in lower case, `greeting`, `timeout`, `clienteof` or `in_data`. */
  readonly event: string;
  /** What is inserted before the command. */
  readonly prepend: string;
  /** Matched against a line of the reply, including its CRLF. */
  readonly glob: string;
  /** The exit status of fixsmtpio after the reply. */
  readonly exit: number | undefined;
  /** What happens to the line. */
  readonly response: "remove" | "keep" | "fixup" | { readonly text: string };
}

/** Events whose replies `&fixsmtpio_fixup` knows how to write. */
const FIXED_UP: readonly string[] = ["greeting", "ehlo", "helo", "help", "quit"];

const MAX_EXIT = 255;

/** Parses the file. @throws {Fail} `config`, with the line */
export function parseRules(text: string, file: string): Rule[] {
  const [problem] = problems(text, file);
  if (problem !== undefined) throw problem;
  return lines(text).map(({ line }) => parseRule(line, file, 0));
}

/** Returns the mistakes in each line, in order. */
export function problems(text: string, file: string): Fail[] {
  return lines(text).flatMap(({ line, number }) => {
    try {
      parseRule(line, file, number);
      return [];
    } catch (error) {
      if (error instanceof Fail) return [error];
      throw error;
    }
  });
}

/**
 * Returns the lines that are neither empty nor comments. As qmail reads control files, blanks at the end are removed.
 */
function lines(text: string): { line: string; number: number }[] {
  const all = text.split("\n").map((line, index) => ({ line: line.replace(/[ \t]+$/, ""), number: index + 1 }));
  return all.filter(({ line }) => line !== "" && !line.startsWith("#"));
}

function parseRule(line: string, file: string, number: number): Rule {
  const wrong = (what: string, fix?: string) => new Fail("config", what, { file, line: number, fix });
  const fields = line.split(":");
  const [env = "", event = "", prepend = "", glob = "", exit = ""] = fields;
  const response = fields.slice(5).join(":");
  const written = (change: Partial<Record<"glob" | "exit" | "response", string>>) =>
    `write ${[env, event, prepend, change.glob ?? glob, change.exit ?? exit, change.response ?? response].join(":")}`;
  if (fields.length < 6) {
    if (line.trimStart().startsWith("#")) throw wrong("A comment must begin in the first column");
    const fix = fields.length === 5 && event !== "" && glob !== "" ? `write ${line}:` : undefined;
    throw wrong(`Rule has ${fields.length} fields instead of 6, separated by colons`, fix);
  }
  const name = event.toLowerCase();
  if (event === "") throw wrong("Rule has no event (its second field)");
  if (glob === "") throw wrong("Rule has no pattern (its fourth field)", written({ glob: "*" }));
  const digits = /^\d+/.exec(exit)?.[0]; // acceptutils reads the number at the beginning, too
  if (exit !== "" && (digits === undefined || Number(digits) > MAX_EXIT)) {
    throw wrong(`Exit status ${quote(exit)} is not a number from 0 to ${MAX_EXIT}`);
  }
  if (name === "clienteof" && response !== "") {
    throw wrong("Nobody reads a response to clienteof", written({ response: "" }));
  }
  if (response.startsWith("&fixsmtpio") && !["&fixsmtpio_noop", "&fixsmtpio_fixup"].includes(response)) {
    const known = FIXED_UP.includes(name) ? "&fixsmtpio_fixup" : "&fixsmtpio_noop";
    throw wrong(
      `Response ${quote(response)} is neither &fixsmtpio_fixup nor &fixsmtpio_noop`,
      written({ response: known }),
    );
  }
  if (response === "&fixsmtpio_fixup" && !FIXED_UP.includes(name)) {
    throw wrong(`&fixsmtpio_fixup is only for ${FIXED_UP.join(", ")}`);
  }
  // What a client had sent before it disconnected need not be a line.
  if (name !== "clienteof" && !canEndWith(glob, "\n")) {
    throw wrong("Pattern never matches, because each line ends with CRLF", written({ glob: `${glob}*` }));
  }
  return {
    env,
    event: name,
    prepend,
    glob,
    exit: digits === undefined ? undefined : Number(digits),
    response: response === ""
      ? "remove"
      : response === "&fixsmtpio_noop"
      ? "keep"
      : response === "&fixsmtpio_fixup"
      ? "fixup"
      : { text: response },
  };
}
