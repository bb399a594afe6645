/** Creates and changes files atomically. */
import { Fail, reason } from "../lib/fail.ts";
import { isMissing, removeLeftovers } from "../io/system/files.ts";

/**
 * Creates a file atomically.
 *
 * @param mode its mode, regardless of the umask
 * @returns false if it already exists; nothing is overwritten
 */
export function createAtomically(path: string, text: string, mode = 0o600): boolean {
  const draft = `${path}.${crypto.randomUUID().slice(0, 8)}.new`;
  try {
    Deno.openSync(draft, { write: true, createNew: true, mode: 0o600 }).close();
    {
      using file = Deno.openSync(draft, { write: true });
      writeAll(file, text);
    }
    Deno.chmodSync(draft, mode);
    // link(2), unlike rename(2), fails if the file exists.
    Deno.linkSync(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw new Fail("io", `File cannot be written: ${reason(error)}`, { file: path, cause: error });
  } finally {
    remove(draft);
    cleanDrafts(path, new Date());
  }
}

/**
 * Changes a file atomically: a reader sees either the old or the new text. Mode and owner are kept.
 *
 * @param change returns the new text for the current one
 * @throws {Fail} `temporary` while another process changes the file; what `change` throws
 */
export function changeAtomically(path: string, change: (text: string) => string): void {
  // If the path is a symbolic link, its target is changed and the link is kept.
  const real = Deno.realPathSync(path);
  const draft = `${real}.new`;
  using file = openLocked(draft);
  try {
    const text = change(Deno.readTextFileSync(real));
    const [now, then] = [file.statSync(), Deno.statSync(real)];
    if (then.uid !== now.uid || then.gid !== now.gid) Deno.chownSync(draft, then.uid, then.gid);
    Deno.chmodSync(draft, then.mode! & 0o7777);
    file.truncateSync();
    writeAll(file, text);
    Deno.renameSync(draft, real);
  } catch (error) {
    remove(draft);
    if (error instanceof Fail) throw error;
    throw new Fail("io", `File cannot be changed: ${reason(error)}`, { file: real, cause: error });
  }
  cleanDrafts(real, new Date());
}

/**
 * Opens and locks the draft, because otherwise one of two concurrent changes would be lost. The kernel releases the
 * lock of a killed program, so that its draft does not block later changes.
 */
function openLocked(path: string): Deno.FsFile {
  for (;;) {
    let file: Deno.FsFile;
    try {
      if (isLink(path)) throw new Error("it is a symbolic link");
      file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw new Fail("io", `File cannot be written: ${reason(error)}`, { file: path, cause: error });
    }
    try {
      if (!file.tryLockSync(true)) throw new Fail("temporary", "File is locked by another change", { file: path });
      // The previous holder of the lock may have renamed or removed the draft since it was opened.
      if (Deno.statSync(path).ino === file.statSync().ino) return file;
    } catch (error) {
      file.close();
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      continue;
    }
    file.close();
  }
}

/** Hours after which a draft was certainly left by a killed program. */
const MAX_DRAFT_HOURS = 24;

/** Removes the drafts of a file that killed programs left. @returns the number of removed files */
export function cleanDrafts(path: string, now: Date): number {
  const at = path.lastIndexOf("/");
  const [folder, base] = [path.slice(0, at) || "/", path.slice(at + 1)];
  return removeLeftovers(folder, MAX_DRAFT_HOURS, now, ({ name }) => {
    return name.startsWith(`${base}.`) && /^(?:[0-9a-f]{8}\.)?new$/.test(name.slice(base.length + 1));
  });
}

/** Returns the time of the last change of a file; undefined if it cannot be determined. */
export function lastChange(path: string): Date | undefined {
  try {
    return Deno.statSync(path).mtime ?? undefined;
  } catch {
    return undefined;
  }
}

/** An upper bound of the resolution of file times, in milliseconds. */
const TICK_MS = 10;

/** Waits until a file that is written now gets a later time than one that was changed at `changed`. */
export function waitUntilLater(changed: Date): void {
  const left = changed.getTime() + TICK_MS - Date.now();
  if (left > 0 && left <= TICK_MS) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left);
}

/** Creates a folder with mode 0700, and its parents. @throws {Fail} `io` */
export function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Fail("io", `Folder cannot be created: ${reason(error)}`, { file: path, cause: error });
  }
}

/** Whether a path exists or may exist; true for a dangling link, because writing to it would create its target. */
export const isThere = (path: string): boolean => !isMissing(path);

/** Resolves the links in a path; components that do not exist yet are kept. */
export function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    const at = path.lastIndexOf("/");
    return at < 1 ? path : realPath(path.slice(0, at)) + path.slice(at);
  }
}

/** Whether the group may write a file; false if it is missing. */
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

function writeAll(file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  // Without it a power failure after the rename could leave an empty file.
  file.syncSync();
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was not created.
  }
}
