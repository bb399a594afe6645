/** One program, many names: `countersign shim …`, or called by the name of a command. */
import { say } from "./admin/terminal.ts";
import { quote, reason } from "./lib/fail.ts";
import { printError } from "./io/system/log.ts";
import { nearest } from "./lib/nearest.ts";
import { sysexit } from "./lib/sysexits.ts";
import { VERSION } from "./lib/version.ts";

/** Runs a command by the name it was called by. @returns the exit status */
type Command = (name: string, args: readonly string[]) => Promise<number> | number;

// Each is loaded only when it is asked for.
const shim: Command = async (name, args) => (await import("./shim/main.ts")).shim(name, args);
const incoming: Command = async (name, args) => (await import("./hooks/incoming.ts")).incoming(name, args);

const COMMANDS: Record<string, Command> = {
  init: async (name, args) => (await import("./admin/init.ts")).init(name, args),
  keys: async (name, args) => (await import("./admin/keys.ts")).keys(name, args),
  sign: async (name, args) =>
    (await import("./admin/sign.ts")).sign(name, args, (await import("./outgoing/sender.ts")).sign),
  verify: async (name, args) =>
    (await import("./admin/verify.ts")).verify(
      name,
      args,
      (await import("./incoming/checks/keys.ts")).checkSignedAlone,
    ),
  shim,
  sendmail: shim,
  "qmail-inject": shim,
  mailq: shim,
  newaliases: shim,
  incoming,
  explain: async (name, args) => {
    const ways = {
      hook: await import("./admin/explain/incoming.ts"),
      shim: await import("./admin/explain/outgoing.ts"),
    };
    return (await import("./admin/explain.ts")).explain(name, args, ways);
  },
  audit: async (name, args) =>
    (await import("./admin/audit.ts")).audit(name, args, await import("./admin/audit/replay.ts")),
  doctor: async (name, args) => (await import("./admin/doctor.ts")).doctor(name, args),
  log: async (name, args) => (await import("./admin/log.ts")).log(name, args),
  permit: async (name, args) => (await import("./admin/permit.ts")).permit(name, args),
  list: async (name, args) => (await import("./admin/list.ts")).list(name, args),
  clean: async (name, args) => (await import("./admin/clean.ts")).clean(name, args),
  help: (_, [word = ""]) =>
    knowsHelp(word) ? COMMANDS[word]!(word, ["--help"]) : word === "" || find(word) ? print(HELP) : unknown(word),
  version: () => print(`countersign ${VERSION}`),
};

const HELP = `Usage: countersign COMMAND [argument ...]
Signs the mail that you send, and checks what comes back.

  init      settings, keys and folders for a start, and the lines to paste
  keys      which keys there are, a new one, one out of use, those of a former program
  sign      the envelope sender that mail from an address gets
  verify    whether a signed address is one of ours, and still good
  shim      hands a message over, signed: what sendmail does (also: sendmail, qmail-inject, mailq, newaliases)
  incoming  judges a message that came in: the hook for .qmail, maildrop, procmail
  explain   why a message got its verdict, or what a message would leave as
  audit     what would have become of the mail of the past
  doctor    what is set up wrong, and what fixes it
  permit    holds shim and hook to what the settings need
  log       what happened, line by line
  list      lists to which mail goes with the plain sender
  clean     removes what is remembered and of no use any more
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
  return unknown(word);
}

/** Says that there is no such command, and which may have been meant. */
function unknown(word: string): number {
  const meant = nearest(word, Object.keys(COMMANDS));
  const what = word === "" ? "No command is given" : `Unknown command ${quote(word)}`;
  printError("countersign", `${what}; ${meant === undefined ? "try" : `did you mean ${meant}? See`} countersign help`);
  return 64;
}

/** As mailq the shim would run the real one. */
const knowsHelp = (name: string) =>
  Object.hasOwn(COMMANDS, name) &&
  !["sendmail", "qmail-inject", "mailq", "newaliases", "help", "version"].includes(name);

const find = (name: string) => Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;

function print(text: string): number {
  try {
    say(text);
    return 0;
  } catch (error) {
    printError("countersign", reason(error));
    return sysexit(error);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args[0] ?? "countersign", Deno.args.slice(1)));
