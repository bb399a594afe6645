/**
 * The entries of a ledger as files, a folder for each day on which entries expire:
 *
 *     DAY/messages/MESSAGE/LIST                             issued
 *     DAY/messages/MESSAGE/LIST.claimed.HOST.PID.NONCE      claimed
 *     DAY/messages/MESSAGE/LIST.spent                       spent
 *     DAY/lists/LIST/MESSAGE                                empty: where to look for the entries of a list
 *
 * MESSAGE and LIST are digests. An entry changes its state by a rename, because when several processes, or machines on
 * a shared disk, rename the same file, exactly one of them succeeds. Looking up a message or a list reads only its own
 * folders, and expiring a day does not read its entries.
 */
import { utf8 } from "../../lib/bytes.ts";
import type { State } from "../../lib/entry.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { syncFolder, tryRemove, writeAll } from "../system/files.ts";

/** An entry, whose text this module does not interpret. */
export interface StoredEntry {
  /** MESSAGE-LIST. */
  readonly name: string;
  readonly state: State;
  readonly text: string;
}

/** How often the entries of a message are read while other processes rename them. */
const MAX_ATTEMPTS = 5;

/** Finds the entries with this MESSAGE, or with this LIST, ordered by day and name. */
export function findEntries(folder: string, by: { message: string } | { list: string }): StoredEntry[] {
  const out: StoredEntry[] = [];
  const read = (day: string, message: string, list?: string) => {
    const at = `${folder}/${day}/messages/${message}`;
    for (let nth = 1;; nth++) {
      const found = entriesIn(at).filter((file) => list === undefined || file.list === list)
        .map((file) => ({ ...file, text: readText(`${at}/${file.name}`) }));
      // One that is missing has changed its state since it was listed.
      if (nth < MAX_ATTEMPTS && found.some(({ text }) => text === undefined)) continue;
      for (const { list, state, text } of found) {
        if (text !== undefined) out.push({ name: `${message}-${list}`, state, text });
      }
      return;
    }
  };
  if ("message" in by) {
    for (const day of daysIn(folder)) read(day, by.message);
  } else {
    for (const day of daysIn(folder)) {
      for (const message of namesIn(`${folder}/${day}/lists/${by.list}`)) read(day, message, by.list);
    }
  }
  return out;
}

/** Adds an entry, which is on the disk when this returns; none if an entry with one of these names exists. */
export function issueEntry(folder: string, names: readonly [string, ...string[]], expires: number, text: string): void {
  const [message, list] = parts(names[0]);
  const day = `${folder}/${expires}`;
  const [at, index] = [`${day}/messages/${message}`, `${day}/lists/${list}`];
  try {
    for (const path of [at, index]) Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    // Do not issue an entry again that was answered, or that was issued on an earlier day.
    if (daysIn(folder).some((one) => names.some((name) => filesOf(`${folder}/${one}`, name).length > 0))) return;
    Deno.openSync(`${index}/${message}`, { write: true, create: true, mode: 0o600 }).close();
    // Write a draft and link it into place, because a hook may read the entry at any moment.
    const draft = `${at}/.${list}.${Deno.pid}.${crypto.randomUUID()}`;
    try {
      {
        using file = Deno.openSync(draft, { write: true, createNew: true, mode: 0o600 });
        writeAll(file, utf8(text));
        file.syncSync();
      }
      Deno.linkSync(draft, `${at}/${list}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    } finally {
      tryRemove(draft);
    }
    for (const path of [at, `${day}/messages`]) syncFolder(path);
  } catch (error) {
    throw trouble(folder, error);
  }
}

/** Claims an issued entry. Of several concurrent callers one gets a claim, the others get undefined. */
export function claimEntry(folder: string, name: string): string | undefined {
  const [message, list] = parts(name);
  const found = daysIn(folder).flatMap((day) =>
    filesOf(`${folder}/${day}`, name).map((file) => ({ ...file, at: `${day}/messages/${message}` }))
  );
  const [first] = found;
  if (first === undefined || found.some(({ state }) => state !== "issued")) return undefined;
  // Process ids are reused, and containers have the same ones: the claim of a dead hook must not look like ours.
  const mine = `${first.at}/${list}.claimed.${host()}.${Deno.pid}.${crypto.randomUUID()}`;
  try {
    Deno.renameSync(`${folder}/${first.at}/${list}`, `${folder}/${mine}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw trouble(folder, error);
    // NFS may lose the reply to a rename and repeat the request. Then our file exists although the rename failed.
    if (readText(`${folder}/${mine}`) === undefined) return undefined;
  }
  // The entry must still be claimed after a crash of the machine, or the challenge could be answered twice.
  syncFolder(`${folder}/${first.at}`);
  return mine;
}

/** Ends a claim: `spent`, or `issued` again. */
export function settleEntry(folder: string, mine: string, state: "spent" | "issued"): void {
  if (!CLAIM.test(mine)) throw new Fail("data", "The claim is not one of this ledger"); // it becomes a path
  const issued = mine.slice(0, mine.indexOf(".claimed."));
  try {
    Deno.renameSync(`${folder}/${mine}`, `${folder}/${issued}${state === "spent" ? ".spent" : ""}`);
    syncFolder(`${folder}/${issued.slice(0, issued.lastIndexOf("/"))}`);
  } catch (error) {
    throw trouble(folder, error);
  }
}

/**
 * Removes expired entries, up to `limit`, and drafts of killed programs. Files that this program did not create stay.
 *
 * @returns how many entries were removed
 */
export function expireEntries(folder: string, today: number, limit: number): number {
  let removed = 0;
  for (const day of daysIn(folder)) {
    if (Number(day) >= today) continue;
    const at = `${folder}/${day}`;
    for (const message of namesIn(`${at}/messages`)) {
      for (const { name, list } of entriesIn(`${at}/messages/${message}`)) {
        if (removed >= limit) return removed;
        tryRemove(`${at}/lists/${list}/${message}`);
        tryRemove(`${at}/lists/${list}`);
        tryRemove(`${at}/messages/${message}/${name}`);
        removed++;
      }
      for (const draft of draftsIn(`${at}/messages/${message}`)) tryRemove(`${at}/messages/${message}/${draft}`);
      tryRemove(`${at}/messages/${message}`);
    }
    removeIndex(`${at}/lists`);
    for (const path of [`${at}/messages`, `${at}/lists`, at]) tryRemove(path);
  }
  return removed + removeFormer(folder, limit - removed);
}

/** Removes index files without an entry, left by a program that was killed before it issued the entry. */
function removeIndex(folder: string): void {
  for (const list of namesIn(folder)) {
    for (const message of namesIn(`${folder}/${list}`)) {
      if (DIGEST.test(message)) tryRemove(`${folder}/${list}/${message}`);
    }
    tryRemove(`${folder}/${list}`);
  }
}

/** Removes the entries of version 0, which had a folder for each state. This version does not read them. */
function removeFormer(folder: string, limit: number): number {
  let removed = 0;
  for (const state of ["issued", "claimed", "spent"]) {
    for (const name of allNamesIn(`${folder}/${state}`)) {
      if (removed >= limit || !/^\.?[0-9a-f]{32}-[0-9a-f]{32}(?:\.|$)/.test(name)) continue;
      tryRemove(`${folder}/${state}/${name}`);
      removed++;
    }
    tryRemove(`${folder}/${state}`);
  }
  return removed;
}

const DIGEST = /^[0-9a-f]{32}$/;
const CLAIM = /^\d{1,9}\/messages\/[0-9a-f]{32}\/[0-9a-f]{32}\.claimed\.[0-9a-f]+\.\d+\.[0-9a-f-]{36}$/;
const FILE = /^([0-9a-f]{32})(?:\.(claimed)\.[^/]+|\.(spent))?$/;

/** Returns the days on which entries expire. */
function daysIn(folder: string): string[] {
  return namesIn(folder).filter((name) => /^\d{1,9}$/.test(name));
}

/** Returns the entries in the folder of a message. */
function entriesIn(folder: string): { name: string; list: string; state: State }[] {
  return namesIn(folder).flatMap((name) => {
    const [, list, claimed, spent] = FILE.exec(name) ?? [];
    if (list === undefined) return [];
    return [{ name, list, state: claimed ? "claimed" : spent ? "spent" : "issued" }];
  });
}

/** Returns MESSAGE and LIST of a name. */
function parts(name: string): [message: string, list: string] {
  const [message = "", list = ""] = name.split("-");
  return [message, list];
}

/** Returns the files of an entry below the folder of a day: none, or one. */
function filesOf(day: string, name: string) {
  const [message, list] = parts(name);
  return entriesIn(`${day}/messages/${message}`).filter((file) => file.list === list);
}

const draftsIn = (folder: string): string[] =>
  allNamesIn(folder).filter((name) => /^\.[0-9a-f]{32}\.\d+\.[0-9a-f-]+$/.test(name));

const namesIn = (folder: string): string[] => allNamesIn(folder).filter((name) => !name.startsWith("."));

function allNamesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw trouble(folder, error);
  }
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw trouble(path, error);
  }
}

/** Returns a name of this machine, because machines that share a disk may have processes with the same id. */
function host(): string {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim().replaceAll("-", "");
  } catch {
    return crypto.randomUUID().replaceAll("-", "");
  }
}

function trouble(folder: string, error: unknown): Fail {
  return new Fail("temporary", `Ledger cannot be used: ${reason(error)}`, { file: folder, cause: error });
}
