/** Decides about one recipient by the envelope, and by the message. Rejects only what is certainly forged. */
import { canonical } from "../lib/address.ts";
import { errorText } from "../lib/fail.ts";
import { type Event, logAddress } from "../lib/log.ts";
import { PROBE, PROBE_HOST } from "../lib/probe.ts";
import { canonicalAddress, type Identity, identityOf } from "../lib/settings/identity.ts";
import { signingKey } from "../lib/settings/keys.ts";
import { isPlainAddress } from "../lib/settings/moved.ts";
import { inGrace } from "../incoming/checks/forged.ts";
import { claimOf, isSrsDomain, recipientIn } from "../incoming/claimed.ts";
import { addressIn, type Delivery, DOUBLE_BOUNCE, isUnreadable, withoutRoute } from "../incoming/delivery.ts";
import { judge } from "../incoming/judge.ts";
import { loggedBounce } from "../incoming/logged.ts";
import { isNeed } from "../incoming/need.ts";
import { forgedVerdict, isBounceSender, type Verdict } from "../incoming/verdict.ts";
import { remembersAllLately } from "../io/state/forgotten.ts";
import { decide, storesFor } from "../io/state/lookups.ts";
import { FORGOTTEN, whyUncertain } from "../io/state/stores.ts";
import { sign } from "../outgoing/sender.ts";
import type { Loaded } from "./loaded.ts";
import { keyProblem, reverseForwarded, type Rewritten } from "./map/forwarding.ts";
import { reply } from "./reply.ts";

/** A decision. */
export interface Decision {
  /** The reply that rejects the recipient or the message; absent if it is accepted. */
  readonly reply?: string;
  /** The log entry; absent for mail about which nothing was decided. */
  readonly event?: Event;
  /** Whether the message itself must be judged, because it may be a forged bounce to an identity. */
  readonly needsMessage?: boolean;
  /** Whether the recipient is not an address of an identity. */
  readonly unrelated?: boolean;
}

/** Checks that do not concern an identity: nothing is logged. */
const UNRELATED_CHECKS = ["double-bounce", "addressed"];

/** The settings, time and sender with which the door judges. */
export interface DoorContext {
  readonly loaded: Loaded;
  readonly now: Date;
  /** Null for the null sender. */
  readonly sender: string | null;
  /** The name of the client's host, if the mail server knows it. */
  readonly client?: string | undefined;
}

/** Returns what every line of the log about incoming mail says about the sender and the client. */
export function logClient({ loaded: { settings }, sender, client }: DoorContext): Event {
  const address = sender === null ? null : addressIn(sender);
  return {
    sender: address === undefined ? "unreadable" : logAddress(address, settings.log_addresses),
    // Mail servers write `unknown`, or the IP address in brackets.
    client: client !== undefined && /[a-z]\.[a-z]/i.test(client) ? client : undefined,
    probe: client === PROBE_HOST ? PROBE : undefined,
  };
}

/** Decides about a recipient. Never throws. */
export function decideRecipient(path: string, context: DoorContext): Decision {
  const address = withoutRoute(path);
  if (isRole(address) || isUnreadable(address)) return {};
  try {
    const early = moved(address, context) ?? undecidable(address, context);
    if (early !== undefined) return early;
    const judged = signed(address, context);
    // A pattern in `also` may match signed addresses, too.
    return judged.needsMessage === true ? unsigned(address, context) ?? judged : judged;
  } catch (error) {
    return failed(error);
  }
}

/** Decides about a message for one recipient. */
export async function decideMessage(message: Delivery, { loaded, now }: DoorContext): Promise<Decision> {
  const { settings, identities } = loaded;
  const delivery = { ...message, recipients: message.recipients.map(withoutRoute) };
  try {
    const { verdict } = await decide(delivery, { settings, identities, now, ...storesFor("postfix", settings, now) });
    const { event, ...decision } = await decideVerdict(verdict, { loaded, now });
    return { ...decision, event: { ...event, ...loggedBounce(delivery, verdict) } };
  } catch (error) {
    return failed(error);
  }
}

async function decideVerdict(verdict: Verdict, { loaded, now }: Omit<DoorContext, "sender">): Promise<Decision> {
  const { settings } = loaded;
  if (!isRefused(verdict, loaded)) return passed(verdict, loaded);
  // Another host may have sent a message that it could not remember.
  const uncertain = await whyUncertain(settings, now);
  if (uncertain !== undefined) return passed({ ...verdict, reason: notRejected(verdict.reason, uncertain) }, loaded);
  return refused(
    verdict,
    reply("550 5.7.1", "This is a bounce of a message that was not sent from here", contact(loaded)),
  );
}

/**
 * Returns whether a message from this sender may be rejected because of its content: only if all programs that
 * sign remember sent mail in the same state, and have done so for as long as bounces may return.
 */
export function mayRefuseMessage(context: DoorContext): boolean {
  const { sender } = context;
  return sender !== DOUBLE_BOUNCE && isBounceSender(sender) && whyNotJudged(context) === undefined;
}

/** Returns why no message is rejected because of its content; undefined if messages are judged. */
export function whyNotJudged({ loaded: { settings }, now }: Omit<DoorContext, "sender">): string | undefined {
  const { incoming, state } = settings;
  if (incoming.forged !== "refuse") return wrongMode(incoming.forged);
  if (!state.shared) return "state.shared is not set, so the message may have been signed elsewhere";
  return remembersAllLately(state.folder, now) ? undefined : FORGOTTEN;
}

/** Returns the identity to which a recipient belongs, as the log names it. */
export function identityNamed(recipient: string, { loaded: { identities } }: DoorContext): string | undefined {
  const identity = identityOf(identities, withoutRoute(recipient));
  return identity && canonicalAddress(identity);
}

const wrongMode = (forged: string): string => `incoming.forged is "${forged}"`;

/** Returns the reason of a verdict, with the reason why it has no consequence at the door. */
export const notRejected = (reason: string, why: string): string => `${reason}; not rejected, because ${why}`;

/** RFC 5321 section 4.5.1 and RFC 2142: postmaster and abuse must remain reachable for complaints about this site. */
function isRole(address: string): boolean {
  return /^(?:postmaster|abuse)$/i.test(address.includes("@") ? recipientIn(address).local : address);
}

/** Replies with the new address. A bounce to an identity may be about mail that it sent, so it is judged instead. */
function moved(address: string, context: DoorContext): Decision | undefined {
  const { loaded, sender } = context;
  const next = loaded.moved.size > 0 ? newAddress(address, loaded) : undefined;
  if (next === undefined || (isBounceSender(sender) && identityOf(loaded.identities, address))) return undefined;
  return {
    reply: reply("551 5.1.6", `The address has changed, please write to <${next}>`, contact(loaded)),
    event: { check: "moved", outcome: "refused", why: "the address has moved" },
  };
}

function newAddress(text: string, { moved }: Loaded): string | undefined {
  const address = addressIn(text);
  return address && moved.get(canonical(address));
}

/** Accepts mail that depends on keys that cannot be read. */
function undecidable(address: string, { loaded, sender }: DoorContext): Decision | undefined {
  const { unreadable, identities } = loaded;
  if (unreadable.size === 0) return undefined;
  const { domain } = recipientIn(address);
  const affected = [...unreadable.keys()];
  const own = isBounceSender(sender) ? identityOf(identities, address) : undefined;
  const identity = own && unreadable.has(own) ? own : affected.find(({ srsDomain }) => srsDomain === domain);
  if (identity === undefined || domain === "") return undefined;
  return { event: { identity: canonicalAddress(identity), outcome: "passed", error: unreadable.get(identity) } };
}

/**
 * Rejects bounces to the plain address of an identity that never uses it as the envelope sender (`refuse_unsigned`).
 */
function unsigned(address: string, context: DoorContext): Decision | undefined {
  const { loaded, sender, now } = context;
  const identity = sender === null ? identityOf(loaded.identities, address) : undefined;
  if (!identity?.refuseUnsigned || inGrace({ settings: loaded.settings, now })) return undefined;
  if (!leavesSigned(address, identity, context)) return undefined;
  return {
    reply: reply("550 5.7.1", "This address is not used as an envelope sender and accepts no bounces", contact(loaded)),
    event: {
      identity: canonicalAddress(identity),
      check: "refuse-unsigned",
      outcome: "refused",
      why: "from the null sender, to the plain address",
    },
  };
}

/**
 * Returns whether mail with this envelope sender can be signed. Without a signing key or an SRS domain, or if the
 * local part would be too long, mail is sent with the plain sender.
 */
function leavesSigned(text: string, identity: Identity, { loaded: { settings }, now }: DoorContext): boolean {
  const address = addressIn(text);
  if (address === undefined || signingKey(identity.keys, now) === undefined) return false;
  return (["srs", "prvs"] as const).some((scheme) =>
    typeof sign(scheme, identity, { settings, now }, address) !== "string"
  );
}

/** Decides about signed addresses, and others in an SRS domain. */
function signed(address: string, { loaded, sender, now }: DoorContext): Decision {
  const { settings, identities } = loaded;
  const forwarded = forwardedAs(address, { loaded, now });
  if (forwarded !== undefined && "address" in forwarded) return { unrelated: true }; // even if a pattern in `also` matches
  const judged = judge({ sender, recipients: [address] }, { settings, identities, now, answers: false });
  // A bounce to an identity cannot be judged by the envelope alone.
  if (isNeed(judged)) return { needsMessage: true };
  // In an SRS domain that is also that of forwarded mail, the addresses of others are those that `srs-back` reverses.
  const strange = judged.verdict.passed === true && settings.srs.others !== "pass" && forwarded !== undefined;
  const verdict = strange
    ? forgedVerdict(judged.verdict.check, `not a forwarded address: ${forwarded.why}`, loaded)
    : judged.verdict;
  if (UNRELATED_CHECKS.includes(verdict.check)) return { unrelated: true };
  const plain = verdict.expired;
  if (plain !== undefined && sender !== null && !isBounceSender(sender) && settings.incoming.forged === "refuse") {
    const next = newAddress(plain, loaded) ?? plain;
    if (isPlainAddress(next)) {
      return refused(
        verdict,
        reply("551 5.1.6", `The address has expired, please write to <${next}>`, contact(loaded)),
      );
    }
  }
  if (!isRefused(verdict, loaded)) return passed(verdict, loaded);
  if (isForeign(address, loaded)) {
    const reason = notRejected(verdict.reason, "another program may sign addresses in this domain");
    return passed({ ...verdict, reason }, loaded);
  }
  return refused(verdict, reply("550 5.1.1", "No such address", contact(loaded)));
}

/**
 * Returns what the map `srs-back` says about an address in the domain of forwarded mail; undefined for other addresses,
 * and if no key can be used. A hook cannot ask, because it has no keys of forwarded mail.
 */
function forwardedAs(address: string, { loaded, now }: Omit<DoorContext, "sender">): Rewritten | undefined {
  const { settings, identities, forwarding } = loaded;
  if (forwarding === undefined || "problem" in forwarding || keyProblem(forwarding, now) !== undefined) {
    return undefined;
  }
  if (recipientIn(address).domain !== settings.forwarding.domain.toLowerCase()) return undefined;
  return reverseForwarded(address, { settings, identities, keys: forwarding.keys, now });
}

/**
 * Returns whether this is an SRS address outside of the SRS domains of the identities. It may name an identity whose
 * mail another program forwarded, such as postsrsd, which signs with a key of its own.
 */
function isForeign(address: string, loaded: Loaded): boolean {
  const { local, domain } = recipientIn(address);
  return claimOf(local) !== undefined && !isSrsDomain(domain, loaded);
}

/** Returns whether the verdict is *forged*; *unsure*, *unjudged* and all others are accepted. */
function isRefused({ result }: Verdict, { settings }: Loaded): boolean {
  return result === "forged" && settings.incoming.forged === "refuse";
}

const contact = ({ settings }: Loaded): string => settings.serve.contact;

/** Accepts what would be rejected with `incoming.forged = "refuse"`, or is no forgery. */
function passed(verdict: Verdict, { settings: { incoming: { forged } } }: Loaded): Decision {
  const event = eventOf(verdict, "passed");
  if (forged === "refuse" || !["forged", "suspect"].includes(verdict.result)) return { event };
  return { event: { ...event, why: notRejected(verdict.reason, wrongMode(forged)) } };
}

const refused = (verdict: Verdict, reply: string): Decision => ({ reply, event: eventOf(verdict, "refused") });
const failed = (error: unknown): Decision => ({ event: { outcome: "passed", error: errorText(error) } });

function eventOf({ result, check, identity, reason: why }: Verdict, outcome: string): Event {
  return { identity: identity && canonicalAddress(identity), result, check, outcome, why };
}
