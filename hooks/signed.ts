/** Was it sent to an SRS or prvs address of ours? Then the address itself is the proof. */
import { type Address, canonical, formatAddress } from "../lib/address.ts";
import { Fail } from "../lib/fail.ts";
import { type Identity, identityName, identityOf } from "../lib/identity.ts";
import { secretsByDigit, validKeys } from "../lib/keys.ts";
import { prvsVerify } from "../lib/prvs.ts";
import { inTime, srsOpen } from "../lib/srs.ts";
import { addressIn, type Delivery } from "./delivery.ts";
import { type Context, forgery, isBounceSender, type Verdict } from "./judge.ts";

/** Days after which a right hash is worth nothing any more. */
const LATE = 180;
/** 40 bits, case folded: enough however long the hashes are that are written now. */
const HASH_MIN = 8;

type Opened = { identity: Identity; late: boolean } | { wrong: string };

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
    const reason = `${late ? "expired" : "valid"} signed address of ${identityName(identity)}`;
    const result = !isBounceSender(delivery.sender) ? "other" : late ? "late" : "genuine";
    return { action: "deliver", check: "signed-recipient", result, reason, identity, mark: late, signed: true };
  }
  if (wrong === undefined) return "the recipient is not a signed address";
  return { ...forgery("signed-recipient", wrong, context), signed: true };
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
      if (address.toLowerCase() !== identityName(identity)) {
        wrong = "SRS address holds an address that is not this identity's";
      } else if (age === undefined) wrong = "SRS address has a bad time stamp";
      else if (inTime(age, settings.srs.max_age, settings.srs.skew)) return { identity, late: false };
      else if (age < LATE) return { identity, late: true };
      else wrong = `SRS address is ${age} days old`;
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      if (wrong.endsWith("ours")) wrong = "SRS address has a wrong hash";
    }
  }
  return { wrong };
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
    const signed = await prvsVerify(formatAddress(address), {
      secrets: secretsByDigit(validKeys(identity.keys, now)),
      lifetime: settings.prvs.lifetime,
      now,
    });
    return signed.toLowerCase() === identityName(identity)
      ? { identity, late: false }
      : { wrong: "prvs address holds an address that is not this identity's" };
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return { wrong: error.kind === "stamp-expired" ? "prvs address is expired" : "prvs address has a wrong signature" };
  }
}

/** The address that a prvs address claims to be, nothing proved. */
function withoutPrvs({ local, domain }: Address): string | undefined {
  const claimed = /^prvs=[0-9]{4}[0-9a-f]{6}=(.+)$/i.exec(local)?.[1] ??
    /^(.+)[^A-Za-z0-9=]prvs=[0-9]{4}[0-9a-f]{6}$/i.exec(local)?.[1];
  return claimed === undefined ? undefined : canonical({ local: claimed, domain });
}
