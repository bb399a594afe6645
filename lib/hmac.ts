/**
 * Keyed hashes. They are synchronous, so that every decision is a plain function of its arguments; under
 * `--lite-mode` they are slow, so what is hashed here must have a bound.
 */
import { hmac as prepare } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, decodeLatin1, utf8 } from "./bytes.ts";
import { Fail } from "./fail.ts";

/** A secret: text (used as its UTF-8 bytes) or bytes. */
export type Secret = string | Uint8Array;

/** SHA-1 is what the formats of SRS and prvs require; our own formats use SHA-256. */
export type HashName = "SHA-1" | "SHA-256";

const HASHES = { "SHA-1": sha1, "SHA-256": sha256 };

type Hmac = ReturnType<typeof prepare.create>;

/** A key that is prepared for many MACs. */
export class HmacKey {
  /** The state after the padded key (RFC 2104 section 4); it is only copied. */
  readonly #keyed: Hmac;
  /** The state that takes the data, made once because making it costs as much as a MAC. */
  readonly #working: Hmac;

  /** @throws {Fail} `no-secret` for an empty secret: it would sign for everybody */
  constructor(hash: HashName, secret: Secret) {
    const key = typeof secret === "string" ? utf8(secret) : secret;
    if (key.length === 0) throw new Fail("no-secret", "The secret is empty");
    this.#keyed = prepare.create(HASHES[hash], key);
    this.#working = prepare.create(HASHES[hash], key);
  }

  /** The MAC of RFC 2104 over these bytes. */
  sign(data: Uint8Array): Bytes {
    return this.#keyed._cloneInto(this.#working).update(data).digest() as Bytes;
  }
}

/** Keys that are kept prepared. A program has a few; a caller of the library may have any number. */
const MAX_KEYS = 64;
const prepared: Record<HashName, Map<string, HmacKey>> = { "SHA-1": new Map(), "SHA-256": new Map() };

/**
 * HMAC of RFC 2104.
 *
 * @throws {Fail} `no-secret` for an empty secret
 */
export function hmac(hash: HashName, secret: Secret, data: Uint8Array): Bytes {
  return keyOf(hash, secret).sign(data);
}

function keyOf(hash: HashName, secret: Secret): HmacKey {
  // By value: after a caller has changed the bytes of a secret, it is another secret.
  const name = typeof secret === "string" ? `text ${secret}` : `bytes ${decodeLatin1(secret)}`;
  const keys = prepared[hash];
  const found = keys.get(name);
  if (found !== undefined) return found;
  const key = new HmacKey(hash, secret);
  if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value!); // the oldest
  keys.set(name, key);
  return key;
}

/** What derived keys are for; a MAC for one purpose is worth nothing for another. */
export type Purpose = "tag" | "proof" | "sent" | "ledger";

/** The key that a secret yields for a purpose. */
export function purposeKey(secret: Secret, purpose: Purpose): HmacKey {
  return keyOf("SHA-256", hmac("SHA-256", secret, utf8(`countersign/v1/${purpose}`)));
}

/** {@link fieldsMac} with the key that the secret yields for this purpose. */
export function purposeMac(secret: Secret, purpose: Purpose, fields: readonly string[]): Bytes {
  return fieldsMac(purposeKey(secret, purpose), fields);
}

/**
 * MAC over fields.
 *
 * Each field goes in after its length, so that no text of a stranger can
 * reach across a border: ("ab", "c") and ("a", "bc") have different MACs.
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
