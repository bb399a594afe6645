/**
 * Checks whether the recipient is a signed address of an identity, or any other address in an SRS domain of the user.
 */
import { type Address, canonical, formatAddress } from "../../lib/address.ts";
import { isRejection } from "../../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../../lib/settings/identity.ts";
import { KEY_LIFETIME_DAYS, secretsByDigit, validKeys } from "../../lib/settings/keys.ts";
import { prvsOpen, prvsParts } from "../../lib/prvs.ts";
import { inTime, srsOpen, type SrsOpened } from "../../lib/srs.ts";
import { claimOf, isSrsDomain, type Recipient, recipientIn } from "../claimed.ts";
import { addressIn, type Received } from "../delivery.ts";
import { forgedVerdict, isBounceSender, type JudgeContext, type Verdict } from "../verdict.ts";

/** Days after which a correct signature no longer proves anything. */
const MAX_LATE_DAYS = 180;
/** Minimum length of a hash when reading: 40 bits after case folding, which is enough. */
const MIN_HASH_LENGTH = 8;

/**
 * The identity that signed the address, with the reason in `late` if it is no longer valid; or what is wrong. `plain`
 * is the address inside, if the signature is correct.
 */
export type Opened = { identity: Identity; plain: string; late?: string } | { wrong: string; plain?: string };

const CHECK = "signed-recipient";

/**
 * Delivers mail to a signed address, with a mark when it is late. Any other address in an SRS domain of the user is
 * forged, except postmaster and abuse (RFC 2142).
 */
export function checkSigned(delivery: Received, context: JudgeContext): Verdict | string {
  let wrong: string | undefined;
  let old: string | undefined;
  for (const text of delivery.recipients) {
    const opened = openSrs(text, context) ?? openPrvs(text, context);
    if (opened === undefined) continue;
    if ("wrong" in opened) {
      wrong ??= opened.wrong;
      old ??= opened.plain;
      continue;
    }
    const { identity, late, plain } = opened;
    const mark = late !== undefined;
    const reason = `${late ?? "valid"} signed address of ${canonicalAddress(identity)}`;
    const result = !isBounceSender(delivery.sender) ? "other" : mark ? "late" : "genuine";
    return { action: "deliver", check: CHECK, result, reason, identity, mark, ...(mark && { expired: plain }) };
  }
  const inside = delivery.recipients.map(recipientIn).filter((one) => isSrsDomain(one.domain, context));
  if (wrong === undefined && inside.length === 0) return "the recipient is not a signed address";
  const verdict = (wrong === undefined ? role(inside, context) ?? another(inside, context) : undefined) ??
    forgedVerdict(CHECK, wrong ?? "unsigned address in the SRS domain", context);
  return old === undefined ? verdict : { ...verdict, expired: old };
}

/**
 * RFC 5321 section 4.5.1 requires a postmaster mailbox. Under qmail the local part may begin with the prefix of a
 * virtual domain, which is only known to qmail's control files.
 */
function role(inside: readonly Recipient[], context: JudgeContext): Verdict | undefined {
  const found = inside.find(({ local }) => /^(?:.*-)?(?:postmaster|abuse)$/is.test(local));
  if (found === undefined) return undefined;
  const identity = srsPostmaster(context);
  const reason = `${/abuse$/i.test(found.local) ? "abuse" : "postmaster"} of the SRS domain`;
  return { action: "deliver", check: CHECK, result: "other", reason, identity };
}

/** Returns the identity configured as `srs.postmaster`, or the first one. */
export function srsPostmaster({ settings, identities }: JudgeContext): Identity {
  return identityOf(identities, settings.srs.postmaster) ?? identities[0]!;
}

/** Decides about a signed address of another user, as configured by `srs.others`. */
function another(inside: readonly Recipient[], context: JudgeContext): Verdict | undefined {
  const claims = inside.map(({ local }) => claimOf(local)).filter((one) => one !== undefined);
  // An SRS1 address may contain one of our own SRS0 addresses, which no forwarder sends back to us.
  const theirs = claims.every(({ address, wellFormed }) =>
    wellFormed && identityOf(context.identities, address) === undefined &&
    !isSrsDomain(recipientIn(address).domain, context)
  );
  if (claims.length === 0 || !theirs) return undefined;
  const reason = "the signed address does not belong to any identity";
  // In a domain that is also that of forwarded mail, the mail server has verified the address (socket `map`).
  const shared = inside.some(({ domain }) => domain === context.settings.forwarding.domain.toLowerCase());
  if (shared || context.settings.srs.others === "pass") {
    return { action: "deliver", check: CHECK, result: "other", reason, passed: true };
  }
  return forgedVerdict(CHECK, reason, context);
}

/**
 * Classifies a correct signature by its age. If no key can have made it in the past, the clock was ahead when it was
 * made: the user signed it, but its date cannot be trusted.
 */
function ofAge(identity: Identity, plain: string, age: number, valid: boolean, what: string): Opened {
  if (valid) return { identity, plain };
  if (age >= KEY_LIFETIME_DAYS) return { identity, plain, late: "post-dated" };
  if (age < MAX_LATE_DAYS) return { identity, plain, late: "expired" };
  return { wrong: `${what} is ${age} days old`, plain };
}

/**
 * Verifies an SRS address with the keys of the identity that it names; no other key file is read. qmail's prefix for a
 * virtual domain is removed, as is that of `srs-SRS0=…@plain.domain`, which stands for the identity's SRS domain.
 */
function openSrs(text: string, context: JudgeContext): Opened | undefined {
  const { settings, identities, now } = context;
  const { local, domain } = recipientIn(text);
  const claim = claimOf(local);
  if (claim === undefined) return undefined;
  // Outside our SRS domains an SRS address is only judged when it names an identity: other sites sign too, and lists
  // and forwarders embed such addresses in their own.
  const identity = identityOf(identities, claim.address);
  if (identity === undefined) return undefined;
  if (identity.srsDomain === "") return { wrong: "SRS address of an identity that has no SRS domain" };
  if (identity.srsDomain !== domain && isSrsDomain(domain, context)) {
    return { wrong: "SRS address is in the SRS domain of another identity" };
  }
  const hashMin = Math.min(MIN_HASH_LENGTH, settings.srs.hash_length); // accept older, shorter hashes
  let opened: SrsOpened;
  try {
    opened = srsOpen(`${claim.srs}@${identity.srsDomain}`, {
      secrets: validKeys(identity.keys, now).map((key) => key.secret),
      hashLength: settings.srs.hash_length,
      hashMin,
      alphabet: "base64url", // reads both: addresses written before srs.alphabet was changed return for weeks
      now,
    });
  } catch (error) {
    if (!isRejection(error)) throw error;
    const { length } = /^SRS[01][-+=]([^=]*)/i.exec(claim.srs)?.[1] ?? "";
    // postsrsd writes 4 characters by default.
    const short = `SRS address has a hash that is too short: ${length} characters, srs.hash_length requires ${hashMin}`;
    return { wrong: length < hashMin ? short : "SRS address has a wrong hash" };
  }
  const { address, age } = opened;
  // SRS1 contains the SRS0 address of the first hop, which is not an address of an identity.
  if (age === undefined || identityOf(identities, address) !== identity) {
    return { wrong: "SRS address has a bad time stamp" };
  }
  const { max_age, skew } = settings.srs;
  return ofAge(identity, address, age, inTime(age, max_age, skew), "SRS address");
}

/** Returns the identity that a signed address names, without verifying it. Its keys are those that could verify it. */
export function claimedIdentity(text: string, { identities }: JudgeContext): Identity | undefined {
  const address = addressIn(text);
  const claim = claimOf(recipientIn(text).local)?.address ?? (address && withoutPrvs(address));
  return claim === undefined ? undefined : identityOf(identities, claim);
}

/** Verifies a prvs address in either form. */
export function openPrvs(text: string, { settings, identities, now }: JudgeContext): Opened | undefined {
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
    return ofAge(identity, opened.address, opened.age, opened.age <= lifetime, "prvs address");
  } catch (error) {
    if (!isRejection(error)) throw error;
    return { wrong: "prvs address has a wrong signature" };
  }
}

/** Returns the address that a prvs address contains, without verifying it. */
function withoutPrvs({ local, domain }: Address): string | undefined {
  const parts = prvsParts(local);
  return parts && canonical({ local: parts.local, domain });
}
