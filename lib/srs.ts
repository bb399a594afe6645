/**
 * The Sender Rewriting Scheme, bit for bit as Mail::SRS (Guarded) does it.
 *
 * There is no RFC. The paper is M. Wong, "The Sender Rewriting Scheme", 2003;
 * where engines differ, Mail::SRS 0.31 is followed (tests/vectors/srs.json).
 */
import { lower, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { hmac, type Secret } from "./hmac.ts";

/** How SRS addresses are written and read. The defaults are those of Mail::SRS. */
export interface SrsOptions {
  /** The first signs, all verify. */
  secrets: Secret[];
  /** Characters of hash written, 1 to 28 (28 gives 27, as in Mail::SRS). Default 4. */
  hashLength?: number;
  /** Fewest characters of hash read. Default `hashLength`. */
  hashMin?: number;
  /** Days that an address is good for. Default 21. */
  maxAge?: number;
  /** The character behind `SRS0` and `SRS1`; all three are read. Default `=`. */
  separator?: "=" | "+" | "-";
  /** Alphabet of the hash: `base64` reads and writes only `+/`; `base64url` writes `-_` and reads both. Default `base64`. */
  alphabet?: "base64" | "base64url";
  /** Days by which a stamp may lie in the future. Default 0. */
  skew?: number;
  /** The time. */
  now: Date;
}

/** What an SRS address holds, its hash proved right, its age not judged. */
export interface SrsOpened {
  /** The address inside, as it arrived. */
  readonly address: string;
  /** Days since the stamp, 0 to 1023; undefined for SRS1 (no stamp) and for a stamp that is none. */
  readonly age: number | undefined;
}

const STAMP = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** Days after which stamps come round again. */
export const STAMP_CYCLE = 1024;

/**
 * Rewrites a sender so that its bounces come to `alias`.
 *
 * A sender that is SRS0 already becomes SRS1, and SRS1 stays SRS1 with a new
 * hash: never more than two hops are kept.
 *
 * @param sender the address to be rewritten
 * @param alias the SRS domain, or an address in it
 * @returns the SRS address; the sender itself when it is in the SRS domain already
 * @throws {Fail} `no-at`, `at-in-user`, `no-secret`, `option-invalid`
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
 * Takes the sender out of an SRS address: SRS0 gives the original address,
 * SRS1 the SRS0 address of the first hop.
 *
 * Every character of hash that is given must be right, upper and lower case
 * ignored; all secrets are tried. The domain of the address is not looked at.
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
  const day = dayOf(options.now);
  const maxAge = options.maxAge ?? 21;
  if (/^SRS1/i.test(address) || (opened.age !== undefined && inTime(opened.age, maxAge, options.skew ?? 0))) {
    return opened.address;
  }
  const age = opened.age === undefined ? "has a bad time stamp" : `is ${opened.age} days old on day ${day}`;
  throw new Fail("stamp-expired", `SRS address ${quote(address)} ${age}; it is good for ${maxAge}`);
}

/** Is a stamp of this age (0 to 1023, wrapped) good? A stamp from tomorrow is 1023 days old. */
export function inTime(age: number, maxAge: number, skew: number): boolean {
  return age <= maxAge || age >= STAMP_CYCLE - skew;
}

/** As {@link srsReverse}, but tells the age instead of judging it. */
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
  let right = false;
  if (hash.length >= (options.hashMin ?? options.hashLength ?? 4)) {
    for (const secret of options.secrets) {
      const whole = digest(secret, hashed);
      // A hash longer than ours is compared with what it cannot equal; none is skipped, none ends the loop.
      right = timingSafeEqual(utf8(lower(whole.slice(0, hash.length))), utf8(lower(hash))) || right;
    }
  }
  if (!right) throw new Fail("hash-invalid", `SRS address ${quote(address)} has a wrong hash`);
}

/** 27 characters of base64: HMAC-SHA-1 over the lower-cased fields, which are simply joined. */
function digest(secret: Secret, fields: string[]): string {
  const mac = hmac("SHA-1", secret, utf8(lower(fields.join(""))));
  return btoa(String.fromCharCode(...mac)).slice(0, -1); // without the padding
}

function split(address: string): [user: string, host: string] {
  const at = address.lastIndexOf("@");
  if (at < 0 || at === address.length - 1) {
    throw new Fail("no-at", `Address ${quote(address)} has no @ with a domain behind it`);
  }
  return [address.slice(0, at), address.slice(at + 1)];
}

/** Two to `count` fields; what is over belongs to the last. */
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
