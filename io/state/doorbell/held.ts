/**
 * Held messages as files below the folder of a service:
 *
 *     held/tmp, held/new, held/cur     a maildir; names.ts describes the names
 *     running/ID                       claimed: its program runs, or was interrupted
 *     kept/ID                          its program was killed
 *     done/ID                          an empty file, by which a second confirmation is recognized
 *
 * A message changes its state by a rename, because of several processes, or machines on a shared disk, that rename the
 * same file exactly one succeeds. Each file begins with a field that contains the record; the original follows.
 */
import { Fail, provesMissing } from "../../../lib/fail.ts";
import type { HeldFact } from "../../../incoming/doorbell/decide.ts";
import { syncFolder, tryRemove, writeAll } from "../../system/files.ts";
import { checkLauncher } from "../../transport/commit.ts";
import { exists, mtimeOf, namesIn, removeIfPresent, trouble } from "./folder.ts";
import { domainDigest, type HeldName, parseName, printName } from "./names.ts";
import { contentOf, MAX_RECORD_BYTES, openRecord, printRecord, readRecord } from "./record.ts";
import type { Challenged, Claim, HeldRecord } from "./store.ts";

/** The message is too large to be held. */
export class TooLarge extends Fail {
  constructor(what: string, limit: number) {
    super("data", `${what} is larger than ${limit} bytes`);
  }
}

/**
 * Holds a message. When this returns, it is on disk.
 *
 * @param locked does something while no other process holds a message
 * @returns all held messages with this one at the end; undefined if the same one is here already, in whatever state
 * @throws {TooLarge}; {Fail} `temporary`
 */
export async function hold(
  folder: string,
  id: string,
  record: HeldRecord,
  message: AsyncIterable<Uint8Array>,
  { challenged, limit, now }: { readonly challenged: Challenged; readonly limit: number; readonly now: Date },
  locked: <T>(work: () => T) => Promise<T>,
): Promise<HeldName[] | undefined> {
  const draft = `${folder}/held/tmp/${id}.${Deno.pid}.${crypto.randomUUID()}`;
  try {
    for (const one of ["held/tmp", "held/new", "held/cur"]) {
      Deno.mkdirSync(`${folder}/${one}`, { recursive: true, mode: 0o700 });
    }
    let size = 0;
    {
      const file = Deno.openSync(draft, { write: true, createNew: true, mode: 0o600 });
      try {
        const line = printRecord(record);
        if (line.length > MAX_RECORD_BYTES) throw new TooLarge("Its envelope", MAX_RECORD_BYTES);
        writeAll(file, line);
        for await (const chunk of message) {
          size += chunk.length;
          if (size > limit) throw new TooLarge("The message", limit);
          writeAll(file, chunk);
        }
        file.syncSync();
      } finally {
        file.close();
      }
    }
    const time = Math.floor(now.getTime() / 1000);
    const name = printName({ time, id, domain: domainDigest(record.address), size, challenged });
    const others = await locked(() => {
      const held = heldIn(folder);
      const elsewhere = ["running", "kept", "done"].some((state) => exists(`${folder}/${state}/${id}`));
      if (elsewhere || held.some((one) => one.id === id)) return undefined;
      checkLauncher();
      Deno.renameSync(draft, `${folder}/held/new/${name}`);
      return held;
    });
    if (others === undefined) tryRemove(draft);
    syncFolder(`${folder}/held/new`);
    return others && [...others, parseName(name)!];
  } catch (error) {
    tryRemove(draft);
    throw error instanceof Fail ? error : trouble(folder, error);
  }
}

/** Returns the held messages. */
export function heldIn(folder: string): HeldName[] {
  return ["new", "cur"].flatMap((one) => namesIn(`${folder}/held/${one}`))
    .flatMap((name) => parseName(name) ?? []);
}

/** Returns the path of a held message, which a mail program may have moved to cur. */
function pathOf(folder: string, name: string): string {
  const at = `${folder}/held/new/${name}`;
  return name.includes(":") || !exists(at) ? `${folder}/held/cur/${name}` : at;
}

/** Attempts to find or claim a message that other processes, or mail programs, rename meanwhile. */
const MAX_ATTEMPTS = 5;

/** Finds a message by its ID. */
export function findHeld(folder: string, id: string): HeldFact | undefined {
  const claimed = (state: "running" | "kept"): HeldFact | undefined => {
    const record = readRecord(`${folder}/${state}/${id}`);
    return record && { state, ...people(record) };
  };
  for (let nth = 0; nth < MAX_ATTEMPTS; nth++) {
    // A message may become running, or be held again, at any moment; so this is examined before and after the others.
    const before = claimed("running");
    if (before !== undefined) return before;
    const name = heldIn(folder).find((one) => one.id === id);
    const record = name && readHeld(folder, name);
    if (record !== undefined) return { state: "held", ...people(record) };
    const after = claimed("running") ?? claimed("kept");
    if (after !== undefined) return after;
    if (exists(`${folder}/done/${id}`)) return { state: "done" };
    if (name === undefined) return undefined;
    // It was renamed after the list was read.
  }
  return undefined;
}

const people = ({ address, author }: HeldRecord) => ({ address, ...(author !== undefined && { author }) });

/** Reads the record of a held message; undefined if it was moved. @throws {Fail} `temporary` */
export function readHeld(folder: string, { name }: HeldName): HeldRecord | undefined {
  return readRecord(pathOf(folder, name));
}

/** Returns the record of a held message, and where its original begins. */
export function openHeld(folder: string, { name }: HeldName): { record: HeldRecord; file: Deno.FsFile } | undefined {
  return openRecord(pathOf(folder, name));
}

/**
 * Notes whether the message was challenged. Of several processes one succeeds, so that one challenge is sent.
 *
 * @returns the new name; undefined if another process was first
 */
export function markChallenged(folder: string, held: HeldName, challenged: Challenged): HeldName | undefined {
  const name = printName({ ...held, challenged });
  try {
    Deno.renameSync(pathOf(folder, held.name), `${folder}/held/new/${name}`);
    syncFolder(`${folder}/held/new`);
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw trouble(folder, error);
  }
  return parseName(name);
}

/** Claims a message, which is then running. Of several processes one gets it, the others get undefined. */
export function claimHeld(
  folder: string,
  id: string,
  from: "held" | "kept" | "interrupted" = "held",
): Claim | undefined {
  for (let nth = 0; nth < MAX_ATTEMPTS; nth++) {
    const claim = tryToClaim(folder, id, from);
    if (claim !== "renamed") return claim;
  }
  return undefined;
}

function tryToClaim(folder: string, id: string, from: "held" | "kept" | "interrupted"): Claim | "renamed" | undefined {
  const held = heldIn(folder).find((one) => one.id === id);
  const [source, target] = [
    from === "held" ? held && pathOf(folder, held.name) : `${folder}/${from === "kept" ? "kept" : "running"}/${id}`,
    `${folder}/running/${id}`,
  ];
  if (source === undefined) return undefined;
  const opened = openRecord(source);
  if (opened === undefined) return "renamed";
  const { record, file } = opened;
  // The lock shows that the process lives. It is taken first, so that a message which is running always has one.
  const locked = file.tryLockSync(true);
  if (!locked || !moved(folder, source, target)) {
    file.close();
    return locked ? "renamed" : undefined;
  }
  const start = file.seekSync(0, Deno.SeekMode.Current);
  return {
    id,
    record,
    body: () => contentOf(file, start),
    settle: (state) => {
      try {
        if (state === "held") {
          const size = file.statSync().size - start;
          const time = held?.time ?? Math.floor(Date.now() / 1000);
          const domain = domainDigest(record.address);
          const name = printName({ time, id, domain, size, challenged: held?.challenged ?? "never" });
          Deno.renameSync(target, `${folder}/held/new/${name}`);
          syncFolder(`${folder}/held/new`);
        } else {
          Deno.mkdirSync(`${folder}/${state}`, { recursive: true, mode: 0o700 });
          Deno.renameSync(target, `${folder}/${state}/${id}`);
          syncFolder(`${folder}/${state}`);
          if (state === "done") {
            Deno.truncateSync(`${folder}/done/${id}`);
            const now = new Date();
            Deno.utimeSync(`${folder}/done/${id}`, now, now);
          }
        }
      } catch (error) {
        throw trouble(folder, error);
      } finally {
        file.unlockSync();
        file.close();
      }
    },
  };
}

/** Moves a locked file to `running`. @returns false if another process was first */
function moved(folder: string, source: string, target: string): boolean {
  try {
    checkLauncher();
    Deno.mkdirSync(`${folder}/running`, { recursive: true, mode: 0o700 });
    // Also of one that was interrupted, where this only shows that it is still there.
    Deno.renameSync(source, target);
    syncFolder(`${folder}/running`);
    return true;
  } catch (error) {
    // NFS may lose the reply to a rename and repeat the request. Only the holder of the lock can have moved the file.
    if (provesMissing(error)) return exists(target);
    throw error instanceof Fail ? error : trouble(folder, error);
  }
}

/** Removes a held message. @returns whether it was there */
export function removeHeld(folder: string, { name }: HeldName): boolean {
  return removeIfPresent(pathOf(folder, name));
}

/**
 * Removes held messages that arrived before a time, what is left of done ones, and drafts.
 *
 * @returns how many were held
 */
export function expireHeld(folder: string, before: Date): number {
  const seconds = Math.floor(before.getTime() / 1000);
  const gone = heldIn(folder).filter((one) => one.time < seconds && removeHeld(folder, one)).length;
  for (const path of ["done", "held/tmp"]) {
    for (const name of namesIn(`${folder}/${path}`)) {
      const at = `${folder}/${path}/${name}`;
      const time = mtimeOf(at);
      if (time !== undefined && time < before) tryRemove(at);
    }
  }
  return gone;
}
