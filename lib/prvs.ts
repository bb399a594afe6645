/**
 * BATV private signatures (prvs), compatible with Exim and batv-tools:
 * J. Levine et al., draft-levine-smtp-batv-01.
 */
import { lower, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { hmac, type Secret } from "./hmac.ts";

/** Options of {@link prvsSign}. */
export interface PrvsSignOptions {
  /** The secret that belongs to the key number. */
  secret: Secret;
  /** The key digit, 0 to 9. Default 0. */
  keyNumber?: number;
  /** Number of days for which the address is valid, 1 to 999. Default 7. */
  lifetime?: number;
  /** Writes `local+prvs=…@domain` with this delimiter (`-` under qmail) instead of `prvs=…=local@domain`. */
  delimiter?: string;
  /** The current time. */
  now: Date;
}

/** Options of {@link prvsVerify}. */
export interface PrvsVerifyOptions {
  /** The secrets by key digit. All secrets of a digit are tried. */
  secrets: Readonly<Record<number, Secret | readonly Secret[]>>;
  /** Number of days for which an address is valid; must be the same as when signing. Default 7. */
  lifetime?: number;
  /** The current time. */
  now: Date;
}

/** The contents of a prvs address whose signature was verified, but not its age. */
export interface PrvsOpened {
  /** The address inside, as it was signed. */
  readonly address: string;
  /** Days since it was signed (day of expiry minus lifetime), 0 to 999. If it was signed tomorrow, its age is 999. */
  readonly age: number;
}

/** Number of days after which the day numbers of prvs repeat. */
const PRVS_CYCLE = 1000;

/**
 * Signs an address with the day on which it expires (draft-levine-smtp-batv-01).
 *
 * @param address the address, which is hashed unchanged, so the domain should be in lower case
 * @returns `prvs=KDDDSSSSSS=local@domain`, or the subaddress form
 * @throws {Fail} `no-at` when the address has no local part or no domain, `no-secret` when the secret is empty,
 *   `option-invalid`
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
 * Verifies a prvs address, in either form and with any delimiter, and returns the address inside.
 *
 * The signature may be in upper or lower case. Because some systems change the
 * case of an address, it is verified as it arrived, then with the domain in
 * lower case, then entirely in lower case. An address is valid from the day of
 * signing to the day of expiry (Exim does not check the day of signing).
 *
 * @param address the prvs address
 * @returns the address inside, as it was signed
 * @throws {Fail} `no-at`, `not-prvs`, `no-secret` when there is no secret for its key digit, `hash-invalid`,
 *   `stamp-expired`, `option-invalid`
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

/** The parts of the local part of a prvs address. */
interface Parts {
  readonly stamp: string;
  readonly hash: string;
  /** The local part that was signed. */
  readonly local: string;
}

/** Returns the parts of a prvs local part in either form, without verifying it; undefined for any other local part. */
export function prvsParts(local: string): Parts | undefined {
  return (FRONT.exec(local) ?? BEHIND.exec(local))?.groups as Parts | undefined;
}

/** Like {@link prvsVerify}, but returns the age instead of checking it. */
export function prvsOpen(address: string, options: PrvsVerifyOptions): PrvsOpened {
  const { lifetime = 7, now } = options;
  checkLifetime(lifetime);
  const [user, domain] = split(address);
  const parts = prvsParts(user);
  if (parts === undefined) throw new Fail("not-prvs", `Address ${quote(address)} is not a prvs address`);
  const { stamp, hash, local } = parts;

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
// The delimiter may be any character that cannot be part of a tag; the last match counts.
const BEHIND = new RegExp(`^(?<local>.+)[^A-Za-z0-9=]${TAG}$`, "is");

/** Returns the first three bytes of HMAC-SHA-1 over key digit, day and address, in hexadecimal. */
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
