/** Passwords hashed with scrypt (RFC 7914), by the implementation in Deno's Node layer: our own would take seconds. */
import { encodeLatin1, timingSafeEqual } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { formatHash, type ScryptHash } from "../../lib/users.ts";

/** N = 16,384, r = 8, p = 1: 35 ms and 16 MB. */
const COST = { ln: 14, r: 8, p: 1 };
const [SALT_BYTES, HASH_BYTES] = [16, 32];

/** No password has this hash. */
export const DUMMY: ScryptHash = { ...COST, salt: new Uint8Array(SALT_BYTES), hash: new Uint8Array(HASH_BYTES) };

/** Returns whether this is the password; both are bytes in Latin-1. */
export async function matchesHash(password: string, { hash, ...parameters }: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await scrypt(password, parameters, hash.length), hash);
}

/** Returns the hash of a new password, as the file of logins contains it. */
export async function hashPassword(password: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  return formatHash({ ...COST, salt, hash: await scrypt(password, { ...COST, salt }, HASH_BYTES) });
}

async function scrypt(
  password: string,
  { ln, r, p, salt }: Omit<ScryptHash, "hash">,
  length: number,
): Promise<Uint8Array> {
  const { scrypt } = await import("node:crypto"); // takes 15 ms, so only when it is needed
  const options = { N: 2 ** ln, r, p, maxmem: 256 * 2 ** ln * r };
  // In a thread of its own, because submitd serves others meanwhile.
  const hashed = new Promise<Uint8Array>((resolve, reject) =>
    scrypt(encodeLatin1(password), salt, length, options, (error, hash) => {
      if (error) reject(error);
      else resolve(new Uint8Array(hash));
    })
  );
  return await hashed.catch((error) => {
    const memory = Math.ceil((128 * options.N * r) / 2 ** 20);
    throw new Fail("temporary", `The password cannot be hashed, which takes ${memory} MB: ${reason(error)}`, {
      cause: error,
    });
  });
}
