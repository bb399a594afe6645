/**
 * The outbox on disk. An entry is a folder with the files `message` and `entry.json`:
 *
 * - `tmp/ID` while it is written or removed; leftovers of killed programs there were never acknowledged
 * - `queue/ID` from then on: one rename puts message and state there, and one rename takes them away
 * - `damaged/ID` if it cannot be parsed, `undelivered/ID` if its rejection could not be reported. Both are kept
 * - `login/ACCOUNT` while an account is not tried, because its login was rejected (pause.ts)
 *
 * Whoever changes an entry holds a lock on its file `message`.
 */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import type { Message } from "../../lib/message.ts";
import { base32, utf8 } from "../../lib/bytes.ts";
import { type OutboxEntry, parseEntry, printEntry } from "../../outgoing/outbox/entry.ts";
import { readInput } from "../system/input.ts";
import { isMissing, removeLeftovers, syncFolder, tryRemove, writeAll } from "../system/files.ts";
import { checkLauncher } from "../transport/commit.ts";
import { Rejected } from "../transport/rejected.ts";
import { tryLock, unlock } from "./lock.ts";

/** The folders of an outbox. */
const FOLDERS = ["tmp", "queue"] as const;

/** Hours after which a folder in tmp was certainly left by a killed program. */
const MAX_DRAFT_HOURS = 36;

/** Bytes of a message that are read with its header. A message that is not longer is sent with one write. */
const PREFIX_BYTES = 64 * 1024;

/** Returns the outbox below a state folder. */
export const outboxFolder = (state: string): string => `${state}/outbox`;

/** A message in the outbox that this process has locked. */
export class LockedEntry implements Disposable {
  /** Where it is now: in tmp, or in the queue. */
  #path: string;

  constructor(
    readonly outbox: string,
    readonly id: string,
    path: string,
    /** The message, locked while it is open. */
    readonly file: Deno.FsFile,
  ) {
    this.#path = path;
  }

  /**
   * Puts an entry that was written to tmp into the queue. When this returns, it is on disk.
   *
   * @throws {Fail} `temporary`
   */
  commit(entry: OutboxEntry): void {
    const queued = `${this.outbox}/queue/${this.id}`;
    try {
      writeSynced(`${this.#path}/entry.json`, printEntry(entry));
      syncFolder(this.#path);
      checkLauncher();
      Deno.renameSync(this.#path, queued);
    } catch (error) {
      throw unwritable(this.outbox, error);
    }
    const draft = this.#path;
    this.#path = queued;
    try {
      syncFolder(`${this.outbox}/queue`);
      checkLauncher(); // syncing took time, and the caller may have been told that it failed
    } catch (error) {
      Deno.renameSync(queued, draft);
      this.#path = draft;
      throw unwritable(this.outbox, error);
    }
  }

  /** Replaces the state. A reader sees the old or the new one. @throws {Fail} `temporary` */
  save(entry: OutboxEntry): void {
    const draft = `${this.#path}/entry.json.new`;
    try {
      writeSynced(draft, printEntry(entry));
      Deno.renameSync(draft, `${this.#path}/entry.json`);
      syncFolder(this.#path);
    } catch (error) {
      tryRemove(draft);
      throw unwritable(this.outbox, error);
    }
  }

  /** Reads the message from its beginning. */
  async message(): Promise<Message> {
    this.file.seekSync(0, Deno.SeekMode.Start);
    const input = await readInput(PREFIX_BYTES, false, this.file);
    return { head: input.prefix.subarray(0, input.head.bodyStart), body: input.body(), whole: input.whole };
  }

  /** Removes it: at once from the queue, then its files. @throws {Fail} `temporary` */
  remove(): void {
    const gone = `${this.outbox}/tmp/${this.id}.done`;
    try {
      makeFolders(this.outbox);
      Deno.renameSync(this.#path, gone);
    } catch (error) {
      throw unwritable(this.outbox, error);
    }
    this.#path = gone;
    try {
      Deno.removeSync(gone, { recursive: true });
    } catch {
      // It is removed with what killed programs leave.
    }
  }

  /**
   * Moves it out of the queue, because its rejection cannot be reported.
   *
   * @returns where it is kept
   * @throws {Fail} `temporary`
   */
  setAside(): string {
    return this.#path = moveAside(this.outbox, this.id, "undelivered");
  }

  [Symbol.dispose](): void {
    unlock(this.file);
  }
}

/**
 * Writes a message to tmp, locked. It is not in the queue yet.
 *
 * @throws {Fail} `temporary`; errors of reading the message
 */
export async function createEntry(outbox: string, { head, body }: Message): Promise<LockedEntry> {
  const id = newId();
  const path = `${outbox}/tmp/${id}`;
  let file: Deno.FsFile | undefined;
  try {
    makeFolders(outbox);
    Deno.mkdirSync(path, { mode: 0o700 });
    file = Deno.openSync(`${path}/message`, { read: true, write: true, createNew: true, mode: 0o600 });
    if (!file.tryLockSync(true)) throw new Error("the new file is locked");
    writeAll(file, head);
    for await (const chunk of body) writeAll(file, chunk);
    file.syncSync();
    return new LockedEntry(outbox, id, path, file);
  } catch (error) {
    if (file !== undefined) unlock(file);
    tryRemove(`${path}/message`);
    tryRemove(path);
    throw error instanceof Fail ? error : unwritable(outbox, error);
  }
}

/** What is known about an entry without locking it. */
export interface Listed {
  readonly id: string;
  /** Its state; undefined if it is damaged or cannot be read. */
  readonly entry: OutboxEntry | undefined;
  /** What is wrong with it, if it is damaged. */
  readonly damage?: string;
  /** Why it cannot be read now; it may be whole. */
  readonly unreadable?: string;
}

/** Lists the queue, the oldest first. @throws {Fail} `temporary` */
export function listEntries(outbox: string): Listed[] {
  const found: Listed[] = [];
  for (const id of idsIn(`${outbox}/queue`)) {
    const one = look(outbox, id);
    if (one !== undefined) found.push(one);
  }
  const age = ({ entry }: Listed) => entry?.created ?? 0;
  return found.sort((a, b) => age(a) - age(b) || (a.id < b.id ? -1 : 1));
}

/** Returns the names in one of the folders; none if it is missing. @throws {Fail} `temporary` */
export function idsIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (provesMissing(error)) return [];
    throw new Fail("temporary", `Outbox cannot be read: ${reason(error)}`, { file: folder, cause: error });
  }
}

/** Reads the state of an entry. @returns undefined if it is gone */
function look(outbox: string, id: string): Listed | undefined {
  const path = `${outbox}/queue/${id}`;
  try {
    const entry = parseEntry(Deno.readTextFileSync(`${path}/entry.json`));
    const { size, isFile } = Deno.lstatSync(`${path}/message`);
    if (!isFile) return { id, entry: undefined, damage: "Message is not a file" };
    if (size !== entry.size) return { id, entry: undefined, damage: `Message has ${size} bytes, not ${entry.size}` };
    return { id, entry };
  } catch (error) {
    if (error instanceof Fail) return { id, entry: undefined, damage: error.message };
    // Only what is certainly missing is damage. Another process may have finished the entry meanwhile.
    if (!provesMissing(error)) return { id, entry: undefined, unreadable: `Entry cannot be read: ${reason(error)}` };
    return isMissing(path) ? undefined : { id, entry: undefined, damage: "A file of the entry is missing" };
  }
}

/** Locks an entry of the queue and reads its state again. @returns undefined if it is gone, damaged, or locked */
export function lockEntry(outbox: string, id: string): { locked: LockedEntry; entry: OutboxEntry } | undefined {
  const path = `${outbox}/queue/${id}`;
  const file = tryLock(`${path}/message`);
  if (file === undefined) return undefined;
  const entry = look(outbox, id)?.entry;
  if (entry !== undefined) return { locked: new LockedEntry(outbox, id, path, file), entry };
  unlock(file);
  return undefined;
}

/** Moves an entry out of the queue to where it is kept. @returns where it is @throws {Fail} `temporary` */
export function moveAside(outbox: string, id: string, folder: "damaged" | "undelivered"): string {
  const to = `${outbox}/${folder}`;
  try {
    Deno.mkdirSync(to, { recursive: true, mode: 0o700 });
    Deno.renameSync(`${outbox}/queue/${id}`, `${to}/${id}`);
    syncFolder(to);
  } catch (error) {
    throw unwritable(outbox, error);
  }
  return `${to}/${id}`;
}

/** Removes what killed programs left in tmp. @returns the number of entries */
export function cleanOutbox(outbox: string, now: Date): number {
  return removeLeftovers(`${outbox}/tmp`, MAX_DRAFT_HOURS, now, () => true);
}

/** Returns a new name, which begins with the time. */
function newId(): string {
  const random = base32(crypto.getRandomValues(new Uint8Array(5)));
  return `${Math.floor(Date.now() / 1000).toString(36)}${random}`.toUpperCase();
}

function makeFolders(outbox: string): void {
  for (const name of FOLDERS) {
    const path = `${outbox}/${name}`;
    if (!isMissing(path)) continue;
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    for (const parent of [outbox, outbox.slice(0, outbox.lastIndexOf("/"))]) syncFolder(parent);
  }
}

function writeSynced(path: string, text: string): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  writeAll(file, utf8(text));
  file.syncSync();
}

function unwritable(outbox: string, error: unknown): Fail {
  if (error instanceof Rejected) return error;
  return new Fail("temporary", `Outbox cannot be written: ${reason(error)}`, { file: outbox, cause: error });
}
