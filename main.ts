/** The program `countersign`, which also runs a command if it is called by the name of that command. */
import { say } from "./admin/terminal.ts";
import { quote, reason } from "./lib/fail.ts";
import { printError } from "./io/system/log.ts";
import { nearest } from "./lib/nearest.ts";
import { sysexit } from "./lib/sysexits.ts";
import { VERSION } from "./lib/version.ts";

/** Runs a command under the name by which it was called. @returns the exit status */
type Command = (name: string, args: readonly string[]) => Promise<number> | number;

/** A line of the help, and the command, which is loaded only when it is called. */
type Entry = readonly [help: string, load: () => Promise<Command> | Command];

const shim = async () => (await import("./shim/main.ts")).shim;
const DOCTOR: Entry = [
  "Find configuration problems and suggest fixes",
  async () => (await import("./admin/doctor.ts")).doctor,
];

/** The commands, in the order and the groups of the help. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  "Set up": {
    init: [
      "Create settings, a key and folders, and print the lines to paste",
      async () => (await import("./admin/init.ts")).init,
    ],
    doctor: DOCTOR,
    config: ["Print the settings", async () => (await import("./admin/config.ts")).config],
    sandbox: [
      "Restrict shim and hook to what the settings need",
      async () => (await import("./admin/sandbox.ts")).sandbox,
    ],
    keys: [
      "List, add and retire keys, or import the secrets of other software",
      async () => (await import("./admin/keys.ts")).keys,
    ],
    plain: [
      "Manage the lists that get mail with your plain address as envelope sender",
      async () => (await import("./admin/plain.ts")).plain,
    ],
  },
  "Diagnose": {
    doctor: DOCTOR,
    explain: [
      "Explain the verdict on a message, or how a message would be sent",
      async () => (await import("./admin/explain.ts")).explain,
    ],
    audit: ["Replay your archive", async () => (await import("./admin/audit.ts")).audit],
    verify: [
      "Check a signed address: whether it is valid, and until when",
      async () => (await import("./admin/verify.ts")).verify,
    ],
    sign: ["Print the signed envelope sender for an address", async () => (await import("./admin/sign.ts")).sign],
    log: ["Print the log, filtered", async () => (await import("./admin/log.ts")).log],
    report: [
      "Sum up the log of a week: what was signed, which bounces arrived, and from where",
      async () => (await import("./admin/report.ts")).report,
    ],
  },
  "Operate": {
    serve: [
      "Sign and reject mail inside Postfix or Sendmail, as a milter",
      async () => (await import("./serve/main.ts")).serve,
    ],
    submitd: [
      "Accept mail from phones and other clients that log in, over TLS",
      async () => (await import("./submit/submitd.ts")).submitd,
    ],
    passwd: ["Manage the logins of clients that submit mail", async () => (await import("./admin/passwd.ts")).passwd],
    outbox: [
      "Send, list and change the mail that the shim has kept for later",
      async () => (await import("./admin/outbox.ts")).outbox,
    ],
    sweep: [
      "Judge mail that was fetched into maildirs, and move forged bounces",
      async () => (await import("./admin/sweep.ts")).sweep,
    ],
    expire: [
      "Remove expired state and leftover temporary files",
      async () => (await import("./admin/expire.ts")).expire,
    ],
  },
  "Called by mail programs": {
    shim: ["Send a message, signed, as sendmail does (also: sendmail, qmail-inject, mailq, newaliases)", shim],
    incoming: [
      "Judge an incoming message: the hook for .qmail, maildrop and procmail",
      async () => (await import("./hooks/incoming.ts")).incoming,
    ],
    doorbell: [
      "Hold a message for a service until its sender has confirmed it, and manage held messages",
      async () => (await import("./admin/doorbell.ts")).doorbell,
    ],
  },
  "Help": {
    help: ["Print the list of commands or, with the name of a command, its help", () => help],
    version: ["Print the version", () => version],
  },
};

/** Names under which mail programs call the shim; they have no help of their own. */
const SHIM_NAMES = ["sendmail", "qmail-inject", "mailq", "newaliases"];

const COMMANDS: ReadonlyMap<string, Entry[1]> = new Map([
  ...Object.values(GROUPS).flatMap((group) => Object.entries(group)).map(([name, [, load]]) => [name, load] as const),
  ...SHIM_NAMES.map((name) => [name, shim] as const),
]);

/** Options in place of a command. */
const ASKING = new Map([["-h", "help"], ["--help", "help"], ["-V", "version"], ["--version", "version"]]);

/** Runs the command named by `name`, or else by the first argument. @returns the exit status */
export async function main(name: string, args: readonly string[]): Promise<number> {
  const own = COMMANDS.get(name);
  if (own !== undefined) return (await own())(name, args);
  const [word = "", ...rest] = args;
  const command = ASKING.get(word) ?? word;
  const load = COMMANDS.get(command);
  return load === undefined ? unknown(word) : (await load())(command, rest);
}

function help(_: string, [word = ""]: readonly string[]): Promise<number> | number {
  if (!COMMANDS.has(word)) return word === "" ? print(listed()) : unknown(word);
  return [...SHIM_NAMES, "help", "version"].includes(word) ? print(listed()) : main(word, ["--help"]);
}

const version = () => print(`countersign ${VERSION}`);

/** Returns the list of commands. */
function listed(): string {
  const groups = Object.entries(GROUPS).map(([title, group]) => {
    const lines = Object.entries(group).map(([name, [text]]) => `  ${name.padEnd(9)} ${text}`);
    return [`${title}:`, ...lines, ""].join("\n");
  });
  return `Usage: countersign COMMAND [argument ...]
Signs the mail you send and checks what comes back.

${groups.join("\n")}
Called through a link with the name of a command, the program runs that command.`;
}

/** Reports an unknown command and suggests the nearest name. */
function unknown(word: string): number {
  const suggestion = nearest(word, [...COMMANDS.keys()]);
  const what = word === "" ? "No command given" : `Unknown command ${quote(word)}`;
  const advice = suggestion === undefined ? "try" : `did you mean ${suggestion}? See`;
  printError("countersign", `${what}; ${advice} countersign help`);
  return 64;
}

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
