/** One program, many names: `countersign shim …`, or called by the name of a command. */
import { show } from "./lib/fail.ts";
import { complain } from "./lib/host.ts";
import { nearest } from "./lib/nearest.ts";
import { VERSION } from "./lib/version.ts";

/** Runs a command by the name it was called by. @returns the exit status */
type Command = (name: string, args: readonly string[]) => Promise<number> | number;

// Each is loaded only when it is asked for.
const shim: Command = async (name, args) => (await import("./shim/main.ts")).shim(name, args);
const incoming: Command = async (name, args) => (await import("./hooks/incoming.ts")).incoming(name, args);

const COMMANDS: Record<string, Command> = {
  shim,
  sendmail: shim,
  "qmail-inject": shim,
  mailq: shim,
  newaliases: shim,
  incoming,
  // Only these know --help: as mailq the shim would run the real one.
  help: (_, [word]) => word === "shim" || word === "incoming" ? COMMANDS[word]!(word, ["--help"]) : print(HELP),
  version: () => print(`countersign ${VERSION}`),
};

const HELP = `Usage: countersign COMMAND [argument ...]
Signs the mail that you send, and checks what comes back.

  shim      hands a message over, signed: what sendmail does (also: sendmail, qmail-inject, mailq, newaliases)
  incoming  judges a message that came in: the hook for .qmail, maildrop, procmail
  help      this text, or that of a command: countersign help shim
  version   which version this is

A link of the name of a command to this program is that command.`;

/** Runs what `name` or else the first argument names. @returns the exit status */
export function main(name: string, args: readonly string[]): Promise<number> | number {
  const own = find(name);
  if (own !== undefined) return own(name, args);
  const [word = "", ...rest] = args;
  const command = find(word.replace(/^--(?=help$|version$)/, ""));
  if (command !== undefined) return command(word, rest);
  const meant = nearest(word, Object.keys(COMMANDS));
  const what = word === "" ? "No command is given" : `Unknown command ${show(word)}`;
  complain("countersign", `${what}; ${meant === undefined ? "try" : `did you mean ${meant}? See`} countersign help`);
  return 64;
}

const find = (name: string) => Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;

function print(text: string): number {
  console.log(text);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0] ?? "countersign", Deno.args.slice(1)));
