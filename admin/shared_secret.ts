/** Finds a secret that two identities share. Each would then sign for the other, and everybody could see it. */
import { Fail } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import type { Key } from "../lib/settings/keys.ts";

/**
 * Two identities with the same secret; undefined when there are none. A message opens the key files of one user at
 * most, so this is asked only when a configuration is checked. Key files that cannot be read are left out.
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
