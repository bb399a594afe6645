/**
 * SRS for mail that the mail server forwards, in place of postsrsd. Anybody can have an address of their choice
 * rewritten, by sending with it to an alias that is forwarded. So these keys are not those of an identity, and neither
 * an identity nor its SRS domain is ever rewritten or reversed: otherwise a stranger could obtain what counts as proof.
 */
import { type Address, formatAddress, parseAddress } from "../../lib/address.ts";
import { utf8 } from "../../lib/bytes.ts";
import { isRejection } from "../../lib/fail.ts";
import { glob } from "../../lib/glob.ts";
import { type Identity, identityOf } from "../../lib/settings/identity.ts";
import { type Key, noValidKey, signingKey, validKeys } from "../../lib/settings/keys.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { prvsParts } from "../../lib/prvs.ts";
import { inTime, srsForward, srsOpen } from "../../lib/srs.ts";
import { claimOf, isSrsDomain, recipientIn } from "../../incoming/claimed.ts";
import { isBounceSender } from "../../incoming/verdict.ts";
import type { ForwardingKeys } from "../loaded.ts";

/** The settings and keys with which addresses are rewritten and reversed. */
export interface ForwardingContext {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  /** The keys of `forwarding.keys`. */
  readonly keys: readonly Key[];
  readonly now: Date;
}

/** The address to use instead, or why there is none. */
export type Rewritten = { readonly address: string } | { readonly why: string };

/** Maximum length of a path without its brackets (RFC 5321 section 4.5.3.1.3). */
const MAX_ADDRESS_OCTETS = 254;

/** Returns the forwarding domain in lower case; empty if mail is not forwarded. */
const forwardingDomain = ({ forwarding }: Pick<Settings, "forwarding">): string => forwarding.domain.toLowerCase();

/**
 * Returns the SRS address for an envelope sender. A sender to which bounces must not be sent keeps its address, so that
 * the hook still recognizes a mailer daemon.
 */
export function forwardSender(text: string, context: ForwardingContext): Rewritten {
  const { settings, keys, now } = context;
  const sender = mailbox(text);
  if (sender === undefined) return { why: "not an address with a domain" };
  const { local } = sender;
  const domain = sender.domain.toLowerCase();
  if (domain === forwardingDomain(settings)) return { why: "the sender is in the forwarding domain" };
  if (isBounceSender(`${local}@${domain}`)) return { why: "the sender is a mailer daemon" };
  if (belongsToUs(sender, context)) return { why: "the sender belongs to an identity" };
  const excluded = settings.forwarding.exclude.some((pattern) => glob(pattern.toLowerCase(), domain));
  if (excluded) return { why: "the domain is in forwarding.exclude" };
  // Neither could be found again among the parts of an SRS address.
  if (local.includes("@") || domain.includes("=")) return { why: "the sender contains a separator of SRS" };
  const key = signingKey(keys, now);
  if (key === undefined) return { why: NO_KEY };
  const { alphabet, separator } = settings.srs;
  const written = srsForward(`${local}@${sender.domain}`, settings.forwarding.domain, {
    secrets: [key.secret],
    hashLength: settings.forwarding.hash_length,
    alphabet,
    separator,
    now,
  });
  const rewritten = checked(written);
  // SRS1 keeps what is inside instead of the sender. That may be no SRS0 address, or one in the SRS domain of an
  // identity, whose bounce returns to it through the other host if the sender remains as it is.
  const back = /^SRS1[-+=]/i.test(local) && "address" in rewritten ? reverseForwarded(rewritten.address, context) : {};
  return "why" in back ? { why: `the sender could not be restored: ${back.why}` } : rewritten;
}

/** The reason if no key can sign. */
export const NO_KEY = "no forwarding key can sign";

/** Returns the address inside a forwarded one, to which its bounce goes. */
export function reverseForwarded(text: string, context: ForwardingContext): Rewritten {
  const { settings, keys, now } = context;
  const recipient = mailbox(text);
  if (recipient?.domain.toLowerCase() !== forwardingDomain(settings)) return { why: "not in the forwarding domain" };
  const { hash_length } = settings.forwarding;
  let opened;
  try {
    opened = srsOpen(`${recipient.local}@${recipient.domain}`, {
      secrets: validKeys(keys, now).map(({ secret }) => secret),
      hashLength: hash_length,
      alphabet: "base64url", // reads both, see signed_recipient.ts
      now,
    });
  } catch (error) {
    if (!isRejection(error)) throw error;
    if (!/^SRS[01][-+=]/i.test(recipient.local)) return { why: "not an SRS address" };
    // In a domain that is also the SRS domain of identities, most bounces are about their own mail.
    const claimed = claimOf(recipient.local)?.address;
    const parts = claimed === undefined ? undefined : mailbox(claimed);
    return { why: parts !== undefined && belongsToUs(parts, context) ? OURS : WRONG_HASH };
  }
  const { address, age } = opened;
  // SRS1 has no time stamp of its own: the first forwarder checks the one of its address.
  const first = /^SRS1/i.test(recipient.local);
  if (!first && age === undefined) return { why: "bad time stamp" };
  const { max_age, skew } = settings.srs;
  if (age !== undefined && !inTime(age, max_age, skew)) return { why: `forwarded ${age} days ago` };
  const inside = mailbox(quoted(address));
  if (inside === undefined || (first && !/^SRS0[-+=]/i.test(inside.local))) return { why: "no address inside" };
  if (inside.domain.toLowerCase() === forwardingDomain(settings)) {
    // The message was forwarded here, then by another host, and then here again. SRS0 contains no such address.
    return first ? reverseForwarded(formatAddress(inside), context) : { why: "the address inside is a forwarded one" };
  }
  if (belongsToUs(inside, context)) return { why: OURS };
  return checked(formatAddress(inside));
}

/** The reason for an address that was not signed, or signed with another key. */
export const WRONG_HASH = "wrong hash";

/** Returns why nothing can be signed or verified now; undefined if it can, or never will be. */
export function keyProblem(forwarding: ForwardingKeys, now: Date): string | undefined {
  if ("problem" in forwarding) return forwarding.problem;
  return noValidKey(forwarding.keys, now) === "future" ? "The forwarding keys are dated in the future" : undefined;
}

/** The reason for an address that the door or the hook judges with the keys of the identity. */
const OURS = "the address inside belongs to an identity";

/** Returns whether this is an identity, a prvs address of one, or an address in an SRS domain. */
function belongsToUs({ local, domain: written }: Address, { identities }: ForwardingContext): boolean {
  const domain = written.toLowerCase();
  const plain = prvsParts(local)?.local;
  return isSrsDomain(domain, { identities }) || identityOf(identities, `${local}@${domain}`) !== undefined ||
    (plain !== undefined && identityOf(identities, `${plain}@${domain}`) !== undefined);
}

/**
 * Parses an address.
 *
 * @returns its local part without quotes, and its domain as written, but without dots at the end, which mail servers
 *   ignore; undefined if it is malformed
 */
function mailbox(text: string): Address | undefined {
  try {
    const domain = parseAddress(text).domain.replace(/\.+$/, "");
    const { local } = recipientIn(text);
    return local === "" || domain === "" || /\.\./.test(domain) ? undefined : { local, domain };
  } catch {
    return undefined;
  }
}

/** An atom or several with dots (RFC 5321 section 4.1.2), with UTF-8 (RFC 6531). */
// deno-lint-ignore no-control-regex
const DOT_STRING = /^(?:[\w!#$%&'*+/=?^`{|}~.-]|[^\x00-\x9f])+$/;

/** Returns the address, whose local part has no quotes, with quotes if necessary. */
export function quoted(text: string): string {
  const at = text.lastIndexOf("@");
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  return DOT_STRING.test(local) ? text : formatAddress({ local: `"${local.replace(/["\\]/g, "\\$&")}"`, domain });
}

/** Returns an address, whose parts are well formed, as the mail server expects it. */
function checked(text: string): Rewritten {
  const address = quoted(text);
  if (utf8(address).length > MAX_ADDRESS_OCTETS) return { why: "the address would be too long" };
  return { address };
}
