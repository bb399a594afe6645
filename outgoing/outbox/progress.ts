/** How an entry of the outbox changes: attempts, their results, and when the next one is due. */
import { type Address, formatAddress } from "../../lib/address.ts";
import type { OutboxEntry, OutboxRecipient } from "./entry.ts";

/** The delay after the first failed attempt; it doubles with each further one, up to the second value. */
const [MIN_DELAY_MS, MAX_DELAY_MS] = [60_000, 4 * 3_600_000];

/** Days after which a message that could not be sent is reported to the sender. */
const MAX_AGE_DAYS = 5;

/**
 * Minimum number of attempts. A laptop that was off for a week makes its first attempt before the network is up,
 * and a clock that was wrong for a moment must not end all entries.
 */
const MIN_ATTEMPTS = 8;

/**
 * What an attempt found out about a recipient. `unknown`: the message was committed, but not confirmed. It may have
 * been sent, and is sent again.
 */
export type Outcome = "accepted" | "temporary" | "permanent" | "unknown";

/** The result of an attempt for one recipient. */
export interface RecipientResult {
  readonly address: Address;
  readonly outcome: Outcome;
  /** What the server or program said, on one line. */
  readonly reply: string;
}

/** Maximum length of a reply that is kept. */
const MAX_REPLY_LENGTH = 500;

/** Returns the text of a reply on one line and without control characters: a server chose it. */
export function replyText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").trim().slice(0, MAX_REPLY_LENGTH);
}

/** The recipients to which the message is still to be sent. */
export function unsent({ recipients }: Pick<OutboxEntry, "recipients">): OutboxRecipient[] {
  return recipients.filter(({ state }) => state === "waiting" || state === "sending");
}

/** The rejected recipients that were not reported to the sender yet. */
export function unreported({ recipients }: Pick<OutboxEntry, "recipients">): OutboxRecipient[] {
  return recipients.filter(({ state, reported }) => state === "refused" && !reported);
}

/** Returns whether nothing is left to be done. */
export const isFinished = (entry: OutboxEntry): boolean => unsent(entry).length + unreported(entry).length === 0;

/** Returns whether an attempt was interrupted between its final dot and the note of its result. */
export const mayBeSent = ({ recipients }: OutboxEntry): boolean => recipients.some(({ state }) => state === "sending");

/**
 * Returns whether an attempt is due. One that is further ahead than the delay after this many attempts was set by a
 * clock that was wrong, so it is due, too.
 */
export function isDue({ hold, next, attempts }: OutboxEntry, now: number): boolean {
  return !hold && (next <= now || next > now + delayAfter(attempts));
}

/** Returns whether no further attempts are made. */
export function isExpired({ created, attempts }: OutboxEntry, now: number): boolean {
  return attempts >= MIN_ATTEMPTS && now - created >= MAX_AGE_DAYS * 86_400_000;
}

/** Returns the delay after this many failed attempts. */
export function delayAfter(attempts: number): number {
  return Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** Math.min(Math.max(attempts - 1, 0), 16));
}

/**
 * Records, directly before the message is committed, which recipients it may have been sent to if nothing more is
 * recorded. It is an attempt already, so that it is not repeated every minute if the disk cannot be written afterwards.
 */
export function committing(entry: OutboxEntry, results: readonly RecipientResult[], now: number): OutboxEntry {
  const states = { accepted: "sending", unknown: "sending", temporary: "waiting", permanent: "refused" } as const;
  return { ...update(entry, results, states), ...attempted(entry.attempts, now) };
}

/**
 * Notes the results of an attempt.
 *
 * @param before the number of attempts before this one
 */
export function afterAttempt(
  entry: OutboxEntry,
  { results, unreachable }: { readonly results: readonly RecipientResult[]; readonly unreachable: boolean },
  now: number,
  before = entry.attempts,
): OutboxEntry {
  const states = { accepted: "sent", unknown: "sending", temporary: "waiting", permanent: "refused" } as const;
  const after = { ...update(entry, results, states), ...attempted(before, now), unreachable };
  // A server that accepts only some recipients at a time (452, RFC 5321 section 4.5.3.1.10) soon gets the others.
  return results.some(({ outcome }) => outcome === "accepted") ? { ...after, next: now + MIN_DELAY_MS } : after;
}

const attempted = (before: number, now: number) => ({ attempts: before + 1, next: now + delayAfter(before + 1) });

/** Rejects the recipients to which the message was not sent. */
export function expired(entry: OutboxEntry): OutboxEntry {
  const refuse = (one: OutboxRecipient): OutboxRecipient =>
    one.state === "waiting" || one.state === "sending" ? { ...one, state: "refused" } : one;
  return { ...entry, recipients: entry.recipients.map(refuse) };
}

/** Records that all rejected recipients were reported to the sender. */
export function reported(entry: OutboxEntry): OutboxEntry {
  const tell = (one: OutboxRecipient): OutboxRecipient => one.state === "refused" ? { ...one, reported: true } : one;
  return { ...entry, recipients: entry.recipients.map(tell) };
}

function update(
  entry: OutboxEntry,
  results: readonly RecipientResult[],
  states: Readonly<Record<Outcome, OutboxRecipient["state"]>>,
): OutboxEntry {
  const found = new Map(results.map((one) => [formatAddress(one.address), one]));
  const recipients = entry.recipients.map((one): OutboxRecipient => {
    const result = found.get(formatAddress(one.address));
    if (result === undefined || one.state === "sent" || one.state === "refused") return one;
    return { ...one, state: states[result.outcome], reply: replyText(result.reply) };
  });
  return { ...entry, recipients };
}
