/** Delivers into a maildir as described in maildir(5): write to tmp, fsync, link to new. */
import { Fail, reason } from "../../lib/fail.ts";
import type { Message } from "../../lib/message.ts";
import { checkLauncher } from "./commit.ts";
import { Rejected } from "./rejected.ts";

/**
 * Writes a message into a maildir. When this returns, the message is on disk.
 *
 * A missing maildir is created if its parent exists. File names are random, and
 * link() fails if the name exists.
 *
 * @returns the file in new/
 * @throws {Fail} `temporary`; then new/ is unchanged
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
    checkLauncher(); // syncing took time
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

/** Creates the folder of a maildir and its parents in one call, because the sandbox does not permit the parents alone. */
export function makeFolders(maildir: string): void {
  try {
    Deno.mkdirSync(maildir, { recursive: true, mode: 0o700 });
  } catch {
    // The delivery reports the error.
  }
}

/** Writes everything. A full disk first causes a short write. */
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

/** Syncs the folder: the name must be on disk, too, before success is reported. */
function syncFolder(path: string): void {
  using folder = Deno.openSync(path, { read: true });
  folder.syncSync();
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // The file was not created, or it will be removed as abandoned after 36 hours (maildir(5)).
  }
}
