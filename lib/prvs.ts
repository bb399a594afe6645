/**
 * BATV private signatures, as Exim writes them and as batv-tools reads them:
 * J. Levine et al., draft-levine-smtp-batv-01.
 */
import { lower, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { hmac, type Secret } from "./hmac.ts";

/** How a prvs address is written. */
export interface PrvsSignOptions {
  /** The secret of this key number. */
  secret: Secret;
  /** The key digit, 0 to 9. Default 0. */
  keyNumber?: number;
  /** Days that the address is good for, 1 to 999. Default 7. */
  lifetime?: number;
  /** Writes `local+prvs=…@domain` with this delimiter (`-` under qmail) instead of `prvs=…=local@domain`. */
  delimiter?: string;
  /** The time. */
  now: Date;
}

/** How a prvs address is read. */
export interface PrvsVerifyOptions {
  /** Secrets by key digit; several under one digit are all tried. */
  secrets: Record<number, Secret | Secret[]>;
  /** Days that an address is good for; must be the signer's. Default 7. */
  lifetime?: number;
  /** The time. */
  now: Date;
}

/** What a prvs address holds, its signature verified, its age not judged. */
export interface PrvsOpened {
  /** The address inside, in the spelling that was signed. */
  readonly address: string;
  /** Days since it was signed (the day of expiry less the lifetime), 0 to 999. One signed tomorrow is 999 days old. */
  readonly age: number;
}

/** Days after which the day numbers of prvs repeat. */
export const PRVS_CYCLE = 1000;

/**
 * Signs an address with the day on which it expires.
 *
 * @param address the address; nothing of it is changed before hashing, so give the domain in lower case
 * @returns `prvs=KDDDSSSSSS=local@domain`, or the sub-address form
 * @throws {Fail} `no-at`, `no-secret`, `option-invalid`
 *
 * @example
 * ```ts
 * import { prvsSign } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const now = new Date(1_700_000_000_000);
 * assert.equal(prvsSign("user@example.org", { secret: "secret", now }), "prvs=06823fd03c=user@example.org");
 * ```
 */
export function prvsSign(address: string, options: PrvsSignOptions): string {
  const { secret, keyNumber = 0, lifetime = 7, delimiter = "", now } = options;
  const [local, domain] = split(address);
  if (!Number.isInteger(keyNumber) || keyNumber < 0 || keyNumber > 9) {
    throw new Fail("option-invalid", `Option keyNumber is ${keyNumber}, not a single digit`);
  }
  checkLifetime(lifetime);
  const stamp = `${keyNumber}${String((dayOf(now) + lifetime) % PRVS_CYCLE).padStart(3, "0")}`;
  const tag = `prvs=${stamp}${digest(secret, stamp, address)}`;
  return delimiter === "" ? `${tag}=${local}@${domain}` : `${local}${delimiter}${tag}@${domain}`;
}

/**
 * Takes the address out of a prvs address, in either form and with any delimiter.
 *
 * The signature is read in any case; the address is tried as it arrived, then
 * with the domain in lower case, then all in lower case, since some systems
 * change it. The window is the right one: an address is good from the day of
 * signing to the day of expiry and not again (Exim's own check has no lower end).
 *
 * @param address the prvs address
 * @returns the address inside, in the spelling that was signed
 * @throws {Fail} `no-at`, `not-prvs`, `no-secret` (none for that key digit), `hash-invalid`, `stamp-expired`, `option-invalid`
 *
 * @example
 * ```ts
 * import { prvsVerify } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const now = new Date(1_700_000_000_000);
 * const secrets = { 0: "secret" };
 * assert.equal(prvsVerify("prvs=06823fd03c=user@example.org", { secrets, now }), "user@example.org");
 * assert.equal(prvsVerify("user-prvs=06823fd03c@example.org", { secrets, now }), "user@example.org");
 * ```
 */
export function prvsVerify(address: string, options: PrvsVerifyOptions): string {
  const opened = prvsOpen(address, options);
  if (opened.age > (options.lifetime ?? 7)) {
    throw new Fail("stamp-expired", `Prvs address ${quote(address)} is expired`);
  }
  return opened.address;
}

/** As {@link prvsVerify}, but returns the age instead of judging it. */
export function prvsOpen(address: string, options: PrvsVerifyOptions): PrvsOpened {
  const { lifetime = 7, now } = options;
  checkLifetime(lifetime);
  const [user, domain] = split(address);
  const parts = FRONT.exec(user) ?? BEHIND.exec(user);
  if (parts === null) throw new Fail("not-prvs", `Address ${quote(address)} is not a prvs address`);
  const { stamp, hash, local } = parts.groups as { stamp: string; hash: string; local: string };

  const secrets = [options.secrets[Number(stamp[0])] ?? []].flat();
  if (secrets.length === 0) {
    throw new Fail("no-secret", `No secret for key ${stamp[0]} of prvs address ${quote(address)}`);
  }
  const spelt = `${local}@${domain}`;
  const spellings = new Set([spelt, `${local}@${lower(domain)}`, lower(spelt)]);
  const given = utf8(lower(hash));
  let found: string | undefined;
  for (const spelling of spellings) {
    for (const secret of secrets) {
      if (timingSafeEqual(utf8(digest(secret, stamp, spelling)), given)) found ??= spelling;
    }
  }
  if (found === undefined) throw new Fail("hash-invalid", `Prvs address ${quote(address)} has a wrong signature`);
  const signed = Number(stamp.slice(1)) - lifetime;
  return { address: found, age: (dayOf(now) - signed + PRVS_CYCLE) % PRVS_CYCLE };
}

const TAG = "prvs=(?<stamp>[0-9]{4})(?<hash>[0-9a-f]{6})";
const FRONT = new RegExp(`^${TAG}=(?<local>.+)$`, "is");
// The delimiter is not given: one character that no tag can hold, the last such place counts.
const BEHIND = new RegExp(`^(?<local>.+)[^A-Za-z0-9=]${TAG}$`, "is");

/** The first three bytes of HMAC-SHA-1 over key digit, day and address, in hexadecimal. */
function digest(secret: Secret, stamp: string, address: string): string {
  const mac = hmac("SHA-1", secret, utf8(stamp + address));
  return Array.from(mac.subarray(0, 3), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function split(address: string): [local: string, domain: string] {
  const at = address.lastIndexOf("@");
  if (at < 1 || at === address.length - 1) {
    throw new Fail("no-at", `Address ${quote(address)} is not of the form local@domain`);
  }
  return [address.slice(0, at), address.slice(at + 1)];
}

function checkLifetime(lifetime: number): void {
  if (!Number.isInteger(lifetime) || lifetime < 1 || lifetime > 999) {
    throw new Fail("option-invalid", `Option lifetime is ${lifetime}, not a whole number from 1 to 999`);
  }
}
