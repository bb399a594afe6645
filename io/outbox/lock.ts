/**
 * Locks on entries of the outbox, by which several runners share the work. They are flock(2) locks: the kernel releases
 * those of a killed process, so that no lock can be left behind.
 */

import { Fail, provesMissing, reason } from "../../lib/fail.ts";

/**
 * Opens and locks a file without waiting.
 *
 * @returns undefined if another process has locked it, or if its name belongs to no file, or to another one, by now
 * @throws {Fail} `temporary` when it cannot be opened or locked
 */
export function tryLock(path: string): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    // On NFS only a file that is open for writing can be locked exclusively.
    file = Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw unlockable(path, error);
  }
  try {
    // The previous holder of the lock may have finished the entry since the file was opened.
    if (file.tryLockSync(true) && Deno.statSync(path).ino === file.statSync().ino) return file;
  } catch (error) {
    if (!provesMissing(error)) {
      unlock(file);
      throw unlockable(path, error);
    }
  }
  unlock(file);
  return undefined;
}

/**
 * Releases the lock, and closes the file. Closing alone is not sufficient: a process that is being started has a
 * duplicate of every open file until it executes its program, and the lock lasts as long as any of them is open.
 */
export function unlock(file: Deno.FsFile): void {
  try {
    file.unlockSync();
  } catch {
    // It is released when the last duplicate is closed.
  }
  file.close();
}

const unlockable = (file: string, error: unknown): Fail =>
  new Fail("temporary", `Outbox cannot be written: ${reason(error)}`, { file, cause: error });
