/** What the door decides about one recipient, by its envelope and by the message. It refuses only what is certain. */
import { canonical } from "../lib/address.ts";
import { errorText } from "../lib/fail.ts";
import type { Event } from "../lib/log.ts";
import { canonicalAddress, type Identity, identityOf } from "../lib/settings/identity.ts";
import { signingKey } from "../lib/settings/keys.ts";
import { isPlainAddress } from "../lib/settings/moved.ts";
import { inGrace } from "../incoming/checks/forged.ts";
import { recipientIn } from "../incoming/claimed.ts";
import { addressIn, type Delivery, DOUBLE_BOUNCE, isUnreadable } from "../incoming/delivery.ts";
import { judge } from "../incoming/judge.ts";
import { isNeed } from "../incoming/need.ts";
import { isBounceSender, type Verdict } from "../incoming/verdict.ts";
import { remembersAll } from "../io/state/forgotten.ts";
import { decide, storesFor } from "../io/state/lookups.ts";
import { everythingRemembered } from "../io/state/stores.ts";
import { sign } from "../outgoing/sender.ts";
import type { Loaded } from "./loaded.ts";
import { reply } from "./reply.ts";

/** A decision. */
export interface Decision {
  /** The reply with which the recipient or the message is refused; absent if it passes. */
  readonly reply?: string;
  /** What is logged; absent for mail that nothing was decided about. */
  readonly event?: Event;
  /** Whether the message itself must be judged, because it may be a forged bounce to an identity. */
  readonly needsMessage?: boolean;
  /** Whether the recipient belongs to somebody else. */
  readonly unrelated?: boolean;
}

/** Checks that decide about mail to anybody: there is nothing to log. */
const NOT_ABOUT_US = ["double-bounce", "addressed"];

/** What the door judges with. */
export interface DoorContext {
  readonly loaded: Loaded;
  readonly now: Date;
  /** Null for the null sender. */
  readonly sender: string | null;
}

/** Decides about a recipient. Never throws. */
export function decideRecipient(address: string, context: DoorContext): Decision {
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
export async function decideMessage(delivery: Delivery, { loaded, now }: DoorContext): Promise<Decision> {
  const { settings, identities } = loaded;
  try {
    const { verdict } = await decide(delivery, { settings, identities, now, ...storesFor("postfix", settings, now) });
    if (!isRefused(verdict, loaded)) return passed(verdict);
    // Another host may have sent what it could not remember.
    if (!await everythingRemembered(settings, now)) {
      return passed({ ...verdict, reason: `${verdict.reason}; not refused, because mail was sent and not remembered` });
    }
    return refused(
      verdict,
      reply("550 5.7.1", "This is a bounce of a message that was not sent from here", contact(loaded)),
    );
  } catch (error) {
    return failed(error);
  }
}

/**
 * Returns whether a message from this sender may be refused because of what it contains: only where everything that
 * signs remembers what it sends in the same state, and has done so for as long as bounces may return.
 */
export function mayRefuseMessage({ loaded: { settings }, sender, now }: DoorContext): boolean {
  return settings.incoming.forged === "refuse" && settings.state.shared && sender !== DOUBLE_BOUNCE &&
    isBounceSender(sender) && remembersAll(settings.state.folder, now);
}

/** RFC 5321 section 4.5.1 and RFC 2142: there must be somebody to whom people can complain about us. */
function isRole(address: string): boolean {
  return /^(?:postmaster|abuse)$/i.test(address.includes("@") ? recipientIn(address).local : address);
}

/** People are told the new address. A bounce to an identity may answer mail that it sent: it is judged. */
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

/** Mail that keys would decide about passes if they cannot be read. */
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

/** Bounces to the plain address, where the identity never uses it as the envelope sender (`refuse_unsigned`). */
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
 * Returns whether mail with this envelope sender can be signed. Without a key that signs, an SRS domain, or room in the
 * local part it leaves with the plain sender.
 */
function leavesSigned(text: string, identity: Identity, { loaded: { settings }, now }: DoorContext): boolean {
  const address = addressIn(text);
  if (address === undefined || signingKey(identity.keys, now) === undefined) return false;
  return (["srs", "prvs"] as const).some((scheme) =>
    typeof sign(scheme, identity, { settings, now }, address) !== "string"
  );
}

/** Signed addresses, and others in an SRS domain. */
function signed(address: string, { loaded, sender, now }: DoorContext): Decision {
  const { settings, identities } = loaded;
  const judged = judge({ sender, recipients: [address] }, { settings, identities, now, answers: false });
  // The envelope alone does not decide about a bounce to an identity.
  if (isNeed(judged)) return { needsMessage: true };
  const { verdict } = judged;
  if (NOT_ABOUT_US.includes(verdict.check)) return { unrelated: true };
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
  if (!isRefused(verdict, loaded)) return passed(verdict);
  return refused(verdict, reply("550 5.1.1", "No such address", contact(loaded)));
}

/** Only what is certainly forged; *unsure*, *unjudged* and all others pass. */
function isRefused({ result }: Verdict, { settings }: Loaded): boolean {
  return result === "forged" && settings.incoming.forged === "refuse";
}

const contact = ({ settings }: Loaded): string => settings.serve.contact;

const passed = (verdict: Verdict): Decision => ({ event: eventOf(verdict, "passed") });
const refused = (verdict: Verdict, reply: string): Decision => ({ reply, event: eventOf(verdict, "refused") });
const failed = (error: unknown): Decision => ({ event: { outcome: "passed", error: errorText(error) } });

function eventOf({ result, check, identity, reason: why }: Verdict, outcome: string): Event {
  return { identity: identity && canonicalAddress(identity), result, check, outcome, why };
}
