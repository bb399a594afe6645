/**
 * The Sender Rewriting Scheme, fully compatible with Mail::SRS (Guarded).
 *
 * There is no RFC. SRS is described in M. Wong, "The Sender Rewriting Scheme",
 * 2003; where implementations differ, this one follows Mail::SRS 0.31
 * (tests/vectors/srs.json).
 */
import { base64, lower, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { hmac, type Secret } from "./hmac.ts";

/** Options of {@link srsForward} and {@link srsReverse}. The defaults are those of Mail::SRS. */
export interface SrsOptions {
  /** The secrets. The first one signs; all of them verify. */
  secrets: readonly Secret[];
  /** Number of hash characters to write, 1 to 28 (28 gives 27, as in Mail::SRS). Default 4. */
  hashLength?: number;
  /** Minimum number of hash characters when reading. Default `hashLength`. */
  hashMin?: number;
  /** Number of days for which an address is valid. Default 21. */
  maxAge?: number;
  /** The character to write after `SRS0` and `SRS1`; all three are accepted when reading. Default `=`. */
  separator?: "=" | "+" | "-";
  /** The alphabet of the hash: `base64` uses `+/` only; `base64url` writes `-_` and reads both. Default `base64`. */
  alphabet?: "base64" | "base64url";
  /** Number of days by which a time stamp may be in the future. Default 0. */
  skew?: number;
  /** The current time. */
  now: Date;
}

/** The contents of an SRS address whose hash was verified, but not its age. */
export interface SrsOpened {
  /** The address inside, as it arrived. */
  readonly address: string;
  /** Days since the time stamp, 0 to 1023; undefined for SRS1, which has none, and for an invalid time stamp. */
  readonly age: number | undefined;
}

const STAMP = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** Number of days after which time stamps repeat. */
export const STAMP_CYCLE = 1024;

/**
 * Rewrites a sender to an SRS address, so that bounces are sent to the SRS domain.
 *
 * An SRS0 sender becomes SRS1, and SRS1 remains SRS1 with a new hash, so that
 * an address never contains more than two hops.
 *
 * @param sender the address to rewrite
 * @param alias the SRS domain, or an address in it
 * @returns the SRS address; the sender itself when it is already in the SRS domain
 * @throws {Fail} `no-at` when the sender has no domain, `at-in-user` when its local part contains an `@`,
 *   `no-secret`, `option-invalid`
 *
 * @example
 * ```ts
 * import { srsForward } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const signed = srsForward("greg@example.org", "srs.example.org", {
 *   secrets: ["tick-tock-secret"],
 *   now: new Date("2023-11-14"),
 * });
 * assert.match(signed, /^SRS0=[A-Za-z0-9+/]{4}=G3=example\.org=greg@srs\.example\.org$/);
 * ```
 */
export function srsForward(sender: string, alias: string, options: SrsOptions): string {
  check(options);
  const [user, host] = split(sender);
  if (user.includes("@")) {
    throw new Fail("at-in-user", `Sender ${quote(sender)} has an @ in its local part`);
  }
  const domain = alias.slice(alias.lastIndexOf("@") + 1);
  if (lower(host) === lower(domain)) return sender;

  const write = (tag: string, hashed: string[], shown: string) => {
    const hash = digest(options.secrets[0]!, hashed).slice(0, options.hashLength ?? 4);
    const text = options.alphabet === "base64url" ? hash.replaceAll("+", "-").replaceAll("/", "_") : hash;
    return `${tag}${options.separator ?? "="}${text}=${shown}@${domain}`;
  };
  if (/^SRS1[-+=]/i.test(user)) {
    const [, first, rest = ""] = fields(user.slice(5), 3);
    return write("SRS1", [first, rest], `${first}=${rest}`);
  }
  if (/^SRS0[-+=]/i.test(user)) {
    const rest = user.slice(4);
    return write("SRS1", [host, rest], `${host}=${rest}`);
  }
  const day = dayOf(options.now);
  const stamp = STAMP[(day >> 5) & 31]! + STAMP[day & 31]!;
  return write("SRS0", [stamp, host, user], `${stamp}=${host}=${user}`);
}

/**
 * Verifies an SRS address and returns the address inside: for SRS0 the original
 * sender, for SRS1 the SRS0 address of the first hop.
 *
 * All hash characters of the address must match, ignoring case; all secrets are
 * tried. The domain of the address is not checked.
 *
 * @param address the SRS address
 * @returns the address inside, in the case in which it arrived
 * @throws {Fail} `no-at`, `not-srs`, `hash-invalid`, `stamp-expired`, `no-secret`, `option-invalid`
 *
 * @example
 * ```ts
 * import { srsForward, srsReverse } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const secrets = ["tick-tock-secret"];
 * const now = new Date();
 * const signed = srsForward("greg@example.org", "srs.example.org", { secrets, now });
 * assert.equal(srsReverse(signed, { secrets, now }), "greg@example.org");
 * assert.throws(() => srsReverse(signed, { secrets: ["another"], now }), { kind: "hash-invalid" });
 * ```
 */
export function srsReverse(address: string, options: SrsOptions): string {
  const opened = srsOpen(address, options);
  const maxAge = options.maxAge ?? 21;
  if (/^SRS1/i.test(address) || (opened.age !== undefined && inTime(opened.age, maxAge, options.skew ?? 0))) {
    return opened.address;
  }
  const why = opened.age === undefined ? "has a bad time stamp" : `is ${opened.age} days old, more than ${maxAge}`;
  throw new Fail("stamp-expired", `SRS address ${quote(address)} ${why}`);
}

/** Returns whether a time stamp of this age (0 to 1023, cyclic) is valid. A time stamp from tomorrow has age 1023. */
export function inTime(age: number, maxAge: number, skew: number): boolean {
  return age <= maxAge || age >= STAMP_CYCLE - skew;
}

/** Like {@link srsReverse}, but returns the age instead of checking it. */
export function srsOpen(address: string, options: SrsOptions): SrsOpened {
  check(options);
  const [user] = split(address);
  const tag = /^SRS([01])[-+=]/i.exec(user)?.[1];
  if (tag === undefined) throw new Fail("not-srs", `Address ${quote(address)} is not an SRS address`);
  if (tag === "1") {
    const [hash, host, rest = ""] = fields(user.slice(5), 3);
    verify(address, hash, [host, rest], options);
    return { address: `SRS0${rest}@${host}`, age: undefined };
  }
  const [hash, stamp, host = "", local = ""] = fields(user.slice(5), 4);
  verify(address, hash, [stamp, host, local], options);
  return { address: `${local}@${host}`, age: stampAge(stamp, options.now) };
}

function stampAge(stamp: string, now: Date): number | undefined {
  if (!/^[A-Za-z2-7]{2}$/.test(stamp)) return undefined;
  const [high, low] = [...stamp.toUpperCase()].map((c) => STAMP.indexOf(c));
  const day = dayOf(now) % STAMP_CYCLE;
  return (day - (high! * 32 + low!) + STAMP_CYCLE) % STAMP_CYCLE;
}

function verify(address: string, given: string, hashed: string[], options: SrsOptions): void {
  const hash = options.alphabet === "base64url" ? given.replaceAll("-", "+").replaceAll("_", "/") : given;
  let matches = false;
  if (hash.length >= (options.hashMin ?? options.hashLength ?? 4)) {
    for (const secret of options.secrets) {
      const whole = digest(secret, hashed);
      // Every secret is compared, even after a match and for a hash of the wrong length.
      matches = timingSafeEqual(utf8(lower(whole.slice(0, hash.length))), utf8(lower(hash))) || matches;
    }
  }
  if (!matches) throw new Fail("hash-invalid", `SRS address ${quote(address)} has a wrong hash`);
}

/** Returns 27 characters of base64: HMAC-SHA-1 over the concatenated fields in lower case. */
function digest(secret: Secret, fields: string[]): string {
  const mac = hmac("SHA-1", secret, utf8(lower(fields.join(""))));
  return base64(mac).slice(0, -1); // without the padding
}

function split(address: string): [user: string, host: string] {
  const at = address.lastIndexOf("@");
  if (at < 0 || at === address.length - 1) {
    throw new Fail("no-at", `Address ${quote(address)} has no @ followed by a domain`);
  }
  return [address.slice(0, at), address.slice(at + 1)];
}

/** Splits a text into two to `count` fields; the last one contains the rest. */
function fields(text: string, count: number): [string, ...string[], string] {
  const [first, ...parts] = text.split("=") as [string, ...string[]];
  return [first, ...parts.slice(0, count - 2), parts.slice(count - 2).join("=")];
}

function check(options: SrsOptions): void {
  if (options.secrets.length === 0) throw new Fail("no-secret", "No secret is given");
  const whole = (name: "hashLength" | "hashMin" | "maxAge" | "skew", low: number, high: number) => {
    const value = options[name];
    if (value !== undefined && (!Number.isInteger(value) || value < low || value > high)) {
      throw new Fail("option-invalid", `Option ${name} is ${value}, not a whole number from ${low} to ${high}`);
    }
  };
  whole("hashLength", 1, 28);
  whole("hashMin", 1, 28);
  whole("maxAge", 0, STAMP_CYCLE - 1);
  whole("skew", 0, 30);
}
