/**
 * Which challenges are being sent: an empty file `asking/ID`, which the process that sends has locked and removes at
 * the end. A file without a lock is what a killed process has left. The message itself cannot carry the lock, because a
 * quick reply must be able to claim it.
 */
import { provesMissing } from "../../../lib/fail.ts";
import { namesIn, removeIfPresent, trouble } from "./folder.ts";

/** Notes that this process sends the challenge about a message. @returns a function that ends that */
export function beginAsking(folder: string, id: string): () => void {
  const path = `${folder}/asking/${id}`;
  try {
    Deno.mkdirSync(`${folder}/asking`, { recursive: true, mode: 0o700 });
    const file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    file.tryLockSync(true);
    return () => {
      try {
        removeIfPresent(path);
      } finally {
        file.close();
      }
    };
  } catch (error) {
    throw trouble(path, error);
  }
}

/** Removes the notes of processes that were killed. @returns the IDs of their messages */
export function interruptedAsking(folder: string): string[] {
  return namesIn(`${folder}/asking`).filter((id) => {
    const path = `${folder}/asking/${id}`;
    try {
      const file = Deno.openSync(path, { read: true, write: true });
      try {
        // A process that ended normally has removed its file before it released the lock.
        if (!file.tryLockSync(true) || Deno.statSync(path).ino !== file.statSync().ino) return false;
        Deno.removeSync(path);
        return true;
      } finally {
        file.close();
      }
    } catch (error) {
      if (provesMissing(error)) return false;
      throw trouble(path, error);
    }
  });
}
