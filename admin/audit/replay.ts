/** Judges an archived message as the hook would have, for `countersign audit`. Changes nothing. */
import type { Settings } from "../../lib/settings/parse.ts";
import { dayOf } from "../../lib/date.ts";
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import { parseHead } from "../../lib/message.ts";
import { recipientIdentity } from "../../incoming/checks/addressed.ts";
import { claimedIdentity } from "../../incoming/checks/signed_recipient.ts";
import type { Delivery } from "../../incoming/delivery.ts";
import { authorDomain } from "../../incoming/logged.ts";
import { isBounceSender, type Result } from "../../incoming/verdict.ts";
import type { DecideContext } from "../../io/state/lookups.ts";
import { decideRecorded, recordedEnvelope } from "../recorded.ts";

/** An archived message. */
export interface ReplayedMessage {
  /** The beginning of the message. */
  readonly prefix: Uint8Array;
  /** Whether `prefix` is the whole message. */
  readonly whole: boolean;
  /** The envelope sender in the `From ` line of an mbox, used if there is no Return-Path. */
  readonly sender: string | null | undefined;
  /** The time of arrival. */
  readonly now: Date;
  /** Returns the end of a message that is not whole; undefined if it cannot be read. */
  readonly tail?: () => { readonly bytes: Uint8Array; readonly gap: boolean } | undefined;
  /** Whether one of these Message-IDs is in the sent mail. */
  readonly sent: (messageIds: readonly string[]) => boolean;
}

/** The verdict on it. */
export interface ReplayVerdict {
  readonly result: Result;
  /** Whether the envelope sender is the null sender or one that bounces use. */
  readonly bounceSender: boolean;
  /** What shows that the message is a bounce. */
  readonly evidence: string | undefined;
  /** Whether the recipient is the plain address of an identity, not a signed one. */
  readonly plain: boolean;
  /** Whether the envelope sender is the null sender. */
  readonly nullSender: boolean;
  /** Domain of the author, in lower case; empty if there is none. */
  readonly domain: string;
  readonly bodyStart: number;
}

/**
 * Judges a message as of the day of its arrival, with the current keys.
 *
 * @param keyless whether there are no keys: a signed address, which then cannot be verified, counts as the plain one in
 * it, so that the content of the bounce decides
 */
export async function replayMessage(
  message: ReplayedMessage,
  settings: Settings,
  identities: readonly Identity[],
  keyless = false,
): Promise<ReplayVerdict> {
  const { prefix, whole, now } = message;
  const { header, bodyStart } = parseHead(prefix, whole) ??
    { ...parseHead(prefix.subarray(0, prefix.lastIndexOf(10) + 1), true)!, bodyStart: prefix.lastIndexOf(10) + 1 };
  const content = { header, prefix, bodyStart };
  const { sender, recipients, evidence } = await recordedEnvelope(content, message.sender);
  const tail = !whole && isBounceSender(sender) ? message.tail?.() : undefined;
  const delivery: Delivery = {
    ...content,
    sender,
    recipients,
    whole,
    unread: tail?.gap ?? !whole,
    ...(tail && { tail: tail.bytes }),
  };
  const current = identities.map((one) => withoutExpiry(one, now));
  const context: DecideContext = {
    settings,
    identities: current,
    now,
    // It is unknown whether the message was sent with a tag, so that a bounce without one is not held against it.
    sent: (_, ids) => message.sent(ids) ? { day: dayOf(now), signed: false } : undefined,
  };
  let isSigned = false;
  const plain = (recipient: string): string => {
    const identity = keyless ? claimedIdentity(recipient, context) : undefined;
    if (identity === undefined) return recipient;
    isSigned = true;
    return canonicalAddress(identity);
  };
  const { verdict, delivery: asked } = await decideRecorded(delivery, context, plain);
  return {
    result: verdict.result,
    bounceSender: isBounceSender(delivery.sender),
    evidence,
    plain: !isSigned && recipientIdentity(asked, context) !== undefined,
    nullSender: delivery.sender === null,
    domain: authorDomain(header) ?? "",
    bodyStart,
  };
}

/** Returns the identity with keys that verify on any day; the key file is still read only when needed. */
function withoutExpiry(identity: Identity, now: Date): Identity {
  return Object.create(identity, {
    keys: { get: () => identity.keys.map((key) => ({ ...key, created: dayOf(now) })) },
  });
}
