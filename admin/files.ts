/** Files that are there whole or not at all. */
import { Fail, reason } from "../lib/fail.ts";
import { isMissing } from "../io/system/files.ts";

/** Makes a file that was not there. @returns false when it is there already: nothing is overwritten */
export function createWhole(path: string, text: string): boolean {
  const beside = `${path}.${crypto.randomUUID().slice(0, 8)}.new`;
  try {
    Deno.openSync(beside, { write: true, createNew: true, mode: 0o600 }).close();
    {
      using file = Deno.openSync(beside, { write: true });
      fill(file, text);
    }
    // link, unlike rename, refuses to take the place of another.
    Deno.linkSync(beside, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw new Fail("io", `File cannot be written: ${reason(error)}`, { file: path, cause: error });
  } finally {
    remove(beside);
    cleanDrafts(path, new Date());
  }
}

/**
 * Changes a file at once: who reads it sees the old one or the new one. Mode and owner stay.
 *
 * @param change gets the text as it is, and gives the new one
 * @throws {Fail} `temporary` while another change is under way; what `change` throws
 */
export function changeWhole(path: string, change: (text: string) => string): void {
  // A link to a file elsewhere stays one.
  const real = Deno.realPathSync(path);
  const beside = `${real}.new`;
  using file = locked(beside);
  try {
    const text = change(Deno.readTextFileSync(real));
    const [now, then] = [file.statSync(), Deno.statSync(real)];
    if (then.uid !== now.uid || then.gid !== now.gid) Deno.chownSync(beside, then.uid, then.gid);
    Deno.chmodSync(beside, then.mode! & 0o7777);
    file.truncateSync();
    fill(file, text);
    Deno.renameSync(beside, real);
  } catch (error) {
    remove(beside);
    if (error instanceof Fail) throw error;
    throw new Fail("io", `File cannot be changed: ${reason(error)}`, { file: real, cause: error });
  }
  cleanDrafts(real, new Date());
}

/**
 * The new file, which is the lock, too: of two changes at once, one would lose what the other added. The kernel gives up
 * the lock of a program that was killed, so that what it left is in nobody's way.
 */
function locked(path: string): Deno.FsFile {
  for (;;) {
    let file: Deno.FsFile;
    try {
      if (isLink(path)) throw new Error("it is a link");
      file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw new Fail("io", `File cannot be written: ${reason(error)}`, { file: path, cause: error });
    }
    try {
      if (!file.tryLockSync(true)) throw new Fail("temporary", "File is locked by another change", { file: path });
      // Whoever had the lock may have put the file in its place meanwhile, or removed it.
      if (Deno.statSync(path).ino === file.statSync().ino) return file;
    } catch (error) {
      file.close();
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      continue;
    }
    file.close();
  }
}

/** Hours after which what stands beside a file is nobody's draft any more. */
const MAX_DRAFT_HOURS = 24;

/** Removes the drafts of a file that killed programs left beside it. @returns how many */
export function cleanDrafts(path: string, now: Date): number {
  const at = path.lastIndexOf("/");
  const [folder, base] = [path.slice(0, at) || "/", path.slice(at + 1)];
  let gone = 0;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      if (!name.startsWith(`${base}.`) || !/^(?:[0-9a-f]{8}\.)?new$/.test(name.slice(base.length + 1))) continue;
      const { mtime } = Deno.lstatSync(`${folder}/${name}`);
      if (mtime === null || now.getTime() - mtime.getTime() < MAX_DRAFT_HOURS * 3_600_000) continue;
      Deno.removeSync(`${folder}/${name}`);
      gone++;
    }
  } catch {
    // There is no such folder, or another program is cleaning.
  }
  return gone;
}

/** When a file was last changed; undefined where that cannot be told. */
export function lastChange(path: string): Date | undefined {
  try {
    return Deno.statSync(path).mtime ?? undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds, more than a tick of the clock by which the kernel dates files. */
const TICK_MS = 10;

/** Waits until a file that is written now has a later date than one that was changed then. */
export function waitUntilLater(changed: Date): void {
  const left = changed.getTime() + TICK_MS - Date.now();
  if (left > 0 && left <= TICK_MS) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left);
}

/** Makes a folder that only its owner may enter, and those above it. @throws {Fail} `io` */
export function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Fail("io", `Folder cannot be created: ${reason(error)}`, { file: path, cause: error });
  }
}

/** Is there anything of this name, or could there be? Also a link that leads nowhere: what it names would be written. */
export const isThere = (path: string): boolean => !isMissing(path);

/** Where a path leads in the end, through all links; what is not there yet is taken as it is. */
export function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    const at = path.lastIndexOf("/");
    return at < 1 ? path : realPath(path.slice(0, at)) + path.slice(at);
  }
}

/** May the group write this file? Not if it is missing. */
export function isGroupWritable(path: string): boolean {
  try {
    return (Deno.statSync(path).mode! & 0o020) !== 0;
  } catch {
    return false;
  }
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function fill(file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  // A name without its bytes, after a power cut, would be worse than the old file.
  file.syncSync();
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was never made.
  }
}
