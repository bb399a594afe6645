/**
 * Which Message-IDs we sent: a file a day of 16-byte keyed hashes, appended to.
 * So receipts, vacation and calendar answers, which come from the null sender
 * and return no tag, can be known as answers.
 */
import { dayOf } from "../lib/day.ts";
import { purposeMac } from "../lib/hmac.ts";
import type { Identity } from "../lib/identity.ts";
import { bareMessageId } from "../lib/tag.ts";

/** Days for which an answer is known. */
const DAYS = 30;
const SIZE = 16;

/** Looks for Message-IDs. @returns the day on which one of them was sent */
export type SentView = (identity: Identity, messageIds: readonly string[]) => Promise<number | undefined>;

/** Remembers that this identity sent this message. */
export async function rememberSent(folder: string, identity: Identity, messageId: string, now: Date): Promise<void> {
  const hash = await hashOf(identity.keys[0]!.secret, messageId);
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  using file = Deno.openSync(`${folder}/${dayOf(now)}`, { append: true, create: true, mode: 0o600 });
  file.writeSync(hash);
}

/** The index in this folder. */
export function sentIndex(folder: string, now: Date): SentView {
  return async (identity, messageIds) => {
    const wanted: Uint8Array[] = [];
    for (const { secret } of identity.keys) {
      for (const id of messageIds.slice(0, 20)) wanted.push(await hashOf(secret, id));
    }
    if (wanted.length === 0) return undefined;
    for (let day = dayOf(now); day > dayOf(now) - DAYS; day--) {
      const hashes = read(`${folder}/${day}`);
      if (wanted.some((hash) => holds(hashes, hash))) return day;
    }
    return undefined;
  };
}

/** Removes the files of days that are over. @returns how many */
export function cleanSent(folder: string, now: Date): number {
  let gone = 0;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      if (!/^\d+$/.test(name) || Number(name) > dayOf(now) - DAYS) continue;
      Deno.removeSync(`${folder}/${name}`);
      gone++;
    }
  } catch {
    // Nothing was sent yet, or another is cleaning.
  }
  return gone;
}

async function hashOf(secret: Uint8Array, messageId: string): Promise<Uint8Array<ArrayBuffer>> {
  return (await purposeMac(secret, "sent", [bareMessageId(messageId)])).subarray(0, SIZE);
}

function read(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch {
    return new Uint8Array();
  }
}

function holds(hashes: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = 0; at + SIZE <= hashes.length; at += SIZE) {
    let same = true;
    for (let i = 0; same && i < SIZE; i++) same = hashes[at + i] === wanted[i];
    if (same) return true;
  }
  return false;
}
