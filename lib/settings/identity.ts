/** An address of one's own, with the keys that sign for it and for no other. */
import { type Address, canonical } from "../address.ts";
import { glob } from "../glob.ts";
import type { Key } from "./keys.ts";

/** One of the user's addresses. */
export interface Identity {
  readonly address: Address;
  /** Patterns of further addresses that belong to it, lower case: `greg+*@example.org`. */
  readonly also?: readonly string[];
  /** The domain of its SRS addresses, lower case; empty when it has none. */
  readonly srsDomain: string;
  /** The logins (SASL) of those who may send with it. */
  readonly logins?: readonly string[];
  /** Newest first; never empty. Read when first asked for, which throws `Fail` when the file cannot be read. */
  readonly keys: readonly Key[];
  /** The user to whom it belongs where one program serves several users; undefined where there is only one. */
  readonly user?: string;
}

/** The identity to which this address belongs, case ignored: one's own address first, then the patterns in `also`. */
export function identityOf(identities: readonly Identity[], address: Address | string): Identity | undefined {
  const wanted = withoutNeedlessQuotes(typeof address === "string" ? address.toLowerCase() : canonical(address));
  return identities.find((identity) => canonical(identity.address) === wanted) ??
    identities.find(({ also = [] }) => also.some((pattern) => glob(pattern, wanted)));
}

/** `"greg"@example.org` and `greg@example.org` are one mailbox (RFC 5321 section 4.1.2). */
function withoutNeedlessQuotes(address: string): string {
  return address.replace(/^"([\w!#$%&'*+/=?^`{|}~.-]+)"(?=@[^@]*$)/, "$1");
}

/** The address of an identity in lower case: what its tags and proofs name. */
export function canonicalAddress(identity: Identity): string {
  return canonical(identity.address);
}

/** Do both belong to the same user? Then what one signed may come back to the other. */
export function sameUser(a: Identity, b: Identity): boolean {
  return a === b || a.user === b.user;
}
