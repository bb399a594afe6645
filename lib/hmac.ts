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
  const raw = typeof secret === "string" ? utf8(secret) : new Uint8Array(secret);
  if (raw.length === 0) throw new Fail("no-secret", "The secret is empty");
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(data)));
}

/** What the derived keys are for; a MAC of one is worth nothing to another. */
export type Purpose = "tag" | "proof" | "sent";

/**
 * MAC over fields with the key that the secret yields for this purpose.
 *
 * Each field goes in behind its length, so that no text of a stranger can
 * reach over a border: ("ab", "c") and ("a", "bc") have different MACs.
 */
export async function purposeMac(secret: Secret, purpose: Purpose, fields: string[]): Promise<Bytes> {
  const derived = await hmac("SHA-256", secret, utf8(`countersign/v1/${purpose}`));
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    const bytes = utf8(field);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    parts.push(length, bytes);
  }
  return await hmac("SHA-256", derived, concat(...parts));
}
