/**
 * Keyed hashes. They are synchronous, so that every decision is a pure function; because they are slow under
 * `--lite-mode`, the length of their input must be bounded.
 */
import { hmac as prepare } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, decodeLatin1, utf8 } from "./bytes.ts";
import { Fail } from "./fail.ts";

/** A secret: bytes, or text that is encoded as UTF-8. */
export type Secret = string | Uint8Array;

/** SRS and prvs require SHA-1; our own formats use SHA-256. */
export type HashName = "SHA-1" | "SHA-256";

const HASHES = { "SHA-1": sha1, "SHA-256": sha256 };

type Hmac = ReturnType<typeof prepare.create>;

/** A key that is prepared for many MACs. */
export class HmacKey {
  /** The state after hashing the padded key (RFC 2104 section 4), which is only copied. */
  readonly #keyed: Hmac;
  /** The state for hashing data, kept because creating one costs as much as a MAC. */
  #working: Hmac | undefined;

  /** @throws {Fail} `no-secret` for an empty secret, with which anybody could sign */
  constructor(hash: HashName, secret: Secret) {
    const key = typeof secret === "string" ? utf8(secret) : secret;
    if (key.length === 0) throw new Fail("no-secret", "The secret is empty");
    this.#keyed = prepare.create(HASHES[hash], key);
  }

  /** Computes the MAC (RFC 2104) of these bytes. */
  sign(data: Uint8Array): Bytes {
    const working = this.#keyed._cloneInto(this.#working) as Hmac;
    this.#working = working;
    return working.update(data).digest() as Bytes;
  }
}

/** The purpose of a derived key. A MAC for one purpose is not valid for another. */
export type Purpose = "tag" | "proof" | "sent" | "ledger" | "cookie";

/** Maximum number of cached keys of a kind. A program uses a few; a caller of the library may use any number. */
const MAX_KEYS = 64;
const prepared = new Map<HashName | Purpose, Map<string, HmacKey>>();

/**
 * Computes an HMAC (RFC 2104).
 *
 * @throws {Fail} `no-secret` for an empty secret
 */
export function hmac(hash: HashName, secret: Secret, data: Uint8Array): Bytes {
  return keyOf(hash, secret, () => new HmacKey(hash, secret)).sign(data);
}

function keyOf(kind: HashName | Purpose, secret: Secret, make: () => HmacKey): HmacKey {
  // The cache compares by value, because a caller may change the bytes of a secret.
  const name = typeof secret === "string" ? `text ${secret}` : `bytes ${decodeLatin1(secret)}`;
  const keys = prepared.get(kind) ?? new Map<string, HmacKey>();
  prepared.set(kind, keys);
  const found = keys.get(name);
  if (found !== undefined) return found;
  const key = make();
  if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value!); // the oldest
  keys.set(name, key);
  return key;
}

/** Derives the key for a purpose from a secret. */
export function purposeKey(secret: Secret, purpose: Purpose): HmacKey {
  return keyOf(purpose, secret, () => {
    return new HmacKey("SHA-256", hmac("SHA-256", secret, utf8(`countersign/v1/${purpose}`)));
  });
}

/** Computes {@link fieldsMac} with the key that is derived for this purpose. */
export function purposeMac(secret: Secret, purpose: Purpose, fields: readonly string[]): Bytes {
  return fieldsMac(purposeKey(secret, purpose), fields);
}

/**
 * Computes the MAC of several fields.
 *
 * Each field is preceded by its length, so that text cannot be moved from one
 * field to the next: ("ab", "c") and ("a", "bc") have different MACs.
 */
export function fieldsMac(key: HmacKey, fields: readonly string[]): Bytes {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    const bytes = utf8(field);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    parts.push(length, bytes);
  }
  return key.sign(concat(...parts));
}
