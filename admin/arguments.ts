/** Parses the command line of the administrative commands, and turns their errors into an exit status. */
import { errorText, Fail, type Kind, quote } from "../lib/fail.ts";
import { checkArguments } from "../io/system/environment.ts";
import { printError } from "../io/system/log.ts";
import { information } from "../lib/information.ts";
import { nearest } from "../lib/nearest.ts";
import { sysexit } from "../lib/sysexits.ts";
import { say } from "./terminal.ts";

/** The options that a command accepts. */
export interface AcceptedOptions {
  /** Names of options with a value, without the dashes; each may be repeated. */
  readonly values?: readonly string[];
  /** Names of options without a value. */
  readonly flags?: readonly string[];
}

/** A parsed command line. */
export interface Arguments {
  /** The last value of an option. */
  value(name: string): string | undefined;
  /** All values of an option, in order. */
  values(name: string): readonly string[];
  /** Whether the option was given. */
  has(name: string): boolean;
  /** The arguments that are not options. */
  readonly operands: readonly string[];
  /** The arguments after `--`, which are not among the operands; undefined without `--`. */
  readonly rest: readonly string[] | undefined;
}

/** The help text and the options of a command. */
export interface Usage extends AcceptedOptions {
  /** The text that `--help` prints: a usage line, a description, an example. */
  readonly help: string;
}

/** Errors of these kinds are errors in an address on the command line. */
const USAGE_KINDS: readonly Kind[] = ["no-at", "address-invalid"];

/**
 * Runs a command and returns its exit status. Answers `--help` and `--version`; an error is printed as one line.
 *
 * @param name the name by which the command was called, for error messages
 * @param body the command itself; returns the exit status, or nothing for 0
 */
export async function runCommand(
  name: string,
  args: readonly string[],
  usage: Usage,
  body: (options: Arguments) => Promise<number | void> | number | void,
): Promise<number> {
  try {
    checkArguments(args);
    const end = args.indexOf("--");
    for (const word of args.slice(0, end < 0 ? args.length : end)) {
      const text = information(word, usage.help);
      if (text === undefined) continue;
      say(text);
      return 0;
    }
    return await body(readArguments(args, usage)) ?? 0;
  } catch (error) {
    printError(name, errorText(error));
    return error instanceof Fail && USAGE_KINDS.includes(error.kind) ? 64 : sysexit(error);
  }
}

/** Parses arguments; options may follow operands. @throws {Fail} `usage` */
export function readArguments(args: readonly string[], { values = [], flags = [] }: AcceptedOptions): Arguments {
  const found = new Map<string, string[]>();
  const operands: string[] = [];
  let rest: readonly string[] | undefined;
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") {
      rest = args.slice(at + 1);
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const [, name = "", attached] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (flags.includes(name)) {
      if (attached !== undefined) throw new Fail("usage", `Option --${name} takes no value`);
      found.set(name, []);
    } else if (values.includes(name)) {
      const value = attached ?? args[++at];
      if (value === undefined) throw new Fail("usage", `Option --${name} needs a value`);
      found.set(name, [...found.get(name) ?? [], value]);
    } else {
      const meant = nearest(name, [...values, ...flags]);
      const fix = meant === undefined ? undefined : `did you mean --${meant}?`;
      throw new Fail("usage", `Unknown option ${quote(word)}`, { fix });
    }
  }
  return {
    value: (name) => found.get(name)?.at(-1),
    values: (name) => found.get(name) ?? [],
    has: (name) => found.has(name),
    operands,
    rest,
  };
}

/** Rejects more than `most` operands. @throws {Fail} `usage` */
export function atMost(options: Arguments, most: number): void {
  const extra = options.operands[most] ?? options.rest?.[0];
  if (extra !== undefined) throw new Fail("usage", `Unknown argument ${quote(extra)}`);
}
