/** The keys of forwarded mail, which must not be those of an identity. */
import { timingSafeEqual } from "../bytes.ts";
import { Fail } from "../fail.ts";
import { canonicalAddress, type Identity } from "./identity.ts";
import type { Key } from "./keys.ts";

/** Returns the identity that has one of these secrets, and the id of the key there; undefined if none has. */
export function sharedSecret(
  keys: readonly Pick<Key, "secret">[],
  identities: readonly Identity[],
): { readonly identity: Identity; readonly id: string } | undefined {
  for (const identity of identities) {
    const same = identity.keys.find(({ secret }) => keys.some((one) => timingSafeEqual(one.secret, secret)));
    if (same !== undefined) return { identity, id: same.id };
  }
  return undefined;
}

/**
 * Checks that no secret for forwarding is also one of an identity. Anybody can have an address of their choice
 * rewritten, so with a shared secret a stranger could obtain a signed address of an identity.
 *
 * @throws {Fail} `config`
 */
export function checkSeparate(
  keys: readonly Key[],
  identities: readonly Identity[],
  { forwarding }: { readonly forwarding: { readonly keys: string } },
): void {
  const shared = sharedSecret(keys, identities);
  if (shared === undefined) return;
  const what = `A secret for forwarding is also key ${shared.id} of ${canonicalAddress(shared.identity)}`;
  throw new Fail("config", what, {
    file: forwarding.keys,
    fix: "countersign keys new --forwarding, and remove the other",
  });
}
