/**
 * Decides what happens to a message to a service. This is a pure function: when it needs to know something from
 * outside, it returns a request, and the caller calls it again with the answer among the facts.
 */
import { type Address, canonical, parseAddress } from "../../lib/address.ts";
import { dayOf } from "../../lib/date.ts";
import type { Header } from "../../lib/message.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Key } from "../../lib/settings/keys.ts";
import type { Service } from "../../lib/settings/doorbell.ts";
import type { Received } from "../delivery.ts";
import { unconfirming } from "./automatic.ts";
import { presentedCookie, verifyCookie } from "./cookie.ts";
import { isAuthor, onlyAuthor, whomToAsk } from "./who.ts";

/** A message that was held, as the store describes it. */
export interface HeldFact {
  /**
   * - `held`: waiting for its confirmation
   * - `running`: a program has it, or was killed with it
   * - `kept`: its program was killed; only the administrator decides about it
   * - `done`
   */
  readonly state: "held" | "running" | "kept" | "done";
  /** The address that was asked, and the only author; both are absent when the message is done. */
  readonly address?: string;
  readonly author?: string;
}

/** What is known about an address. */
export type Standing = "remembered" | "allowed" | "denied";

/** What the decision needs to look up: a held message by its ID, or an address. */
export type Lookup = { readonly need: "held"; readonly id: string } | {
  readonly need: "standing";
  readonly address: string;
};

/** What was looked up. */
export interface Facts {
  readonly held?: HeldFact | null;
  readonly standing?: Standing | null;
}

/** What the decision depends on besides the message. */
export interface DoorbellContext {
  readonly service: Service;
  readonly keys: readonly Key[];
  readonly identities: readonly Identity[];
  readonly now: Date;
  /** Whether a program acts on a confirmed message. Then its author must be the one who confirmed. */
  readonly acts: boolean;
  /** The address that the caller has found; null if what it found is not an address. */
  readonly given?: Address | null;
}

/** The state of the sender, as pipelines see it. */
export const STATES = ["known", "new", "mismatch", "expired", "denied"] as const;
export type State = typeof STATES[number];

/** A decision. */
export interface Decision {
  readonly state: State;
  readonly reason: string;
  /** The address that was asked or is to be asked. */
  readonly address?: Address;
  /** Whether a challenge may be sent to it. */
  readonly ask?: boolean;
  /** The held message that is now confirmed, and may be claimed. */
  readonly releases?: string;
  /** Why the address is known. */
  readonly by?: "confirmed" | "remembered";
  /** Whether the message presents a cookie, so that it is not a request itself. */
  readonly confirms?: boolean;
}

/** Decides about a message, or returns what must be looked up first. */
export function decide(
  { envelope, header }: { readonly envelope: Received; readonly header: Header },
  context: DoorbellContext,
  facts: Facts = {},
): Decision | Lookup {
  const { service, keys, now, acts } = context;
  const cookie = presentedCookie(envelope, header, service);
  if (cookie === undefined) return request(envelope, header, context, facts);
  const bad = (state: State, reason: string): Decision => ({ state, reason, confirms: true });
  const machine = unconfirming(envelope, header, service);
  if (machine !== undefined) return bad("mismatch", `a confirmation, but ${machine}`);
  if (cookie === "malformed") return bad("mismatch", "the cookie is not well formed");
  if (facts.held === undefined) return { need: "held", id: cookie.id };
  const expired = cookie.expires < dayOf(now);
  const { held } = facts;
  if (held === null || held.address === undefined) {
    if (held !== null) {
      // Whom it was for is forgotten, but the cookie shows whether it was the author of this message.
      const author = onlyAuthor(header);
      const own = author !== undefined && verifyCookie(service, keys, cookie, author, now) ? { address: author } : {};
      return { ...bad("known", "the message was already released"), by: "confirmed", ...own };
    }
    return expired ? bad("expired", "the cookie has expired") : bad("mismatch", "no such message is held");
  }
  const address = parseAddress(held.address);
  if (!verifyCookie(service, keys, cookie, address, now)) return bad("mismatch", "the cookie is not valid");
  if (expired) return bad("expired", "the cookie has expired");
  const known = { state: "known", by: "confirmed", confirms: true, address } as const;
  if (held.state === "running") return { ...known, reason: "its program is running, or was killed" };
  if (held.state !== "held") return { ...known, reason: "its program was killed; the administrator decides" };
  if (acts && !isAuthor(address, held.author === undefined ? undefined : parseAddress(held.author))) {
    return { ...known, reason: "confirmed by somebody who is not its only author; it stays held" };
  }
  return { ...known, reason: "confirmed", releases: cookie.id };
}

function request(envelope: Received, header: Header, context: DoorbellContext, facts: Facts): Decision | Lookup {
  const { service, acts, given } = context;
  const { address, not } = whomToAsk(envelope, header, context, given);
  if (address === undefined) return { state: "new", reason: `nobody is asked: ${not}`, ask: false };
  if (facts.standing === undefined) return { need: "standing", address: canonical(address) };
  const { standing } = facts;
  if (standing === "denied") return { state: "denied", reason: "the address is denied", address };
  // A list of addresses is a gate against spam. A program acts on it only if the administrator wants that.
  if (standing !== null && (!acts || service.remember_ok) && (!acts || isAuthor(address, onlyAuthor(header)))) {
    return { state: "known", by: "remembered", reason: `the address is ${standing}`, address };
  }
  if (not !== undefined) return { state: "new", reason: `nobody is asked: ${not}`, address, ask: false };
  return { state: "new", reason: "the address has not confirmed", address, ask: true };
}
