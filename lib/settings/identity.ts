/** Identities: the user's addresses, each with its own keys. */
import { type Address, canonical } from "../address.ts";
import { glob } from "../glob.ts";
import type { Key } from "./keys.ts";

/** One of the user's addresses. */
export interface Identity {
  readonly address: Address;
  /** Patterns of further addresses that belong to it, in lower case, such as `greg+*@example.org`. */
  readonly also?: readonly string[];
  /** The domain of its SRS addresses, in lower case; empty when it has none. */
  readonly srsDomain: string;
  /** The logins (SASL) of those who may send with it. */
  readonly logins?: readonly string[];
  /** Whether the door rejects mail from the null sender to its plain address. */
  readonly refuseUnsigned?: boolean;
  /**
   * The keys, newest first; never empty. The file is read on first use, which throws `Fail` if that is not possible.
   */
  readonly keys: readonly Key[];
  /** The user to whom it belongs, if one program serves several users; undefined if there is only one. */
  readonly user?: string;
}

/** Returns the identity to which this address belongs, ignoring case: by its own address first, then by `also`. */
export function identityOf<I extends Pick<Identity, "address" | "also">>(
  identities: readonly I[],
  address: Address | string,
): I | undefined {
  const wanted = withoutNeedlessQuotes(typeof address === "string" ? address.toLowerCase() : canonical(address));
  return identities.find((identity) => canonical(identity.address) === wanted) ??
    identities.find(({ also = [] }) => also.some((pattern) => glob(pattern, wanted)));
}

/** `"greg"@example.org` and `greg@example.org` are one mailbox (RFC 5321 section 4.1.2). */
function withoutNeedlessQuotes(address: string): string {
  return address.replace(/^"([\w!#$%&'*+/=?^`{|}~.-]+)"(?=@[^@]*$)/, "$1");
}

/** Returns the address of an identity in lower case, as its tags and proofs contain it. */
export function canonicalAddress(identity: Identity): string {
  return canonical(identity.address);
}

/** Returns whether both belong to the same user, so that a message signed by one may be returned to the other. */
export function sameUser(a: Identity, b: Identity): boolean {
  return a === b || a.user === b.user;
}
