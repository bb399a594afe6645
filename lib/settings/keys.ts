/**
 * Key files, with one key per line: `id created secret`.
 *
 *     # made on the laptop
 *     k1 2026-11-20 base64:q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=
 *
 * The newest key signs, for 720 days. Keys under 900 days verify, because SRS time stamps repeat after 1024 days and
 * those of prvs after 1000. A signature that appears to be 900 days old or more is therefore dated in the future.
 */
import { type Bytes, fromBase64, utf8 } from "../bytes.ts";
import { dayOf, parseDay, printDay } from "../date.ts";
import { Fail, quote } from "../fail.ts";

/** A key. */
export interface Key {
  /** 1 to 8 characters of `a-z0-9`. If the last one is a digit, it is the key digit of prvs, which is 0 otherwise. */
  readonly id: string;
  /** The day of creation, in days since 1970-01-01. */
  readonly created: number;
  readonly secret: Bytes;
}

/**
 * Number of days for which a key signs. It verifies for longer, so that bounces of the last messages are recognized.
 */
export const KEY_SIGNING_DAYS = 720;
/** Number of days for which a key verifies. */
export const KEY_LIFETIME_DAYS = 900;
/** Age in days from which `doctor` and the log recommend a new key. */
export const KEY_WARNING_DAYS = 690;
/** Minimum length of a secret for signing, in bytes. A shorter one could be guessed, so it is only used to verify. */
export const MIN_SECRET_BYTES = 16;

/**
 * Parses a key file.
 *
 * @param name the name of the file, for errors, which never contain a secret
 * @returns the keys, newest first; for the same day, the later line first
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

/** Returns the keys that verify on this day. A key may be dated one day ahead, in case the clock is slow. */
export function validKeys(keys: readonly Key[], now: Date): Key[] {
  return keys.filter((key) => ageOf(key, now) < KEY_LIFETIME_DAYS && !isAhead(key, now));
}

/**
 * Returns the key that signs on this day: the newest one under 720 days with a secret of at least 16 bytes. A key dated
 * tomorrow only signs if there is no other, because it does not verify yet on a host whose clock is slower.
 */
export function signingKey(keys: readonly Key[], now: Date): Key | undefined {
  const able = validKeys(keys, now).filter((key) =>
    ageOf(key, now) < KEY_SIGNING_DAYS && key.secret.length >= MIN_SECRET_BYTES
  );
  return able.find((key) => ageOf(key, now) >= 0) ?? able[0];
}

/**
 * Returns why no key verifies: `future` when at least one is dated in the future (the clock may be wrong), `expired`
 * when all are too old; undefined when a key verifies, and when there are no keys.
 */
export function noValidKey(keys: readonly Key[], now: Date): "future" | "expired" | undefined {
  if (keys.length === 0 || validKeys(keys, now).length > 0) return undefined;
  return keys.some((key) => isAhead(key, now)) ? "future" : "expired";
}

/** Returns why none of these keys can sign, as the end of a sentence; undefined when one can. */
export function noSigningKey(keys: readonly Key[], now: Date): string | undefined {
  if (signingKey(keys, now) !== undefined) return undefined;
  const young = validKeys(keys, now).filter((key) => ageOf(key, now) < KEY_SIGNING_DAYS);
  if (young.length > 0) return `its secret has fewer than ${MIN_SECRET_BYTES} bytes`;
  if (keys.some((key) => isAhead(key, now))) return "it is dated in the future";
  return `it is older than ${KEY_SIGNING_DAYS} days`;
}

/** Returns a warning for the log when no key can sign or the signing key will soon stop; undefined otherwise. */
export function keyWarning(keys: readonly Key[], now: Date): string | undefined {
  const key = signingKey(keys, now);
  if (key === undefined) return `no key can sign: ${noSigningKey(keys, now)}`;
  if (ageOf(key, now) < KEY_WARNING_DAYS) return undefined;
  return `key ${key.id} stops signing on ${printDay(key.created + KEY_SIGNING_DAYS)}`;
}

const ageOf = (key: Key, now: Date): number => dayOf(now) - key.created;
const isAhead = (key: Key, now: Date): boolean => ageOf(key, now) < -1;

/** Returns the prvs key digit of a key. */
export function keyDigit(key: Key): number {
  return Number(/[0-9]$/.exec(key.id)?.[0] ?? 0);
}

/** Returns the secrets by key id, as `verifyTag` expects them. */
export function secretsById(keys: readonly Key[]): Record<string, Bytes> {
  return Object.fromEntries(keys.map((key) => [key.id, key.secret]));
}

/** Returns the secrets by prvs key digit, as `prvsVerify` expects them. */
export function secretsByDigit(keys: readonly Key[]): Record<number, Bytes[]> {
  const out: Record<number, Bytes[]> = {};
  for (const key of keys) (out[keyDigit(key)] ??= []).push(key.secret);
  return out;
}

function decode(text: string): Bytes | undefined {
  if (!text.startsWith("base64:")) return utf8(text);
  try {
    const bytes = fromBase64(text.slice(7).trim());
    return bytes.length === 0 ? undefined : bytes;
  } catch {
    return undefined;
  }
}
