/** The command line of the administration's commands, and how they end: one reader for all. */
import { errorText, Fail, type Kind, quote } from "../lib/fail.ts";
import { checkArguments } from "../io/system/environment.ts";
import { printError } from "../io/system/log.ts";
import { nearest } from "../lib/nearest.ts";
import { sysexit } from "../lib/sysexits.ts";
import { say } from "./terminal.ts";

/** What a command takes. */
export interface Takes {
  /** Long options with a value, without their dashes; each may be repeated. */
  readonly values?: readonly string[];
  /** Long options without one. */
  readonly flags?: readonly string[];
}

/** What was given. */
export interface Arguments {
  /** The last value of an option. */
  value(name: string): string | undefined;
  /** All values of an option, in order. */
  values(name: string): readonly string[];
  /** Is the option without a value there? */
  has(name: string): boolean;
  /** The words that are no options. */
  readonly operands: readonly string[];
  /** The words behind `--`; undefined without one. They are not among the operands. */
  readonly rest: readonly string[] | undefined;
}

/** What a command says about itself, and takes. */
export interface Usage extends Takes {
  /** What `--help` prints: a usage line, sentences, an example. */
  readonly help: string;
}

/** An address that is none was given by the caller. */
const GIVEN: readonly Kind[] = ["no-at", "address-invalid"];

/**
 * Runs a command: `--help` is answered, what fails becomes one line and a status.
 *
 * @param name what it was called by, for its complaints
 * @param body what it does; its result is the exit status, 0 when it has none
 */
export async function runCommand(
  name: string,
  args: readonly string[],
  usage: Usage,
  body: (given: Arguments) => Promise<number | void> | number | void,
): Promise<number> {
  try {
    checkArguments(args);
    const end = args.indexOf("--");
    if (args.slice(0, end < 0 ? args.length : end).includes("--help")) {
      say(usage.help.trim());
      return 0;
    }
    return await body(readArguments(args, usage)) ?? 0;
  } catch (error) {
    printError(name, errorText(error));
    return error instanceof Fail && GIVEN.includes(error.kind) ? 64 : sysexit(error);
  }
}

/** Reads the arguments; options may stand behind operands. @throws {Fail} `usage` */
export function readArguments(args: readonly string[], { values = [], flags = [] }: Takes): Arguments {
  const given = new Map<string, string[]>();
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
      given.set(name, []);
    } else if (values.includes(name)) {
      const value = attached ?? args[++at];
      if (value === undefined) throw new Fail("usage", `Option --${name} needs a value`);
      given.set(name, [...given.get(name) ?? [], value]);
    } else {
      const meant = nearest(name, [...values, ...flags]);
      const fix = meant === undefined ? undefined : `did you mean --${meant}?`;
      throw new Fail("usage", `Unknown option ${quote(word)}`, { fix });
    }
  }
  return {
    value: (name) => given.get(name)?.at(-1),
    values: (name) => given.get(name) ?? [],
    has: (name) => given.has(name),
    operands,
    rest,
  };
}

/** Refuses operands beyond so many. @throws {Fail} `usage` */
export function atMost(given: Arguments, most: number): void {
  const over = given.operands[most] ?? given.rest?.[0];
  if (over !== undefined) throw new Fail("usage", `Unknown argument ${quote(over)}`);
}
