/**
 * The role `map`: the lookups of a mail server that speaks the socketmap protocol (socketmap_table(5)). A request is
 * `MAP KEY`; the reply is `OK ADDRESS`, `NOTFOUND `, `TEMP REASON` if the lookup must be repeated, or `PERM REASON`.
 */
import { canonical } from "../../lib/address.ts";
import { errorText } from "../../lib/fail.ts";
import type { Event } from "../../lib/log.ts";
import { canonicalAddress, identityOf } from "../../lib/settings/identity.ts";
import { claimOf, isSrsDomain, recipientIn } from "../../incoming/claimed.ts";
import { openPrvs } from "../../incoming/checks/signed_recipient.ts";
import { addressIn, isUnreadable } from "../../incoming/delivery.ts";
import { judge } from "../../incoming/judge.ts";
import { isNeed } from "../../incoming/need.ts";
import { log } from "../../io/system/log.ts";
import type { Loaded } from "../loaded.ts";
import type { Protocol } from "../sockets/requests.ts";
import {
  forwardSender,
  keyProblem,
  NO_KEY,
  quoted,
  reverseForwarded,
  type Rewritten,
  WRONG_HASH,
} from "./forwarding.ts";
import { netstring, NetstringReader } from "./netstring.ts";

/** What a map knows about a key: the address; why there is none, with whether that is logged; or a temporary error. */
type Found =
  | { readonly address: string }
  | { readonly why: string; readonly logged?: boolean }
  | { readonly temporary: string };

/** Settings and time of a lookup. */
interface MapContext {
  readonly loaded: Loaded;
  readonly now: Date;
}

type LookUp = (key: string, context: MapContext) => Found;

/** The maps by name. */
export const MAPS: Readonly<Record<string, LookUp>> = {
  "srs-reverse": reverseSigned,
  prvs: reversePrvs,
  moved,
  "srs-forward": (key, context) => forwarded(key, context, forwardSender),
  "srs-back": (key, context) => forwarded(key, context, reverseForwarded),
};

/** Answers with the settings that are loaded when a request arrives. */
export function mapProtocol(loaded: () => Loaded): Protocol<string> {
  return {
    reader: () => new NetstringReader(),
    answer: (request) => netstring(replyTo(request, loaded)),
    malformed: netstring("PERM malformed request"),
  };
}

/** Returns the reply to a request. Never throws. */
export function replyTo(request: string, loaded: () => Loaded): string {
  const space = request.indexOf(" ");
  const name = request.slice(0, Math.max(space, 0));
  const map = Object.hasOwn(MAPS, name) ? MAPS[name] : undefined;
  if (map === undefined) return "PERM no such map";
  const context = { loaded: loaded(), now: new Date() };
  const found = lookUp(map, request.slice(space + 1), context);
  if ("address" in found) return `OK ${found.address}`;
  if ("temporary" in found) {
    record({ check: name, outcome: "deferred", error: found.temporary }, context);
    return `TEMP ${found.temporary.replace(/[^ -~]+/g, " ")}`;
  }
  if (found.logged === true) record({ check: name, outcome: "not-found", why: found.why }, context);
  return "NOTFOUND ";
}

function lookUp(map: LookUp, key: string, context: MapContext): Found {
  // Postfix also looks up `user`, `@domain` and, for the null sender, two quotation marks.
  if (!/^[^@].*@./s.test(key) || isUnreadable(key)) return { why: "not an address" };
  try {
    return map(key, context);
  } catch (error) {
    return { temporary: errorText(error) };
  }
}

function record(event: Event, { loaded: { settings } }: MapContext): void {
  log(settings, { direction: "in", at: "map", ...event });
}

/**
 * Returns the plain address of a signed one that the hook would deliver, and the identity that is the postmaster of an
 * SRS domain. No other address in such a domain exists.
 */
function reverseSigned(key: string, { loaded, now }: MapContext): Found {
  const { settings, identities, unreadable } = loaded;
  const { local, domain } = recipientIn(key);
  if (claimOf(local) === undefined && !isSrsDomain(domain, { identities })) return { why: "not an SRS address" };
  for (const [identity, why] of unreadable) if (identity.srsDomain === domain) return { temporary: why };
  const context = { settings, identities, now, answers: false };
  const judged = judge({ sender: null, recipients: [key] }, context);
  if (isNeed(judged)) return { why: "not a signed address" };
  const { action, identity, reason } = judged.verdict;
  if (action !== "deliver" || identity === undefined) return { why: reason, logged: action !== "deliver" };
  // An address of an identity was signed in lower case, even if its case was changed in transit.
  const plain = claimOf(local)?.address.toLowerCase();
  return { address: plain === undefined ? canonicalAddress(identity) : quoted(plain) };
}

/** Returns the plain address of a prvs address of an identity. */
function reversePrvs(key: string, { loaded, now }: MapContext): Found {
  const { settings, identities } = loaded;
  const opened = openPrvs(key, { settings, identities, now });
  if (opened === undefined) return { why: "not a prvs address of an identity" };
  return "identity" in opened ? { address: opened.plain } : { why: opened.wrong, logged: true };
}

/**
 * Returns the new address. A bounce to an identity may be about mail that it sent, and a map does not see the sender.
 */
function moved(key: string, { loaded }: MapContext): Found {
  const address = addressIn(key);
  const next = address && loaded.moved.get(canonical(address));
  if (next === undefined || identityOf(loaded.identities, key) !== undefined) return { why: "not moved" };
  return { address: next };
}

function forwarded(
  key: string,
  { loaded, now }: MapContext,
  rewrite: (key: string, context: Parameters<typeof forwardSender>[1]) => Rewritten,
): Found {
  const { settings, identities, forwarding } = loaded;
  if (forwarding === undefined) return { why: "forwarding.domain is not set" };
  const problem = keyProblem(forwarding, now);
  const keys = "keys" in forwarding ? forwarding.keys : [];
  const rewritten = rewrite(key, { settings, identities, keys, now });
  if ("address" in rewritten) return rewritten;
  const needsKey = [NO_KEY, WRONG_HASH].includes(rewritten.why);
  // Whatever needs no key is decided without one: mail of identities must not depend on the keys of forwarded mail.
  if (needsKey && problem !== undefined) return { temporary: problem };
  return { ...rewritten, logged: needsKey };
}
