/** Delivers into an mbox file (RFC 4155), quoted as mboxrd, with the locks of Debian's mail programs. */
import { utf8 } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { fromLine, quoted } from "../../lib/mbox.ts";
import type { Message } from "../../lib/message.ts";
import { checkOwn, tryTruncate, writeAll } from "../system/files.ts";
import { checkLauncher } from "./commit.ts";
import { lockMailbox } from "./mbox_lock.ts";
import { Rejected } from "./rejected.ts";

/** The envelope of the message, for the line that begins with `From`. */
export interface MboxEnvelope {
  /** The envelope sender; null for the null sender, undefined when unknown. */
  readonly sender: string | null | undefined;
  readonly now: Date;
}

/**
 * Appends a message to a mailbox. When this returns, the message is on disk. A missing file is created; its folder must
 * exist. Its name is not synced, because the sandbox does not permit its folder, but ext4, XFS and Btrfs write the name
 * of a new file together with it.
 *
 * @param message its header as `mboxHeader()` returns it
 * @throws {Fail} `temporary`; then the mailbox is unchanged
 */
export async function deliverToMbox(
  mbox: string,
  envelope: MboxEnvelope,
  message: Message,
  signal?: AbortSignal,
  lock = lockMailbox,
): Promise<void> {
  try {
    const path = existing(mbox);
    const unlock = await lock(path, signal);
    try {
      await append(path, envelope, message);
    } finally {
      await unlock();
    }
  } catch (error) {
    if (error instanceof Rejected) throw error;
    const what = error instanceof Fail ? error.message : `Mailbox cannot be written: ${reason(error)}`;
    const fix = error instanceof Fail && error.fix !== undefined ? { fix: error.fix } : {};
    throw new Fail("temporary", what, { file: mbox, ...fix, cause: error });
  }
}

/**
 * Creates the file if it is missing. A link in a folder in which others may create files could lead to any file of the
 * user, so it must be the user's own, too.
 *
 * @returns its path without symbolic links, because all programs must use the same lock file
 */
function existing(mbox: string): string {
  try {
    Deno.openSync(mbox, { write: true, createNew: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const link = Deno.lstatSync(mbox);
  if (link.isSymlink) checkOwn("Link to the mailbox", mbox, link, 0);
  const path = Deno.realPathSync(mbox);
  checkMailbox(path, Deno.statSync(path)); // opening a named pipe would wait for its reader
  return path;
}

function checkMailbox(path: string, info: Deno.FileInfo): void {
  if (!info.isFile) throw new Fail("temporary", "Mailbox is not a regular file");
  if (info.nlink !== null && info.nlink > 1) throw new Fail("temporary", "Mailbox has another name (hard link)");
  checkOwn("Mailbox", path, info, 0);
}

async function append(path: string, { sender, now }: MboxEnvelope, { head, body }: Message): Promise<void> {
  // Only now, because a mail program may have replaced or, when it was empty, removed the file.
  const file = Deno.openSync(path, { read: true, append: true, create: true, mode: 0o600 });
  try {
    const info = file.statSync();
    checkMailbox(path, info);
    let [end, last] = [info.size, 0];
    const counted = {
      writeSync(bytes: Uint8Array) {
        const count = file.writeSync(bytes);
        end += count;
        return count;
      },
    };
    const put = (bytes: Uint8Array) => {
      writeAll(counted, bytes);
      last = bytes.at(-1) ?? last;
    };
    try {
      put(utf8(`${separator(file, info.size)}${fromLine(sender, now)}`));
      put(head);
      for await (const chunk of quoted(body)) put(chunk);
      put(utf8(last === 10 ? "\n" : "\n\n"));
      file.syncSync();
      checkLauncher();
    } catch (error) {
      // A program that ignores the locks may have appended or removed something: only what is ours at its end is cut
      // off.
      if (file.statSync().size === end) tryTruncate(file, info.size);
      throw error;
    }
  } finally {
    file.close(); // not `using`: see tests/bundle_test.ts
  }
}

/** Returns what completes the last message: a program that was killed may have left it without its end. */
function separator(file: Deno.FsFile, size: number): string {
  const bytes = new Uint8Array(2);
  if (size === 0) return "";
  file.seekSync(-Math.min(size, 2), Deno.SeekMode.End);
  file.readSync(bytes.subarray(2 - Math.min(size, 2)));
  return bytes[1] !== 10 ? "\n\n" : bytes[0] !== 10 ? "\n" : "";
}
