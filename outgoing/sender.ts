/** Chooses and signs the envelope sender of a message from an identity. */
import { type Address, canonical, parseAddress, sameAddress } from "../lib/address.ts";
import { utf8ToLatin1 } from "../lib/bytes.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { keyDigit, noSigningKey, signingKey } from "../lib/settings/keys.ts";
import { prvsSign } from "../lib/prvs.ts";
import type { Scheme } from "../lib/settings/schema.ts";
import { srsForward } from "../lib/srs.ts";
import type { OwnAddress } from "./owner.ts";
import { schemeFor } from "./rules.ts";

/** Maximum length of a local part in octets (RFC 5321 section 4.5.3.1.1). */
const MAX_LOCAL_OCTETS = 64;

/** What is needed for signing, besides the identity. */
interface Signing {
  readonly settings: Settings;
  readonly now: Date;
}

/** An envelope sender, with notes for the log about unexpected choices. */
export interface ChosenSender {
  readonly scheme: Scheme;
  readonly sender: Address;
  readonly notes: readonly string[];
}

/** The schemes, from the weakest to the strongest. */
const WEAKEST_FIRST: readonly Scheme[] = ["plain", "prvs", "srs"];

/** Returns the weaker of two schemes. @param strongest empty for no restriction */
export function weaker(scheme: Scheme, strongest: Scheme | ""): Scheme {
  return strongest !== "" && WEAKEST_FIRST.indexOf(strongest) < WEAKEST_FIRST.indexOf(scheme) ? strongest : scheme;
}

/**
 * Chooses the envelope sender for these recipients. It is the plain address when it cannot be signed.
 *
 * @param strongest the strongest scheme that the account accepts; empty for no restriction
 */
export function chooseSender(
  own: OwnAddress,
  recipients: readonly Address[],
  signing: Signing,
  strongest: Scheme | "" = "",
): ChosenSender {
  const { settings, now } = signing;
  const notes: string[] = [];
  const order = settings.mixed === "plain" ? WEAKEST_FIRST : WEAKEST_FIRST.toReversed();
  const wanted = new Set(recipients.map((one) => schemeFor(one, settings)));
  const ruled = order.find((scheme) => wanted.has(scheme))!;
  if (wanted.size > 1) notes.push(`recipients match different schemes (${[...wanted].sort().join(", ")}): ${ruled}`);
  const chosen = weaker(ruled, strongest);
  if (chosen !== ruled) notes.push(`the account accepts ${strongest} at most`);

  if (signingKey(own.identity.keys, now) !== undefined) {
    const signed = signWith(chosen, own.identity, signing, own.address, notes);
    if (signed !== undefined) return { ...signed, notes };
  }
  const { address } = own.identity;
  return { scheme: "plain", sender: sameAddress(own.address, address) ? address : own.address, notes };
}

/**
 * Signs with this scheme. One that cannot be used is replaced by the next weaker one, never by an address that would
 * lose bounces.
 *
 * @param notes gets the reasons why schemes cannot be used
 * @returns undefined when none can be used
 * @throws {Fail} `config` when no key can sign
 */
export function signWith(
  scheme: Scheme,
  identity: Identity,
  signing: Signing,
  used: Address,
  notes: string[],
): Pick<ChosenSender, "scheme" | "sender"> | undefined {
  const schemes = { srs: ["srs", "prvs"], prvs: ["prvs"], plain: [] } as const;
  for (const one of schemes[scheme]) {
    const signed = sign(one, identity, signing, used);
    if (typeof signed !== "string") return { scheme: one, sender: signed };
    notes.push(signed);
  }
  return undefined;
}

/**
 * Returns the signed address, or why this scheme cannot be used.
 *
 * @param used the address of the identity that is signed
 * @throws {Fail} `config` when no key can sign
 */
export function sign(
  scheme: "srs" | "prvs",
  identity: Identity,
  { settings, now }: Signing,
  used: Address = identity.address,
): Address | string {
  const name = canonical(used);
  const key = signingKey(identity.keys, now);
  if (key === undefined) {
    const why = noSigningKey(identity.keys, now);
    throw new Fail("config", `No key of ${canonicalAddress(identity)} can sign today: ${why}`);
  }
  if (scheme === "prvs" && !settings.prvs.receive) return "prvs.receive is off";
  if (scheme === "srs" && identity.srsDomain === "") return `${name} has no srs_domain`;
  // SRS0=…="a b"@x is not a valid address (RFC 5321 section 4.1.2), and MTAs differ in how they repair it.
  if (used.local.includes('"')) return `${name} has a quoted local part, which ${scheme} cannot contain`;
  const signed = parseAddress(
    scheme === "srs"
      ? srsForward(name, identity.srsDomain, {
        secrets: [key.secret],
        hashLength: settings.srs.hash_length,
        alphabet: settings.srs.alphabet,
        separator: settings.srs.separator,
        now,
      })
      : prvsSign(name, {
        secret: key.secret,
        keyNumber: keyDigit(key),
        lifetime: settings.prvs.lifetime,
        delimiter: settings.prvs.delimiter,
        now,
      }),
  );
  const octets = utf8ToLatin1(signed.local).length;
  return octets > MAX_LOCAL_OCTETS ? `${scheme} local part would have ${octets} octets` : signed;
}
