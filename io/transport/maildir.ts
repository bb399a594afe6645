/** Delivery into a maildir as maildir(5) has it: tmp, fsync, link to new. */
import { Fail, reason } from "../../lib/fail.ts";
import type { Message } from "../../lib/message.ts";
import { checkLauncher } from "./commit.ts";
import { Rejected } from "./rejected.ts";

/**
 * Writes a message into a maildir; when this returns, it is on the disk.
 *
 * A missing maildir is created if its parent exists. File names are random, and
 * link() fails for a name that exists.
 *
 * @returns the file in new/
 * @throws {Fail} `temporary`; nothing is left in new/ then
 */
export async function deliverToMaildir(maildir: string, message: Message): Promise<string> {
  const random = crypto.getRandomValues(new Uint8Array(10)).toHex();
  const name = `${Math.floor(Date.now() / 1000)}.P${Deno.pid}R${random}.countersign`;
  const [temporary, final] = [`${maildir}/tmp/${name}`, `${maildir}/new/${name}`];
  let linked = false;
  try {
    makeMaildir(maildir);
    await write(temporary, message);
    checkLauncher();
    Deno.linkSync(temporary, final);
    linked = true;
    syncFolder(`${maildir}/new`);
    checkLauncher(); // writing to the disk took time
  } catch (error) {
    if (linked) remove(final); // otherwise a retry would deliver it twice
    if (error instanceof Rejected) throw error;
    throw new Fail("temporary", `Maildir cannot be written: ${reason(error)}`, { file: maildir, cause: error });
  } finally {
    remove(temporary);
  }
  return final;
}

async function write(path: string, message: Message): Promise<void> {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  writeAll(file, message.head);
  for await (const chunk of message.body) writeAll(file, chunk);
  file.syncSync();
}

/** Makes the folder of a maildir and those above it: to make these on the way is permitted, by themselves it is not. */
export function makeFolders(maildir: string): void {
  try {
    Deno.mkdirSync(maildir, { recursive: true, mode: 0o700 });
  } catch {
    // The delivery reports the error.
  }
}

/** Writes everything; a full disk first causes a short write. */
export function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const count = file.writeSync(bytes.subarray(at));
    if (count === 0) throw new Error("nothing was written");
    at += count;
  }
}

function makeMaildir(maildir: string): void {
  for (const folder of [maildir, `${maildir}/tmp`, `${maildir}/new`, `${maildir}/cur`]) {
    try {
      Deno.mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** Syncs the folder: the name must be on the disk, too, before we report success. */
function syncFolder(path: string): void {
  using folder = Deno.openSync(path, { read: true });
  folder.syncSync();
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was never made, or the cleaner of the maildir takes it (36 hours, maildir(5)).
  }
}
