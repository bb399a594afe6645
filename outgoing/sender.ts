/** The envelope sender of a message that is ours: by which scheme, and how it is signed. */
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

/** Octets that a local part may have (RFC 5321 section 4.5.3.1.1). */
const MAX_LOCAL_OCTETS = 64;

/** What signing needs. */
interface Signing {
  readonly settings: Settings;
  readonly now: Date;
}

/** An envelope sender, and what was chosen against expectation. */
export interface ChosenSender {
  readonly scheme: Scheme;
  readonly sender: Address;
  readonly notes: readonly string[];
}

/** Chooses the envelope sender for these recipients. What cannot be signed leaves with the plain address. */
export function chooseSender(
  own: OwnAddress,
  recipients: readonly Address[],
  signing: Signing,
): ChosenSender {
  const { settings, now } = signing;
  const notes: string[] = [];
  const order: Scheme[] = settings.mixed === "plain" ? ["plain", "prvs", "srs"] : ["srs", "prvs", "plain"];
  const wanted = new Set(recipients.map((one) => schemeFor(one, settings)));
  const chosen = order.find((scheme) => wanted.has(scheme))!;
  if (wanted.size > 1) notes.push(`recipients disagree (${[...wanted].sort().join(", ")}): ${chosen}`);

  // What cannot be had becomes the next weaker thing, never an address that would not come home.
  const schemes = { srs: ["srs", "prvs"], prvs: ["prvs"], plain: [] } as const;
  if (signingKey(own.identity.keys, now) !== undefined) {
    for (const scheme of schemes[chosen]) {
      const signed = sign(scheme, own.identity, signing, own.address);
      if (typeof signed !== "string") return { scheme, sender: signed, notes };
      notes.push(signed);
    }
  }
  const { address } = own.identity;
  return { scheme: "plain", sender: sameAddress(own.address, address) ? address : own.address, notes };
}

/**
 * The signed address, or why there is none.
 *
 * @param used the address of the identity that is put into it
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
  if (scheme === "prvs" && !settings.prvs.receive) return "prvs is not receivable";
  if (scheme === "srs" && identity.srsDomain === "") return `${name} has no srs_domain`;
  // SRS0=…="a b"@x is no address (RFC 5321 section 4.1.2): MTAs would repair it, each in its way.
  if (used.local.includes('"')) return `${name} has a quoted local part, ${scheme} cannot hold it`;
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
