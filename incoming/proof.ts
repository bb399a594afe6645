/**
 * The proof on a bounce that a hook forwards: `X-Countersign: v1.<key>.<expiry>.<mac>`.
 *
 * A fixed envelope sender (MAILER-DAEMON@…) would not do, because anybody could
 * use it. The MAC covers the recipient and the fields that identify the bounce,
 * so that the next hook does not have to trust anything else.
 */
import { canonical, parseAddressList } from "../lib/address.ts";
import { base32, timingSafeEqual, utf8 } from "../lib/bytes.ts";
import { dayOf } from "../lib/date.ts";
import { purposeMac } from "../lib/hmac.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { validKeys } from "../lib/settings/keys.ts";
import { type Header, value, values } from "../lib/message.ts";

/** The name of the header field, which also contains the result that a hook writes. */
export const PROOF_FIELD = "X-Countersign";

/** Number of days for which a proof is valid: twice the longest usual queue lifetime. */
const LIFETIME = 10;
/** Number of characters of a field that the MAC covers: enough to distinguish bounces. */
const MAX_FIELD_LENGTH = 1024;
const FORM = /^v1\.([a-z0-9]{1,8})\.([0-9]{1,6})\.([a-z2-7]{26})$/;

/** Returns the proof for a bounce that is forwarded to this identity; undefined when no key is valid. */
export function makeProof(identity: Identity, header: Header, now: Date): string | undefined {
  // Only our own next hook verifies it, within days, so a key that no longer signs mail can be used.
  const [key] = validKeys(identity.keys, now);
  if (key === undefined) return undefined;
  const expiry = String(dayOf(now) + LIFETIME);
  return `v1.${key.id}.${expiry}.${mac(key.secret, identity, header, expiry)}`;
}

/** Returns whether the header contains a valid, unexpired proof for this identity. */
export function hasProof(identity: Identity, header: Header, now: Date): boolean {
  const keys = validKeys(identity.keys, now);
  for (const given of values(header, PROOF_FIELD).slice(0, 4)) {
    const parts = FORM.exec(given);
    if (parts === null) continue;
    const [, id, expiry, text] = parts as unknown as [string, string, string, string];
    const key = keys.find((one) => one.id === id);
    if (key === undefined || dayOf(now) > Number(expiry)) continue;
    if (timingSafeEqual(utf8(mac(key.secret, identity, header, expiry)), utf8(text))) return true;
  }
  return false;
}

function mac(secret: Uint8Array, identity: Identity, header: Header, expiry: string): string {
  const plain = (name: string) => (value(header, name) ?? "").slice(0, MAX_FIELD_LENGTH).replace(/\s+/g, " ");
  const fields = [
    canonicalAddress(identity),
    expiry,
    plain("Message-ID"),
    plain("Date"),
    author(plain("From")),
    plain("Subject"),
  ];
  return base32(purposeMac(secret, "proof", fields).subarray(0, 16));
}

/** The address in From. MTAs on the way may rewrite the rest of the field (qmail-inject does). */
function author(from: string): string {
  try {
    const [mailbox] = parseAddressList(from, { bare: true });
    if (mailbox?.address) return canonical(mailbox.address);
  } catch {
    // A field that cannot be parsed is covered as it is.
  }
  return from;
}
