/** `countersign outbox`: sends what is due in the outbox, lists it, and changes entries. */
import { Fail, quote } from "../lib/fail.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { printQueue } from "../outgoing/outbox/list.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { printError } from "../io/system/log.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { type Change, type Changed, changeEntries } from "../io/outbox/change.ts";
import { outboxContext } from "../io/outbox/context.ts";
import { resumeAccounts } from "../io/outbox/pause.ts";
import { runOutbox } from "../io/outbox/run.ts";
import { idsIn, listEntries, outboxFolder } from "../io/outbox/store.ts";
import { runCommand } from "./arguments.ts";
import { isFile } from "./doctor/filesystem.ts";
import { installedPrograms } from "./programs.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign outbox run|list [--config FILE]
       countersign outbox flush [ID ...]
       countersign outbox hold|release|delete ID ...|ALL
Manages the outbox, in which the shim keeps mail to send it later (the setting outbox.when). Each message is an entry.

  run      Send the entries that are due. Start it every minute from a timer or cron; several runs share the work
  list     Print the entries, as mailq does. Those on hold have an exclamation mark
  flush    Send all entries now, or those with these IDs
  hold     Suspend the attempts for entries
  release  Resume the attempts
  delete   Delete entries without sending them

An entry is retried after 1 minute, then 2, 4 and so on up to 4 hours; after 5 days and at least 8 attempts its sender
gets a report. Damaged entries are moved to the folder damaged, and rejected ones that cannot be reported by mail to the
folder undelivered; both are in outbox below state.folder.

Example: countersign outbox flush
Example: countersign outbox delete ALL
`;

const WORDS = ["run", "list", "flush", "hold", "release", "delete"] as const;
type Word = typeof WORDS[number];

/** Runs the command. @returns the exit status */
export function outbox(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"] }, async (options) => {
    const [given = "list", ...ids] = [...options.operands, ...options.rest ?? []];
    const word = WORDS.find((one) => one === given);
    if (word === undefined) {
      throw new Fail("usage", `Unknown argument ${quote(given)}`, { fix: `use ${WORDS.join(", ")}` });
    }
    const named = entryNames(word, ids);
    const source = configFile(options.value("config"));
    const settings = loadSettings(source);
    const folder = outboxFolder(settings.state.folder);
    if (word === "list") return list(folder);
    if (word !== "run") {
      const done = changeEntries(folder, named, CHANGES[word]);
      if (word !== "flush") return summary(word, done);
      resumeAccounts(folder);
      if (named !== "all") {
        for (const id of done.held) printError("outbox", `Entry ${id} is on hold: countersign outbox release ${id}`);
      }
      const status = summary(word, done);
      // A run moves damaged entries out of the queue, and sends the others.
      if (status === 64) return status;
    }
    const status = await run(name, settings, source.file);
    if (word === "flush") sayWaiting(folder, named);
    return status;
  });
}

/** Says how many of these entries could not be sent. Those on hold were not tried. */
function sayWaiting(folder: string, named: readonly string[] | "all"): void {
  const left = listEntries(folder).filter(({ id, entry }) => {
    return entry !== undefined && !entry.hold && (named === "all" || named.includes(id));
  }).length;
  if (left > 0) say(`${left} ${left === 1 ? "entry is" : "entries are"} still waiting: countersign outbox list`);
}

/** Returns the IDs in the arguments. @throws {Fail} `usage` */
function entryNames(word: Word, ids: readonly string[]): readonly string[] | "all" {
  if (word === "run" || word === "list") {
    if (ids.length > 0) throw new Fail("usage", `Unknown argument ${quote(ids[0]!)}`);
    return [];
  }
  if (ids.length === 0 && word !== "flush") {
    throw new Fail("usage", "ID is missing", { fix: `outbox ${word} ID, as outbox list prints it, or ALL` });
  }
  if (ids.length === 0 || (ids.length === 1 && ids[0] === "ALL")) return "all";
  if (ids.includes("ALL")) throw new Fail("usage", "ALL cannot be combined with IDs");
  const bad = ids.find((one) => !/^[0-9A-Z]+$/.test(one));
  if (bad !== undefined) throw new Fail("usage", `${quote(bad)} is not the ID of an entry`);
  return ids;
}

const CHANGES: Record<Exclude<Word, "run" | "list">, Change> = {
  flush: (entry) => entry.hold ? "held" : { ...entry, next: Math.min(entry.next, Date.now()) },
  hold: (entry) => entry.hold ? "unchanged" : { ...entry, hold: true },
  release: (entry) => entry.hold ? { ...entry, hold: false } : "unchanged",
  delete: (_, locked) => void locked.remove(),
};

const PAST = { hold: "put on hold", release: "released from hold", delete: "deleted", flush: "due" } as const;

/**
 * Prints how many entries were changed.
 *
 * @returns the exit status: 64 for an unknown ID, 75 for an entry that is busy or unusable
 */
function summary(word: keyof typeof PAST, { changed, busy, unusable, missing }: Changed): number {
  if (word !== "flush") say(`${changed} ${changed === 1 ? "entry" : "entries"} ${PAST[word]}`);
  for (const id of busy) if (word !== "flush") printError("outbox", `Entry ${id} is being sent`);
  for (const [id, why] of unusable) printError("outbox", `Entry ${id}: ${why}`);
  for (const id of missing) printError("outbox", `Entry ${id} does not exist`);
  return missing.length > 0 ? 64 : unusable.length > 0 || busy.length > 0 && word !== "flush" ? 75 : 0;
}

function list(folder: string): number {
  const listed = listEntries(folder);
  const entries = listed.flatMap(({ id, entry }) => entry === undefined ? [] : [{ id, entry }]);
  for (const line of printQueue(entries)) say(line);
  for (const { id, damage, unreadable } of listed) {
    const why = damage ?? unreadable;
    if (why !== undefined) printError("outbox", `Entry ${id}: ${why}`);
  }
  for (const kept of ["damaged", "undelivered"]) {
    const count = idsIn(`${folder}/${kept}`).length;
    if (count > 0) say(`${count} ${kept}: ${folder}/${kept}`);
  }
  return 0;
}

/** Runs the outbox: here if this program may connect to the servers, otherwise in the shim, which may. */
async function run(name: string, settings: Settings, config: string): Promise<number> {
  const here = settings.transport.via === "command" || Deno.permissions.querySync({ name: "net" }).state === "granted";
  const { shim } = installedPrograms(isFile);
  if (here || shim === undefined) {
    await runOutbox(outboxContext(settings, abortOnSignal(), (line) => printError(name, line)));
    return 0;
  }
  const env = { COUNTERSIGN_CONFIG: config };
  const child = new Deno.Command(shim, { args: ["-q"], env, stdin: "null", stdout: "inherit", stderr: "inherit" });
  const running = child.spawn();
  const abort = abortOnSignal();
  abort.addEventListener("abort", () => running.kill("SIGTERM"));
  return (await running.status).code;
}
