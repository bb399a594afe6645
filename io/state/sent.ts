/**
 * Which Message-IDs we passed on, as files of keyed hashes: `PERIOD/BUCKET`, a period of 30 days and a bucket for the
 * first 12 bits of the hash. However much is remembered, looking one up reads three small files.
 *
 * Records are appended without a lock, each with one write. A full disk may cut one, so a hash is looked for at every
 * offset, and the day behind it must be one of the file's period.
 */
import type { SentMessage } from "../../incoming/need.ts";
import { dayOf } from "../../lib/date.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { purposeMac } from "../../lib/hmac.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { bareMessageId, withoutBrackets } from "../../lib/message_id.ts";

/** Days for which a Message-ID is remembered. */
export const SENT_DAYS = 30;
/** Message-IDs looked up for one message: a stranger decides how many it names. */
const MAX_CANDIDATES = 20;
const HASH_BYTES = 16;
/** A record: the hash, then twice the day, plus one for a message that left with a tag. */
const RECORD_BYTES = HASH_BYTES + 4;

/** Remembers that this identity sent this message. @throws what the file system says */
export function rememberSent(
  folder: string,
  identity: Identity,
  messageId: string,
  signed: boolean,
  now: Date,
): void {
  const hash = hashOf(identity.keys[0]!.secret, bareMessageId(messageId));
  const day = dayOf(now);
  const record = new Uint8Array(RECORD_BYTES);
  record.set(hash);
  new DataView(record.buffer).setUint32(HASH_BYTES, day * 2 + (signed ? 1 : 0));
  const path = bucketPath(folder, periodOf(day), hash);
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  using file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  if (file.writeSync(record) < RECORD_BYTES) throw new Fail("io", "File was not written completely", { file: path });
}

/** Looks up Message-IDs: the latest of those that this identity sent; not `signed` where any left without a tag. */
export type SentIndex = (identity: Identity, messageIds: readonly string[]) => SentMessage | undefined;

/** The index in this folder. Throws `Fail` `temporary` when it cannot be read. */
export function sentIndex(folder: string, now: Date): SentIndex {
  return (identity, messageIds) => {
    const today = dayOf(now);
    // What was remembered under a clock that is ahead of ours, or before ours was set back, was sent nevertheless.
    const [first, last] = [periodOf(today - SENT_DAYS + 1), periodOf(today) + 1];
    let found: SentMessage | undefined;
    for (const id of [...new Set(messageIds)].slice(0, MAX_CANDIDATES)) {
      for (const { secret } of identity.keys) {
        // Not read as a field again: that would drop what looks like a comment.
        const hash = hashOf(secret, withoutBrackets(id));
        for (let period = first; period <= last; period++) {
          for (const one of matches(readBucket(bucketPath(folder, period, hash)), hash, period)) {
            if (one.day <= today - SENT_DAYS) continue;
            found = {
              day: Math.max(one.day, found?.day ?? 0),
              signed: one.signed && (found?.signed ?? true),
            };
          }
        }
      }
    }
    return found;
  };
}

/** Removes the periods that are over, and the files of a former version, one for each day. @returns how many */
export function cleanSent(folder: string, now: Date): number {
  const first = periodOf(dayOf(now) - SENT_DAYS + 1);
  let gone = 0;
  for (const { name, isFile, isDirectory } of entriesIn(folder)) {
    const over = isDirectory && /^\d{1,6}$/.test(name) && Number(name) < first;
    if (!over && !(isFile && /^\d{5}$/.test(name))) continue;
    try {
      Deno.removeSync(`${folder}/${name}`, { recursive: over });
      gone++;
    } catch {
      // Another process is cleaning, or what is in it is not ours to remove.
    }
  }
  return gone;
}

function entriesIn(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch {
    return []; // nothing was sent yet; what cannot be read cannot be cleaned
  }
}

const periodOf = (day: number): number => Math.floor(day / SENT_DAYS);

function bucketPath(folder: string, period: number, hash: Uint8Array): string {
  return `${folder}/${period}/${hash.subarray(0, 2).toHex().slice(0, 3)}`;
}

function hashOf(secret: Uint8Array, messageId: string): Uint8Array<ArrayBuffer> {
  return purposeMac(secret, "sent", [messageId]).subarray(0, HASH_BYTES);
}

function readBucket(path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw new Fail("temporary", `Index of sent mail cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

function* matches(records: Uint8Array<ArrayBuffer>, hash: Uint8Array, period: number): Generator<SentMessage> {
  const view = new DataView(records.buffer);
  const last = records.length - RECORD_BYTES;
  for (let at = -1; (at = records.indexOf(hash[0]!, at + 1)) >= 0 && at <= last;) {
    let same = true;
    for (let i = 1; same && i < HASH_BYTES; i++) same = records[at + i] === hash[i];
    const stamp = view.getUint32(at + HASH_BYTES);
    if (same && periodOf(stamp >>> 1) === period) yield { day: stamp >>> 1, signed: (stamp & 1) === 1 };
  }
}
