/**
 * A key file: one key a line, `id created secret`.
 *
 *     # made on the laptop
 *     k1 2026-11-20 base64:q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=
 *
 * The newest key signs, for 720 days; all younger than 900 days verify (SRS stamps repeat after 1024 days, prvs
 * stamps after 1000). A signature that seems to be at least 900 days old was therefore made on a day that lies ahead.
 */
import { type Bytes, utf8 } from "../bytes.ts";
import { dayOf, parseDay, printDay } from "../date.ts";
import { Fail, quote } from "../fail.ts";

/** One key. */
export interface Key {
  /** 1 to 8 of `a-z0-9`; its last digit, or 0, is the key digit of prvs. */
  readonly id: string;
  /** The day of creation, since 1970-01-01. */
  readonly created: number;
  readonly secret: Bytes;
}

/** Days for which a key signs. What it signs on its last day must still verify when its bounce comes back. */
export const KEY_SIGNING_DAYS = 720;
/** Days for which a key verifies. */
export const KEY_LIFETIME_DAYS = 900;
/** Age in days from which `doctor` and the log ask for a new key. */
export const KEY_WARNING_DAYS = 690;
/** Octets that a secret needs to sign; a shorter one could be guessed, so it only verifies. */
export const MIN_SECRET_BYTES = 16;

/**
 * Reads a key file.
 *
 * @param name the file, for messages; a secret is never in one
 * @returns the keys, newest first; of one day, the later line first
 * @throws {Fail} `config` with file and line
 */
export function parseKeys(text: string, name: string): Key[] {
  const keys: Key[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const wrong = (what: string) => new Fail("config", what, { file: name, line: index + 1 });
    if (line.trim() === "" || line.startsWith("#")) continue;
    const parts = /^(\S+)[ \t]+(\S+)[ \t]+(\S.*)$/.exec(line);
    if (parts === null) throw wrong("Key is not written as: id created secret");
    const [, id, created, secret] = parts as unknown as [string, string, string, string];
    if (!/^[a-z0-9]{1,8}$/.test(id)) throw wrong("Key id is not 1 to 8 characters of a-z and 0-9");
    if (keys.some((key) => key.id === id)) throw wrong(`Key id ${quote(id)} is used twice`);
    const [day, bytes] = [parseDay(created), decode(secret)];
    if (day === undefined || bytes === undefined) {
      throw wrong(`Key ${quote(id)} needs a date such as 2026-11-20 and a secret that is not empty`);
    }
    keys.unshift({ id, created: day, secret: bytes });
  }
  if (keys.length === 0) {
    throw new Fail("config", "Key file contains no key", { file: name, fix: "countersign keys new" });
  }
  return keys.sort((a, b) => b.created - a.created);
}

/** The keys that verify on this day. A clock may be a day behind; a key dated further ahead does not count. */
export function validKeys(keys: readonly Key[], now: Date): Key[] {
  return keys.filter((key) => ageOf(key, now) < KEY_LIFETIME_DAYS && !isAhead(key, now));
}

/** The key that signs on this day: the newest one under 720 days with a secret of at least 16 octets. */
export function signingKey(keys: readonly Key[], now: Date): Key | undefined {
  return validKeys(keys, now).find((key) =>
    ageOf(key, now) < KEY_SIGNING_DAYS && key.secret.length >= MIN_SECRET_BYTES
  );
}

/**
 * Why no key verifies: `future` when at least one is dated ahead (the clock of this machine may be wrong, so nothing
 * can be judged), `expired` when all are too old; undefined when a key verifies, and where there are no keys at all.
 */
export function noValidKey(keys: readonly Key[], now: Date): "future" | "expired" | undefined {
  if (keys.length === 0 || validKeys(keys, now).length > 0) return undefined;
  return keys.some((key) => isAhead(key, now)) ? "future" : "expired";
}

/** Why none of these keys can sign, as the end of a sentence; undefined when one can. */
export function noSigningKey(keys: readonly Key[], now: Date): string | undefined {
  if (signingKey(keys, now) !== undefined) return undefined;
  const young = validKeys(keys, now).filter((key) => ageOf(key, now) < KEY_SIGNING_DAYS);
  if (young.length > 0) return `its secret has fewer than ${MIN_SECRET_BYTES} bytes`;
  if (keys.some((key) => isAhead(key, now))) return "it is dated in the future";
  return `it is older than ${KEY_SIGNING_DAYS} days`;
}

/** What the log says about the keys of an identity: none can sign, or the one that does will soon stop. */
export function keyWarning(keys: readonly Key[], now: Date): string | undefined {
  const key = signingKey(keys, now);
  if (key === undefined) return `no key can sign: ${noSigningKey(keys, now)}`;
  if (ageOf(key, now) < KEY_WARNING_DAYS) return undefined;
  return `key ${key.id} stops signing on ${printDay(key.created + KEY_SIGNING_DAYS)}`;
}

const ageOf = (key: Key, now: Date): number => dayOf(now) - key.created;
const isAhead = (key: Key, now: Date): boolean => ageOf(key, now) < -1;

/** The key digit of prvs that a key signs with. */
export function keyDigit(key: Key): number {
  return Number(/[0-9]$/.exec(key.id)?.[0] ?? 0);
}

/** The secrets of keys by prvs digit, as prvsVerify takes them. */
export function secretsByDigit(keys: readonly Key[]): Record<number, Bytes[]> {
  const out: Record<number, Bytes[]> = {};
  for (const key of keys) (out[keyDigit(key)] ??= []).push(key.secret);
  return out;
}

function decode(text: string): Bytes | undefined {
  if (!text.startsWith("base64:")) return utf8(text);
  try {
    const bytes = Uint8Array.fromBase64(text.slice(7).trim());
    return bytes.length === 0 ? undefined : bytes;
  } catch {
    return undefined;
  }
}
