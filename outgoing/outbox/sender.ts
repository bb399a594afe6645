/** Signs the envelope sender of an outbox entry again, with the key that signs at the time of the attempt. */
import type { Address } from "../../lib/address.ts";
import { canonical } from "../../lib/address.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { type Identity, identityOf } from "../../lib/settings/identity.ts";
import { signingKey } from "../../lib/settings/keys.ts";
import type { Scheme } from "../../lib/settings/schema.ts";
import { signWith, weaker } from "../sender.ts";
import type { OutboxSender } from "./entry.ts";

/** An envelope sender, and why it is not signed as planned. */
export interface SignedSender {
  readonly sender: Address | null | undefined;
  readonly note?: string;
}

/**
 * Returns the envelope sender. Where it cannot be signed any more as planned, a weaker scheme is used, or else the
 * plain address, as in a new message.
 *
 * @param strongest the strongest scheme that the account accepts now; empty for no restriction
 */
export function signedSender(
  { address, scheme }: OutboxSender,
  identities: readonly Identity[],
  settings: Settings,
  now: Date,
  strongest: Scheme | "" = "",
): SignedSender {
  if (!address || scheme === "none" || scheme === "plain") return { sender: address };
  const limited = weaker(scheme, strongest);
  if (limited === "plain") return { sender: address, note: `the account accepts ${strongest} at most` };
  const identity = identityOf(identities, address);
  const plain = (note: string): SignedSender => ({ sender: address, note: `sent with the plain sender: ${note}` });
  if (identity === undefined) return plain(`${canonical(address)} is not an identity any more`);
  if (signingKey(identity.keys, now) === undefined) return plain(`no key of ${canonical(identity.address)} can sign`);
  const notes: string[] = [];
  const signed = signWith(limited, identity, { settings, now }, address, notes);
  if (signed === undefined) return plain(notes.join("; "));
  return notes.length === 0 ? { sender: signed.sender } : { sender: signed.sender, note: notes.join("; ") };
}
