/**
 * The Message-IDs of sent mail, as files of keyed hashes: `PERIOD/BUCKET`, where a period has 30 days and a bucket
 * holds the hashes with the same first 12 bits. Looking one up reads three small files, however many are remembered.
 *
 * Records are appended without a lock, each with one write. A full disk may truncate one, so a hash is searched for at
 * every offset, and the day after it must be within the file's period.
 */
import type { SentMessage } from "../../incoming/need.ts";
import type { Bytes } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import { Fail } from "../../lib/fail.ts";
import { purposeMac } from "../../lib/hmac.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { signingKey } from "../../lib/settings/keys.ts";
import { bareMessageId, withoutBrackets } from "../../lib/message_id.ts";
import { Buckets, unreadable } from "./buckets.ts";

/** Days for which a Message-ID is remembered. */
export const SENT_DAYS = 30;
/** Message-IDs looked up for one message. It may name any number of them. */
const MAX_CANDIDATES = 20;
const HASH_BYTES = 16;
/** A record is the hash, then twice the day, plus one if the message left with a tag. */
const RECORD_BYTES = HASH_BYTES + 4;

/** Remembers that this identity sent this message. @throws {Fail} `io`; errors of the file system */
export function rememberSent(
  folder: string,
  identity: Identity,
  messageId: string,
  signed: boolean,
  now: Date,
): void {
  recordSent(folder, sentHash(identity, messageId, now), { day: dayOf(now), signed });
}

/**
 * Returns the hash under which a message of this identity is remembered. It is made with the key that signs: a key that
 * is dated in the future may not have reached every host yet.
 */
export function sentHash(identity: Identity, messageId: string, now: Date): Bytes {
  const key = signingKey(identity.keys, now) ?? identity.keys[0]!;
  return hashOf(key.secret, bareMessageId(messageId));
}

/** Returns the hashes under which these Message-IDs may be remembered, of at most 20 of them. */
export function* candidateHashes(identity: Identity, messageIds: readonly string[]): Generator<Bytes> {
  for (const id of [...new Set(messageIds)].slice(0, MAX_CANDIDATES)) {
    // bareMessageId() would remove parts that look like a comment.
    for (const { secret } of identity.keys) yield hashOf(secret, withoutBrackets(id));
  }
}

/** Returns the latest of the messages that have not expired; `signed` is false if any of them left without a tag. */
export function latestSent(all: Iterable<SentMessage>, now: Date): SentMessage | undefined {
  let found: SentMessage | undefined;
  for (const { day, signed } of all) {
    if (day <= dayOf(now) - SENT_DAYS) continue;
    found = { day: Math.max(day, found?.day ?? day), signed: signed && (found?.signed ?? true) };
  }
  return found;
}

/**
 * Creates the index in this folder, because looking into a missing one takes longer than into an empty one. Never
 * throws.
 */
export function prepareSent(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch {
    // A lookup reports why it cannot be used.
  }
}

/** Adds a record to the index in this folder. @throws {Fail} `io`; errors of the file system */
export function recordSent(folder: string, hash: Bytes, { day, signed }: SentMessage): void {
  const record = new Uint8Array(RECORD_BYTES);
  record.set(hash);
  new DataView(record.buffer).setUint32(HASH_BYTES, day * 2 + (signed ? 1 : 0));
  const path = bucketPath(folder, periodOf(day), hash);
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  try {
    if (file.writeSync(record) < RECORD_BYTES) throw new Fail("io", "File was not written completely", { file: path });
  } finally {
    file.close(); // not `using`: see tests/bundle_test.ts
  }
}

/** Returns the latest of the messages that this identity sent; `signed` is false if any of them left without a tag. */
export type SentIndex = (identity: Identity, messageIds: readonly string[]) => SentMessage | undefined;

/** Returns the index in this folder. It throws `Fail` `temporary` when a file cannot be read. */
export function sentIndex(folder: string, now: Date): SentIndex {
  return (identity, messageIds) => latestSent(recordsOf(folder, candidateHashes(identity, messageIds), now), now);
}

const buckets = new Buckets();

/** Returns the records with these hashes in the index in this folder, perhaps with expired ones. */
export function* recordsOf(folder: string, hashes: Iterable<Bytes>, now: Date): Generator<SentMessage> {
  const today = dayOf(now);
  const periods = periodsIn(folder, today);
  for (const hash of hashes) {
    for (const period of periods) {
      const age = period < periodOf(today - 1) ? PAST_MS : 0;
      yield* matches(buckets.read(bucketPath(folder, period, hash), age), hash, period);
    }
  }
}

/**
 * Milliseconds for which a bucket of a past period is not examined again. A day after its end, only an import, or a
 * machine whose clock is more than a day behind, adds to it.
 */
const PAST_MS = 60_000;

/** The periods in a folder, and when they were listed, in milliseconds since the program started. */
interface Listing {
  readonly periods: readonly number[];
  readonly at: number;
}

/** The last listing of each folder. */
const listings = new Map<string, Listing>();

/** Milliseconds for which a folder is not listed again while it has the current period and the one before. */
const LISTING_MS = 1000;

/**
 * Returns the periods that exist, because looking for a file that is missing takes several times as long as reading
 * one.
 */
function periodsIn(folder: string, today: number): readonly number[] {
  const [first, current] = [periodOf(today - SENT_DAYS + 1), periodOf(today)];
  let known = listings.get(folder);
  const lately = known !== undefined && performance.now() - known.at < LISTING_MS;
  if (!lately || !known!.periods.includes(first) || !known!.periods.includes(current)) {
    known = { periods: list(folder), at: performance.now() };
    listings.set(folder, known);
  }
  // Include the next period: the clock may have been set back since, or be ahead on another machine.
  return known!.periods.filter((one) => one >= first && one <= current + 1);
}

function list(folder: string): number[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => Number(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw unreadable(folder, error);
  }
}

/** Removes expired periods, and the files of an earlier version, which had one for each day. @returns how many */
export function expireSent(folder: string, now: Date): number {
  const first = periodOf(dayOf(now) - SENT_DAYS + 1);
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch {
    return 0; // missing, or unreadable and so impossible to clean
  }
  let removed = 0;
  for (const { name, isFile, isDirectory } of entries) {
    const over = isDirectory && !/\D/.test(name) && Number(name) < first;
    if (!over && !(isFile && /^\d{5}$/.test(name))) continue;
    try {
      Deno.removeSync(`${folder}/${name}`, { recursive: over });
      removed++;
    } catch {
      // Another process is cleaning, or the folder belongs to another user.
    }
  }
  return removed;
}

const periodOf = (day: number): number => Math.floor(day / SENT_DAYS);

function bucketPath(folder: string, period: number, hash: Uint8Array): string {
  return `${folder}/${period}/${hash.toHex().slice(0, 3)}`;
}

function hashOf(secret: Uint8Array, messageId: string): Bytes {
  return purposeMac(secret, "sent", [messageId]).subarray(0, HASH_BYTES);
}

function* matches(records: Bytes, hash: Uint8Array, period: number): Generator<SentMessage> {
  const view = new DataView(records.buffer);
  const last = records.length - RECORD_BYTES;
  // All hashes of a file begin with the same 12 bits, so the third byte is searched for.
  for (let found = 1; (found = records.indexOf(hash[2]!, found + 1)) >= 0 && found - 2 <= last;) {
    const at = found - 2;
    const stamp = view.getUint32(at + HASH_BYTES);
    if (periodOf(stamp >>> 1) === period && hash.every((byte, nth) => records[at + nth] === byte)) {
      yield { day: stamp >>> 1, signed: (stamp & 1) === 1 };
    }
  }
}
