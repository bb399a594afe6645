/** Carries out the decision of a doorbell: holds a message, sends challenges, or runs the program. */
import { canonical, formatAddress } from "../lib/address.ts";
import { dayOf } from "../lib/date.ts";
import type { Header } from "../lib/message.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { addressIn, isUnreadable, type Received } from "../incoming/delivery.ts";
import { confirmAddress, makeCookie, printCookie } from "../incoming/doorbell/cookie.ts";
import { decide, type Decision, type DoorbellContext, type Facts, type State } from "../incoming/doorbell/decide.ts";
import { isAuthor, onlyAuthor } from "../incoming/doorbell/who.ts";
import { MAX_AT_ONCE, sendChallenges } from "../io/doorbell/challenge.ts";
import { release } from "../io/doorbell/release.ts";
import { deliveryVariables } from "../io/doorbell/program.ts";
import { TooLarge } from "../io/state/doorbell/held.ts";
import type { DoorbellFiles } from "../io/state/doorbell/files.ts";
import type { Challenged, HeldRecord } from "../io/state/doorbell/store.ts";
import { abortOnSignal, untilAborted } from "../io/system/signals.ts";
import type { Input } from "../io/system/input.ts";
import { failureReason } from "../io/transport/rejected.ts";
import type { DoorbellOptions } from "./doorbell_options.ts";

/** What was done. */
export interface DoorbellResult {
  readonly state: State;
  /** `delivered`: nothing remains to be done; `defer`: the message stays queued. */
  readonly outcome: "delivered" | "defer";
  readonly reason: string;
  /**
   * For a caller that asks by itself: the address at which a reply confirms, or the words for the Subject; and whom to
   * ask. Sent to anybody else, the cookie would confirm an address that never got it.
   */
  readonly byCaller?: { readonly cookie: string; readonly address: string };
  /** Whether somebody else is known than the only author of this message. */
  readonly other?: boolean;
  /** What the program wrote last to standard error, which is not logged. */
  readonly said?: string;
  /** Whether the message was read to its end. */
  readonly consumed?: boolean;
}

/** What acting requires. */
export interface ActContext {
  readonly options: DoorbellOptions;
  readonly input: Input;
  /** The ID of this message. */
  readonly id: string;
  readonly sender: Received["sender"];
  readonly state: DoorbellFiles;
  readonly settings: Settings;
  /** Whether a program runs, or the doorbell delivers. */
  readonly acts: boolean;
  /** Logs something that happened besides. */
  record(decision: undefined, outcome: string, why: string): void;
}

/** Decides about a message, with the facts from the state. */
export function decideOn(
  message: { readonly envelope: Received; readonly header: Header },
  state: DoorbellFiles,
  context: Pick<DoorbellContext, "identities" | "acts" | "given">,
): Decision {
  const { service, keys, now } = state;
  for (let facts: Facts = {};;) {
    const decided = decide(message, { ...context, service, keys, now }, facts);
    if (!("need" in decided)) return decided;
    facts = { ...facts, ...state.lookUp(decided) };
  }
}

/** Carries out a decision. @throws {Fail} when the message could not be held */
export async function actOn(decision: Decision, context: ActContext): Promise<DoorbellResult> {
  const { state, reason } = decision;
  if (state === "new") return await holdAndAsk(decision, context);
  if (state === "mismatch" || state === "expired") return await holdOnly(decision, context);
  const { address } = decision;
  const other = state === "known" &&
    (address === undefined || !isAuthor(address, onlyAuthor(context.input.head.header)));
  if (state === "denied" || (decision.confirms && decision.releases === undefined)) {
    return { state, outcome: "delivered", reason, other };
  }
  return { ...decision.confirms ? await confirmed(decision, context) : await remembered(decision, context), other };
}

/** Holds a request, and sends the challenges that are due, that of this request among them. */
async function holdAndAsk(decision: Decision, context: ActContext): Promise<DoorbellResult> {
  const { options } = context;
  const abort = abortOnSignal();
  const asks = decision.ask === true && options.challenge;
  const { reason, ...held } = await keep(decision, context, asks ? "later" : "never", abort);
  if (held.outcome !== undefined) return { state: "new", outcome: held.outcome, reason, consumed: held.consumed };
  await challenge(context, abort);
  const cookie = options.challenge || decision.ask !== true ? undefined : cookieFor(decision, context);
  return {
    state: "new",
    outcome: "delivered",
    reason,
    consumed: held.consumed,
    ...(cookie !== undefined && { byCaller: { cookie, address: formatAddress(decision.address!) } }),
  };
}

/** Holds a message that confirms nothing, where nothing else has it: it may be a person's answer to the challenge. */
async function holdOnly(decision: Decision, context: ActContext): Promise<DoorbellResult> {
  const { state, reason } = decision;
  if (!context.acts && context.options.caller !== "qmail") return { state, outcome: "delivered", reason };
  const held = await keep(decision, context, "never", abortOnSignal());
  return { state, outcome: "delivered", reason: held.reason, consumed: held.consumed };
}

/** Sends the challenges that are due. The request is held already, so that an error only delays its challenge. */
async function challenge({ state, settings, id, record }: ActContext, abort: AbortSignal): Promise<void> {
  const failed = (about: string, error: unknown) =>
    record(undefined, "not-challenged", `${about}: ${failureReason(error, settings.log_addresses)}`);
  try {
    for (const { id: one, address, error } of await sendChallenges(state, settings, MAX_AT_ONCE, abort)) {
      const about = `${one === id ? "" : "an earlier message: "}${one}${settings.log_addresses ? ` ${address}` : ""}`;
      if (error === undefined) record(undefined, "challenged", about);
      else failed(about, error);
    }
  } catch (error) {
    failed(id, error);
  }
}

/** Holds the message, unless it is already here. `outcome` is set if nothing remains to be done. */
async function keep(
  decision: Decision,
  { options, input, id, state, sender, record: report, acts }: ActContext,
  challenged: Challenged,
  abort: AbortSignal,
): Promise<{ reason: string; consumed: boolean; outcome?: "delivered" }> {
  const here = `${decision.reason}; this message is already held as ${id}`;
  if (state.has(id)) return { reason: here, consumed: false };
  const author = onlyAuthor(input.head.header);
  const record: HeldRecord = {
    address: addressFor(decision, sender),
    ...(author !== undefined && { author: canonical(author) }),
    expires: dayOf(state.now) + state.service.lifetime,
    program: options.program,
    environment: deliveryVariables(),
  };
  // A pipeline keeps the message itself. What is quoted in the challenge is enough here.
  const whole = acts || options.caller === "qmail";
  try {
    const evicted = await state.hold(
      id,
      record,
      untilAborted(whole ? original(input) : beginning(input), abort),
      challenged,
    );
    if (evicted === undefined) return { reason: here, consumed: whole };
    if (evicted > 0) report(undefined, "evicted", `${evicted} held messages, to make room`);
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    // Retrying cannot change its size, and a bounce could go to anybody.
    return { reason: `not held: ${error.message}`, consumed: false, outcome: "delivered" };
  }
  return { reason: `${decision.reason}; held as ${id}`, consumed: whole };
}

/** The address of a message for which nobody can be challenged. */
const UNKNOWN = "unknown@unknown.invalid";

/** Returns the address under which a message is held, which also decides what is evicted. */
function addressFor({ address }: Decision, sender: Received["sender"]): string {
  const found = address ?? (sender === null || sender === undefined ? undefined : addressIn(sender));
  return found === undefined || isUnreadable(canonical(found)) ? UNKNOWN : canonical(found);
}

/** Returns the message as it was received: what was read of it, and the rest. */
async function* original({ prefix, head, body }: Input): AsyncGenerator<Uint8Array> {
  yield prefix.subarray(0, head.bodyStart);
  yield* body();
}

async function* beginning({ prefix }: Input): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(prefix.subarray(0, 16 * 1024));
}

/** Returns the address, or for the Subject the words, with which the sender confirms. */
function cookieFor({ address }: Decision, { id, state }: ActContext): string | undefined {
  const { service, keys, now } = state;
  const expires = dayOf(now) + service.lifetime;
  const cookie = address && makeCookie(service, keys, { id, address, expires }, now);
  if (cookie === undefined) return undefined;
  return service.confirm === "reply"
    ? confirmAddress(service, cookie)
    : `${service.subject_tag} ${printCookie(cookie)}`;
}

/** Releases the message that was confirmed. */
async function confirmed(decision: Decision, context: ActContext): Promise<DoorbellResult> {
  const { options, state, settings } = context;
  const { address, releases } = decision;
  const done = (reason: string, outcome: DoorbellResult["outcome"] = "delivered"): DoorbellResult => {
    return { state: "known", outcome, reason };
  };
  // First, because an error after the claim would leave a message that nobody releases.
  const { remember } = state.service;
  if (remember > 0 && state.standing(address!) === undefined) {
    state.setStanding(address!, "remembered", dayOf(state.now) + remember);
  }
  const claim = state.claim(releases!);
  if (claim === undefined) return done("another message confirms it at this moment");
  if (!context.acts) {
    // Under qmail nothing else has the message: it stays here for the administrator.
    claim.settle(options.caller === "qmail" ? "held" : "done");
    return done("confirmed");
  }
  const { outcome, why, said } = await release(claim, options, "confirmed", settings, state.service, abortOnSignal());
  return { ...done(why, outcome), ...(said && { said }) };
}

/** Acts on a message of a remembered address at once: it is held, claimed and released like any other. */
async function remembered(decision: Decision, context: ActContext): Promise<DoorbellResult> {
  const { options, state, id, settings, acts } = context;
  const { reason } = decision;
  if (!acts) return { state: "known", outcome: "delivered", reason };
  const abort = abortOnSignal();
  const held = await keep(decision, context, "sent", abort); // it needs no challenge
  const result = { state: "known", consumed: held.consumed } as const;
  if (held.outcome !== undefined) return { ...result, outcome: held.outcome, reason: held.reason };
  const claim = state.claim(id);
  if (claim === undefined) return { ...result, outcome: "delivered", reason: `${reason}; already released` };
  const { outcome, why, said } = await release(claim, options, "remembered", settings, state.service, abort);
  return { ...result, outcome, reason: why, ...(said && { said }) };
}
