/** Finds a secret that two identities share. Each would then sign for the other, and recipients could link them. */
import { Fail } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import type { Key } from "../lib/settings/keys.ts";

/**
 * Returns two identities with the same secret; undefined if there are none. Only commands that check a configuration
 * call it, because shim and hook read the key files of one user only. Key files that cannot be read are ignored.
 */
export function sharedSecret(identities: readonly Identity[]): [string, string] | undefined {
  const owners = new Map<string, string>();
  for (const identity of identities) {
    const name = canonicalAddress(identity);
    for (const { secret } of readable(identity)) {
      const owner = owners.get(secret.toHex()) ?? name;
      if (owner !== name) return [owner, name];
      owners.set(secret.toHex(), name);
    }
  }
  return undefined;
}

function readable(identity: Identity): readonly Key[] {
  try {
    return identity.keys;
  } catch (error) {
    if (error instanceof Fail) return [];
    throw error;
  }
}
