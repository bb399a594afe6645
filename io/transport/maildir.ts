/** Delivers into a maildir as described in maildir(5): write to tmp, fsync, link to new. */
import { Fail, reason } from "../../lib/fail.ts";
import type { Message } from "../../lib/message.ts";
import { syncFolder, tryRemove, writeAll } from "../system/files.ts";
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
    syncFolder(`${maildir}/new`); // the name must be on disk, too, before success is reported
    checkLauncher(); // syncing took time
  } catch (error) {
    if (linked) tryRemove(final); // otherwise a retry would deliver it twice
    if (error instanceof Rejected) throw error;
    throw new Fail("temporary", `Maildir cannot be written: ${reason(error)}`, { file: maildir, cause: error });
  } finally {
    tryRemove(temporary);
  }
  return final;
}

async function write(path: string, message: Message): Promise<void> {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  writeAll(file, message.head);
  for await (const chunk of message.body) writeAll(file, chunk);
  file.syncSync();
}

/**
 * Creates the folder of a maildir and its parents in one call, because the sandbox does not permit the parents alone.
 */
export function makeFolders(maildir: string): void {
  try {
    Deno.mkdirSync(maildir, { recursive: true, mode: 0o700 });
  } catch {
    // The delivery reports the error.
  }
}

/** Creates the folders of a maildir that are missing; its parent must exist. */
export function makeMaildir(maildir: string): void {
  for (const folder of [maildir, `${maildir}/tmp`, `${maildir}/new`, `${maildir}/cur`]) {
    try {
      Deno.mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
