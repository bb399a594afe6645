/**
 * Encrypts the bodies of ledger entries, so that only the holder of a key can read them or change them undetected. This
 * uses AES-256-GCM of Web Crypto, because a body may have 64 KB.
 */
import type { Address } from "../../lib/address.ts";
import { type Bytes, concat, decodeLatin1 } from "../../lib/bytes.ts";
import { type Entry, makeEntry, type Outgoing } from "../../lib/entry.ts";
import { purposeMac, type Secret } from "../../lib/hmac.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { validKeys } from "../../lib/settings/keys.ts";

/** Octets of the nonce in front of the ciphertext (NIST SP 800-38D section 8.2.2: random, 96 bits). */
const NONCE_BYTES = 12;

/** Returns the entry for a message to this list, with its body sealed; undefined if there is no signing key. */
export async function sealedEntry(list: Address, message: Outgoing, now: Date): Promise<Entry | undefined> {
  const draft = makeEntry(list, message, now);
  if (draft === undefined) return undefined;
  const { key, text, whole } = draft.body;
  return { ...draft, body: { key: key.id, sealed: await seal(key.secret, text), whole } };
}

/** Returns the remembered body; undefined if no valid key decrypts it. */
export async function openBody({ body }: Entry, { keys }: Identity, now: Date): Promise<string | undefined> {
  const key = validKeys(keys, now).find(({ id }) => id === body.key);
  const text = key && await unseal(key.secret, body.sealed);
  return text && decodeLatin1(text);
}

/** Encrypts with a key derived from this secret. @returns nonce and ciphertext in base64 */
export async function seal(secret: Secret, plain: Uint8Array): Promise<string> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const key = await sealingKey(secret, "encrypt");
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, new Uint8Array(plain));
  return concat(nonce, new Uint8Array(sealed)).toBase64();
}

/** Decrypts. @returns undefined if the text was sealed with another key or has been changed */
export async function unseal(secret: Secret, sealed: string): Promise<Bytes | undefined> {
  const key = await sealingKey(secret, "decrypt");
  try {
    const bytes = Uint8Array.fromBase64(sealed);
    const iv = bytes.subarray(0, NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, bytes.subarray(NONCE_BYTES)));
  } catch {
    return undefined;
  }
}

async function sealingKey(secret: Secret, usage: KeyUsage): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", purposeMac(secret, "ledger", []), "AES-GCM", false, [usage]);
}
