/** The program `countersign`, which also runs a command if it is called by the name of that command. */
import { say } from "./admin/terminal.ts";
import { quote, reason } from "./lib/fail.ts";
import { printError } from "./io/system/log.ts";
import { nearest } from "./lib/nearest.ts";
import { sysexit } from "./lib/sysexits.ts";
import { VERSION } from "./lib/version.ts";

/** Runs a command under the name by which it was called. @returns the exit status */
type Command = (name: string, args: readonly string[]) => Promise<number> | number;

// Each command is loaded only when it is called.
const shim: Command = async (name, args) => (await import("./shim/main.ts")).shim(name, args);
const incoming: Command = async (name, args) => (await import("./hooks/incoming.ts")).incoming(name, args);

const COMMANDS: Record<string, Command> = {
  init: async (name, args) => (await import("./admin/init.ts")).init(name, args),
  keys: async (name, args) => (await import("./admin/keys.ts")).keys(name, args),
  sign: async (name, args) => (await import("./admin/sign.ts")).sign(name, args),
  verify: async (name, args) => (await import("./admin/verify.ts")).verify(name, args),
  shim,
  sendmail: shim,
  "qmail-inject": shim,
  mailq: shim,
  newaliases: shim,
  incoming,
  serve: async (name, args) => (await import("./serve/main.ts")).serve(name, args),
  submitd: async (name, args) => (await import("./submit/submitd.ts")).submitd(name, args),
  explain: async (name, args) => (await import("./admin/explain.ts")).explain(name, args),
  audit: async (name, args) => (await import("./admin/audit.ts")).audit(name, args),
  sweep: async (name, args) => (await import("./admin/sweep.ts")).sweep(name, args),
  doctor: async (name, args) => (await import("./admin/doctor.ts")).doctor(name, args),
  log: async (name, args) => (await import("./admin/log.ts")).log(name, args),
  sandbox: async (name, args) => (await import("./admin/sandbox.ts")).sandbox(name, args),
  plain: async (name, args) => (await import("./admin/plain.ts")).plain(name, args),
  outbox: async (name, args) => (await import("./admin/outbox.ts")).outbox(name, args),
  passwd: async (name, args) => (await import("./admin/passwd.ts")).passwd(name, args),
  expire: async (name, args) => (await import("./admin/expire.ts")).expire(name, args),
  help: (_, [word = ""]) =>
    knowsHelp(word) ? COMMANDS[word]!(word, ["--help"]) : word === "" || find(word) ? print(HELP) : unknown(word),
  version: () => print(`countersign ${VERSION}`),
};

const HELP = `Usage: countersign COMMAND [argument ...]
Signs the mail you send and checks what comes back.

  init      Create settings, a key and folders, and print the lines to paste
  keys      List, add and retire keys, or import the secrets of other software
  sign      Print the signed envelope sender for an address
  verify    Check a signed address: whether it is valid, and until when
  shim      Send a message, signed, as sendmail does (also: sendmail, qmail-inject, mailq, newaliases)
  incoming  Judge an incoming message: the hook for .qmail, maildrop and procmail
  serve     Sign and refuse mail inside Postfix or Sendmail, as a milter
  submitd   Accept mail from phones and other clients that log in, over TLS
  explain   Explain the verdict on a message, or how a message would be sent
  audit     Replay your archive
  sweep     Judge mail that was fetched into maildirs, and move forged bounces
  doctor    Find configuration problems and suggest fixes
  sandbox   Restrict shim and hook to what the settings need
  log       Print the log, filtered
  plain     Manage the lists that get mail with your plain address as envelope sender
  outbox    Send, list and change the mail that the shim has kept to send it later
  passwd    Manage the logins of clients that submit mail
  expire    Remove expired state and leftover temporary files
  help      Print the list of commands or, with the name of a command, its help
  version   Print the version

Called through a link with the name of a command, the program runs that command.`;

/** Runs the command named by `name`, or else by the first argument. @returns the exit status */
export function main(name: string, args: readonly string[]): Promise<number> | number {
  const own = find(name);
  if (own !== undefined) return own(name, args);
  const [word = "", ...rest] = args;
  const command = find(word.replace(/^--(?=help$|version$)/, ""));
  if (command !== undefined) return command(word, rest);
  return unknown(word);
}

/** Reports an unknown command and suggests the nearest name. */
function unknown(word: string): number {
  const suggestion = nearest(word, Object.keys(COMMANDS));
  const what = word === "" ? "No command given" : `Unknown command ${quote(word)}`;
  const advice = suggestion === undefined ? "try" : `did you mean ${suggestion}? See`;
  printError("countersign", `${what}; ${advice} countersign help`);
  return 64;
}

/** Whether `NAME --help` prints our help; called as mailq, the shim would run the real program instead. */
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
