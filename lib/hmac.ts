/** Keyed hashes, by Web Crypto (`node:crypto` alone would double the start of a process). */
import { type Bytes, concat, utf8 } from "./bytes.ts";
import { Fail } from "./fail.ts";

/** A secret: text (used as its UTF-8 bytes) or bytes. */
export type Secret = string | Uint8Array;

/** HMAC of RFC 2104. An empty secret is an error: it would sign for everybody. */
export async function hmac(
  hash: "SHA-1" | "SHA-256",
  secret: Secret,
  data: Uint8Array,
): Promise<Bytes> {
  return await sign(await importKey(hash, secret), data);
}

async function importKey(hash: "SHA-1" | "SHA-256", secret: Secret): Promise<CryptoKey> {
  const raw = typeof secret === "string" ? utf8(secret) : new Uint8Array(secret);
  if (raw.length === 0) throw new Fail("no-secret", "The secret is empty");
  return await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash }, false, ["sign"]);
}

async function sign(key: CryptoKey, data: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(data)));
}

/** What the derived keys are for; a MAC of one is worth nothing to another. */
export type Purpose = "tag" | "proof" | "sent" | "ledger";

/** The key that a secret yields for a purpose, prepared for many MACs. */
export async function purposeKey(secret: Secret, purpose: Purpose): Promise<CryptoKey> {
  return await importKey("SHA-256", await hmac("SHA-256", secret, utf8(`countersign/v1/${purpose}`)));
}

/** {@link fieldsMac} with the key that the secret yields for this purpose. */
export async function purposeMac(secret: Secret, purpose: Purpose, fields: string[]): Promise<Bytes> {
  return await fieldsMac(await purposeKey(secret, purpose), fields);
}

/**
 * MAC over fields.
 *
 * Each field goes in behind its length, so that no text of a stranger can
 * reach over a border: ("ab", "c") and ("a", "bc") have different MACs.
 */
export async function fieldsMac(key: CryptoKey, fields: string[]): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    const bytes = utf8(field);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    parts.push(length, bytes);
  }
  return await sign(key, concat(...parts));
}
