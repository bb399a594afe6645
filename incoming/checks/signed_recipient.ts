/** What the recipient alone tells: a signed address of an identity, or anything else in an SRS domain of ours. */
import { type Address, canonical, formatAddress } from "../../lib/address.ts";
import { isRejection } from "../../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../../lib/settings/identity.ts";
import { KEY_LIFETIME_DAYS, secretsByDigit, validKeys } from "../../lib/settings/keys.ts";
import { prvsOpen } from "../../lib/prvs.ts";
import { inTime, srsOpen, type SrsOpened } from "../../lib/srs.ts";
import { claimOf, isSrsDomain, type Recipient, recipientIn } from "../claimed.ts";
import { addressIn, type Received } from "../delivery.ts";
import { forgedVerdict, isBounceSender, type JudgeContext, type Verdict } from "../verdict.ts";

/** Days after which a correct signature no longer proves anything. */
const MAX_LATE_DAYS = 180;
/** 40 bits, case folded: enough however long the hashes are that are written now. */
const MIN_HASH_LENGTH = 8;

/** `late` says why it is no longer valid. */
type Opened = { identity: Identity; late?: string } | { wrong: string };

const CHECK = "signed-recipient";

/**
 * Delivered when an identity signed the address, late with a mark; forged when it did not. Nobody but signed addresses
 * lives in an SRS domain of ours, except postmaster and abuse (RFC 2142).
 */
export function checkSigned(delivery: Received, context: JudgeContext): Verdict | string {
  let wrong: string | undefined;
  for (const text of delivery.recipients) {
    const opened = openSrs(text, context) ?? openPrvs(text, context);
    if (opened === undefined) continue;
    if ("wrong" in opened) {
      wrong ??= opened.wrong;
      continue;
    }
    const { identity, late } = opened;
    const mark = late !== undefined;
    const reason = `${late ?? "valid"} signed address of ${canonicalAddress(identity)}`;
    const result = !isBounceSender(delivery.sender) ? "other" : mark ? "late" : "genuine";
    return { action: "deliver", check: CHECK, result, reason, identity, mark };
  }
  const inside = delivery.recipients.map(recipientIn).filter((one) => isSrsDomain(one.domain, context));
  if (wrong === undefined && inside.length === 0) return "the recipient is not a signed address";
  return (wrong === undefined ? role(inside, context) ?? another(inside, context) : undefined) ??
    forgedVerdict(CHECK, wrong ?? "no such address exists in the SRS domain", context);
}

/**
 * RFC 5321 section 4.5.1 wants postmaster@ to be read by somebody. Under qmail the local part may carry the prefix of
 * a virtual domain, which only qmail's own control files tell.
 */
function role(inside: readonly Recipient[], context: JudgeContext): Verdict | undefined {
  const found = inside.find(({ local }) => /^(?:.*-)?(?:postmaster|abuse)$/is.test(local));
  if (found === undefined) return undefined;
  const identity = srsPostmaster(context);
  const reason = `${/abuse$/i.test(found.local) ? "abuse" : "postmaster"} of the SRS domain`;
  return { action: "deliver", check: CHECK, result: "other", reason, identity };
}

/** The identity that `srs.postmaster` names, else the first. */
export function srsPostmaster({ settings, identities }: JudgeContext): Identity {
  return identityOf(identities, settings.srs.postmaster) ?? identities[0]!;
}

/** The signed address of somebody else, where `srs.others` says that the domain is shared. */
function another(inside: readonly Recipient[], context: JudgeContext): Verdict | undefined {
  const claims = inside.map(({ local }) => claimOf(local)).filter((one) => one !== undefined);
  // An SRS1 address may wrap one of our own SRS0 addresses, which no forwarder returns to us.
  const theirs = claims.every(({ address, wellFormed }) =>
    wellFormed && identityOf(context.identities, address) === undefined &&
    !isSrsDomain(recipientIn(address).domain, context)
  );
  if (claims.length === 0 || !theirs) return undefined;
  const reason = "the signed address names an address of none of the identities";
  if (context.settings.srs.others === "pass") {
    return { action: "deliver", check: CHECK, result: "other", reason, passed: true };
  }
  return forgedVerdict(CHECK, reason, context);
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
 * Opens an SRS address with the keys of the identity that it names; no other key file is read. qmail's prefix of a
 * virtual domain, and the second door `srs-SRS0=…@plain.domain`, are taken off: then the SRS domain is the identity's
 * own.
 */
function openSrs(text: string, context: JudgeContext): Opened | undefined {
  const { settings, identities, now } = context;
  const { local, domain } = recipientIn(text);
  const claim = claimOf(local);
  if (claim === undefined) return undefined;
  // Elsewhere than in our SRS domain it is ours to judge only when it claims to be: others sign too, and lists and
  // sites put such addresses into theirs.
  const identity = identityOf(identities, claim.address);
  if (identity === undefined) return undefined;
  if (identity.srsDomain === "") return { wrong: "SRS address is not one of ours" };
  if (identity.srsDomain !== domain && isSrsDomain(domain, context)) {
    return { wrong: "SRS address is in the SRS domain of another identity" };
  }
  let opened: SrsOpened;
  try {
    opened = srsOpen(`${claim.srs}@${identity.srsDomain}`, {
      secrets: validKeys(identity.keys, now).map((key) => key.secret),
      hashLength: settings.srs.hash_length,
      hashMin: Math.min(MIN_HASH_LENGTH, settings.srs.hash_length), // what was written before the setting was raised
      alphabet: settings.srs.alphabet,
      now,
    });
  } catch (error) {
    if (!isRejection(error)) throw error;
    return { wrong: "SRS address has a wrong hash" };
  }
  const { address, age } = opened;
  // SRS1 gives the address of the first hop, which is never one that an identity signed.
  if (age === undefined || identityOf(identities, address) !== identity) {
    return { wrong: "SRS address has a bad time stamp" };
  }
  const { max_age, skew } = settings.srs;
  return ofAge(identity, age, inTime(age, max_age, skew), "SRS address");
}

/** The identity that a signed address names, nothing proved: its keys are the ones that could verify it. */
export function claimedIdentity(text: string, { identities }: JudgeContext): Identity | undefined {
  const address = addressIn(text);
  const claim = claimOf(recipientIn(text).local)?.address ?? (address && withoutPrvs(address));
  return claim === undefined ? undefined : identityOf(identities, claim);
}

/** Opens a prvs address in either form. */
function openPrvs(text: string, { settings, identities, now }: JudgeContext): Opened | undefined {
  if (!settings.prvs.receive) return undefined;
  const address = addressIn(text);
  const plain = address && withoutPrvs(address);
  if (address === undefined || plain === undefined) return undefined;
  const identity = identityOf(identities, plain);
  if (identity === undefined) return undefined;
  try {
    const { lifetime } = settings.prvs;
    const opened = prvsOpen(formatAddress(address), {
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
