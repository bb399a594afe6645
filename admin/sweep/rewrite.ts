/** Writes a message with a result field, or to another file system: first to tmp, then durable, then visible. */
import { concat } from "../../lib/bytes.ts";
import { Fail, provesMissing } from "../../lib/fail.ts";
import { printHead } from "../../lib/message.ts";
import { withoutResultsInRest, withResult } from "../../hooks/result_field.ts";
import { syncFolder, tryRemove, writeAll } from "../../io/system/files.ts";
import { findMail, type MailFile, nameElsewhere, pathOf, Renamed, sized } from "./mailbox.ts";
import { type JudgedMail, open } from "./judged.ts";

const CHUNK_BYTES = 64 * 1024;

/** Returns the head of the message with its result; undefined if it has exactly this result already. */
function markedHead({ input: { head, prefix }, verdict }: JudgedMail): Uint8Array | undefined {
  const mbox = prefix.subarray(0, head.headStart);
  const marked = concat(mbox, printHead(withResult(head.header, verdict), head.cut));
  const same = marked.length === head.bodyStart && marked.every((byte, at) => byte === prefix[at]);
  return same ? undefined : marked;
}

/**
 * Adds the result to a message, which keeps its name, its time and its flags. A size in the name is updated.
 *
 * If another program moves the message to another maildir in the instant of the rename, both have it: rename(2) cannot
 * replace only what exists, and two copies are better than none.
 *
 * @returns whether it was changed
 * @throws {Renamed} if another program has renamed it, and the error of a missing file
 */
export async function markInPlace(maildir: string, mail: MailFile, judged: JudgedMail): Promise<boolean> {
  const head = markedHead(judged);
  const path = pathOf(maildir, mail);
  if (head === undefined) return false;
  const files = findMail(maildir, mail.unique);
  if (files.length === 0) throw new Renamed();
  // With two files of this name it is unknown which one another program would rename.
  if (files.length > 1) return false;
  const draft = await writeDraft(maildir, path, judged, head);
  try {
    const { size, ino } = Deno.statSync(draft);
    const target = pathOf(maildir, { folder: mail.folder, name: sized(mail.name, size) });
    if (target !== path) {
      Deno.linkSync(draft, target);
      removeOriginal(path, target);
    } else {
      Deno.lstatSync(path);
      Deno.renameSync(draft, path);
      const others = findMail(maildir, mail.unique).map((one) => pathOf(maildir, one)).filter((one) => one !== path);
      // If the message was renamed a moment before, this was no replacement but a copy. If it was renamed a moment
      // later, the other file is ours.
      if (others.some((one) => inodeOf(one) !== ino)) {
        tryRemove(path);
        throw new Renamed();
      }
    }
    syncFolder(`${maildir}/${mail.folder}`);
  } finally {
    tryRemove(draft);
  }
  return true;
}

const inodeOf = (path: string): number | null => Deno.statSync(path).ino;

/**
 * Copies a message into another maildir and removes the original when the copy is durable. A copy of a sweep that was
 * killed in between is used.
 *
 * @param marked whether to add the result
 * @throws {Renamed} if another program has renamed it, and the error of a missing file
 */
export async function copyTo(
  spam: string,
  maildir: string,
  mail: MailFile,
  judged: JudgedMail,
  marked: boolean,
): Promise<string> {
  const path = pathOf(maildir, mail);
  const { head, prefix } = judged.input;
  const top = (marked ? markedHead(judged) : undefined) ?? prefix.subarray(0, head.bodyStart);
  const draft = await writeDraft(spam, path, judged, top);
  try {
    const size = marked ? Deno.statSync(draft).size : undefined;
    const target = linkAs(draft, spam, mail.folder, nameElsewhere(mail.name, size));
    syncFolder(`${spam}/${mail.folder}`);
    removeOriginal(path, target);
    return target;
  } finally {
    tryRemove(draft);
  }
}

/** Removes the original of a copy; if another program has renamed it, removes the copy. */
function removeOriginal(path: string, copy: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    tryRemove(copy);
    throw provesMissing(error) ? new Renamed() : error;
  }
}

/** Gives a file a name in a maildir: this one, or a new one if another message has it. */
function linkAs(draft: string, maildir: string, folder: string, name: string): string {
  for (;;) {
    const target = `${maildir}/${folder}/${name}`;
    try {
      Deno.linkSync(draft, target);
      return target;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      if (sameContent(draft, target)) return target;
      name = freshName(name);
    }
  }
}

/** Returns a new unique name with the fields and flags of another. */
export function freshName(name: string): string {
  const random = crypto.getRandomValues(new Uint8Array(10)).toHex();
  return `${Math.floor(Date.now() / 1000)}.P${Deno.pid}R${random}.countersign${name.replace(/^[^,:;!]+/, "")}`;
}

/** Writes the message with this head to tmp, with the time of the original. @returns the path */
async function writeDraft(maildir: string, path: string, judged: JudgedMail, head: Uint8Array): Promise<string> {
  const draft = `${maildir}/tmp/${freshName("")}`;
  const { info, input } = judged;
  using from = open(path);
  const { ino, size } = from.statSync();
  if (ino !== info.ino || size !== info.size) {
    throw new Fail("temporary", "Message was replaced while it was judged", { file: path });
  }
  try {
    {
      using file = Deno.openSync(draft, { write: true, createNew: true, mode: (info.mode ?? 0o600) & 0o777 });
      writeAll(file, head);
      from.seekSync(input.head.bodyStart, Deno.SeekMode.Start);
      const rest = chunks(from);
      const body = input.head.cut ? withoutResultsInRest(input.head.header, rest) : rest;
      for await (const chunk of body) writeAll(file, chunk);
      file.syncSync();
    }
    if (info.mtime !== null) Deno.utimeSync(draft, info.atime ?? info.mtime, info.mtime);
    return draft;
  } catch (error) {
    tryRemove(draft);
    throw error;
  }
}

async function* chunks(file: Deno.FsFile): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count; (count = file.readSync(buffer)) !== null;) yield buffer.subarray(0, count);
}

/** Whether two files have the same content. */
export function sameContent(one: string, other: string): boolean {
  using left = Deno.openSync(one);
  const { size } = left.statSync();
  using right = Deno.openSync(other);
  if (size !== right.statSync().size) return false;
  const [mine, theirs] = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)];
  for (;;) {
    const [count, same] = [fill(left, mine), fill(right, theirs)];
    if (count !== same || mine.subarray(0, count).some((byte, at) => byte !== theirs[at])) return false;
    if (count < CHUNK_BYTES) return true;
  }
}

/** Reads until the buffer is full or the file ends. @returns the number of bytes */
function fill(file: Deno.FsFile, buffer: Uint8Array): number {
  let size = 0;
  for (let count; size < buffer.length && (count = file.readSync(buffer.subarray(size))) !== null;) size += count;
  return size;
}
