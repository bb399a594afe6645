/** Was it sent to an SRS or prvs address of ours? Then the address itself is the proof. */
import { type Address, canonical, formatAddress } from "../lib/address.ts";
import { isRejection } from "../lib/fail.ts";
import { type Identity, identityName, identityOf } from "../lib/identity.ts";
import { KEY_LIFETIME_DAYS, secretsByDigit, validKeys } from "../lib/keys.ts";
import { prvsOpen } from "../lib/prvs.ts";
import { inTime, srsOpen } from "../lib/srs.ts";
import { addressIn, type Delivery } from "./delivery.ts";
import { type Context, forgery, isBounceSender, type Verdict } from "./judge.ts";

/** Days after which a correct signature no longer proves anything. */
const MAX_LATE_DAYS = 180;
/** 40 bits, case folded: enough however long the hashes are that are written now. */
const HASH_MIN = 8;

/** `late` says why it is no longer valid. */
type Opened = { identity: Identity; late?: string } | { wrong: string };

/** Delivered when an address of ours was signed, late with a mark; forged when it was not. */
export async function checkSigned(delivery: Delivery, context: Context): Promise<Verdict | string> {
  let wrong: string | undefined;
  for (const text of delivery.recipients) {
    const opened = await openSrs(text, context) ?? await openPrvs(text, context);
    if (opened === undefined) continue;
    if ("wrong" in opened) {
      wrong ??= opened.wrong;
      continue;
    }
    const { identity, late } = opened;
    const mark = late !== undefined;
    const reason = `${late ?? "valid"} signed address of ${identityName(identity)}`;
    const result = !isBounceSender(delivery.sender) ? "other" : mark ? "late" : "genuine";
    return { action: "deliver", check: "signed-recipient", result, reason, identity, mark, signed: true };
  }
  if (wrong === undefined) return "the recipient is not a signed address";
  return { ...forgery("signed-recipient", wrong, context), signed: true };
}

/**
 * What a correct signature of this age is worth. One that no key can have made in the past was made while the clock
 * was ahead of today's: it is ours, but no day of it can be believed.
 */
function ofAge(identity: Identity, age: number, valid: boolean, what: string): Opened {
  if (valid) return { identity };
  if (age >= KEY_LIFETIME_DAYS) return { identity, late: "post-dated" };
  return age < MAX_LATE_DAYS ? { identity, late: "expired" } : { wrong: `${what} is ${age} days old` };
}

/**
 * Opens an SRS address. qmail's prefix of a virtual domain, and the second door
 * `srs-SRS0=…@plain.domain`, are taken off: then the SRS domain is the
 * identity's own.
 */
async function openSrs(text: string, { settings, identities, now }: Context): Promise<Opened | undefined> {
  const parts = /^(?:.*-)?(SRS[01][-+=].*)@([^@]*)$/is.exec(text);
  if (parts === null) return undefined;
  const [, local, domain] = parts as unknown as [string, string?, string?];
  const host = domain!.toLowerCase();
  const known = identities.some((one) => one.srsDomain !== "" && one.srsDomain === host);
  // Elsewhere than in our SRS domain it is ours to judge only when it claims to be: others sign too, and lists and
  // sites put such addresses into theirs.
  if (!known && identityOf(identities, claimed(local!)) === undefined) return undefined;
  let wrong = `SRS address is not one of ours`;
  for (const identity of identities) {
    if (identity.srsDomain === "" || (known && identity.srsDomain !== host)) continue;
    try {
      const { address, age } = await srsOpen(`${local}@${identity.srsDomain}`, {
        secrets: validKeys(identity.keys, now).map((key) => key.secret),
        hashLength: settings.srs.hash_length,
        hashMin: Math.min(HASH_MIN, settings.srs.hash_length), // what was written before the setting was raised
        alphabet: settings.srs.alphabet,
        now,
      });
      if (identityOf(identities, address) !== identity) {
        wrong = "SRS address holds an address that is not this identity's";
      } else if (age === undefined) wrong = "SRS address has a bad time stamp";
      else {
        const { max_age, skew } = settings.srs;
        const opened = ofAge(identity, age, inTime(age, max_age, skew), "SRS address");
        if ("identity" in opened) return opened;
        ({ wrong } = opened);
      }
    } catch (error) {
      if (!isRejection(error)) throw error;
      if (wrong.endsWith("ours")) wrong = "SRS address has a wrong hash";
    }
  }
  return { wrong };
}

/** The identity that a signed address names, nothing proved: its keys are the ones that could verify it. */
export function claimedIdentity(text: string, { identities }: Context): Identity | undefined {
  const srs = /^(?:.*-)?(SRS0[-+=].*)@[^@]*$/is.exec(text)?.[1];
  const address = srs === undefined ? addressIn(text) : undefined;
  const plain = srs === undefined ? address && withoutPrvs(address) : claimed(srs);
  return plain === undefined ? undefined : identityOf(identities, plain);
}

/** The address that an SRS0 address claims to hold, nothing proved. */
function claimed(local: string): string {
  const [, , domain = "", ...rest] = local.slice(5).split("=");
  return `${rest.join("=")}@${domain}`;
}

/** Opens a prvs address in either form. */
async function openPrvs(text: string, { settings, identities, now }: Context): Promise<Opened | undefined> {
  if (!settings.prvs.receive) return undefined;
  const address = addressIn(text);
  const plain = address && withoutPrvs(address);
  if (address === undefined || plain === undefined) return undefined;
  const identity = identityOf(identities, plain);
  if (identity === undefined) return undefined;
  try {
    const { lifetime } = settings.prvs;
    const opened = await prvsOpen(formatAddress(address), {
      secrets: secretsByDigit(validKeys(identity.keys, now)),
      lifetime,
      now,
    });
    return ofAge(identity, opened.age, opened.age <= lifetime, "prvs address");
  } catch (error) {
    if (!isRejection(error)) throw error;
    return { wrong: "prvs address has a wrong signature" };
  }
}

/** The address that a prvs address claims to be, nothing proved. */
function withoutPrvs({ local, domain }: Address): string | undefined {
  const claimed = /^prvs=[0-9]{4}[0-9a-f]{6}=(.+)$/i.exec(local)?.[1] ??
    /^(.+)[^A-Za-z0-9=]prvs=[0-9]{4}[0-9a-f]{6}$/i.exec(local)?.[1];
  return claimed === undefined ? undefined : canonical({ local: claimed, domain });
}
