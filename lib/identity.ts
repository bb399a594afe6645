/** An address of one's own, with the keys that sign for it and for no other. */
import { type Address, canonical } from "./address.ts";
import type { Key } from "./keys.ts";

/** One of the user's addresses. */
export interface Identity {
  readonly address: Address;
  /** The domain of its SRS addresses, lower case; empty when it has none. */
  readonly srsDomain: string;
  /** Newest first; never empty. */
  readonly keys: readonly Key[];
}

/** The identity with this address, upper and lower case ignored. */
export function identityOf(identities: readonly Identity[], address: Address | string): Identity | undefined {
  const wanted = typeof address === "string" ? address.toLowerCase() : canonical(address);
  return identities.find((identity) => canonical(identity.address) === wanted);
}

/** The address of an identity in lower case: what its keys sign. */
export function identityName(identity: Identity): string {
  return canonical(identity.address);
}
