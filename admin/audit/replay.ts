/** Judges an archived message as the hook would have, for `countersign audit`. Changes nothing. */
import { formatAddress, parseAddressList } from "../../lib/address.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { dayOf } from "../../lib/date.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { type Header, named, parseHead, value } from "../../lib/message.ts";
import { recipientIdentity } from "../../incoming/checks/addressed.ts";
import { type Delivery, envelope } from "../../incoming/delivery.ts";
import { isBounceSender, type Result } from "../../incoming/verdict.ts";
import { decide, type DecideContext } from "../../io/state/lookups.ts";
import { bounceEvidence } from "../../incoming/bounce.ts";

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

/** Judges a message as of the day of its arrival, with the current keys. */
export async function replayMessage(
  message: ReplayedMessage,
  settings: Settings,
  identities: readonly Identity[],
): Promise<ReplayVerdict> {
  const { prefix, whole, now } = message;
  const { header, bodyStart } = parseHead(prefix, whole) ??
    { ...parseHead(prefix.subarray(0, prefix.lastIndexOf(10) + 1), true)!, bodyStart: prefix.lastIndexOf(10) + 1 };
  const recorded = await envelope("maildrop", header, () => Promise.resolve(undefined), {});
  // Programs that fetch mail add fields above the Return-Path. It may be forged, which is harmless in an audit.
  const below = value(header, "Return-Path")?.replace(/^<(.*)>$/, "$1");
  const sender = recorded.sender !== undefined ? recorded.sender : below === "" ? null : below ?? message.sender;
  const evidence = bounceEvidence({ header, prefix, bodyStart }, sender !== undefined);
  // If the envelope was not recorded, a message that looks like a bounce is assumed to have the null sender.
  const from = sender === undefined && evidence !== undefined ? null : sender;
  const tail = !whole && isBounceSender(from) ? message.tail?.() : undefined;
  const relayed = header.some((one) => named(one, "Received"));
  const person = relayed && typeof from === "string" && !isBounceSender(from);
  const delivery: Delivery = {
    sender: from,
    // Ordinary mail is judged by the envelope alone, of which the hook sees only the fields at the top.
    recipients: recorded.recipients.length > 0 || person ? recorded.recipients : recordedRecipient(header),
    header,
    prefix,
    bodyStart,
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
  let asked = delivery;
  let { verdict } = await decide(delivery, context);
  if (verdict.result === "other" && verdict.identity === undefined && isBounceSender(delivery.sender)) {
    // Delivered-To may have the name of a mailbox; the To field has the address that was used.
    asked = { ...delivery, recipients: namesIn(value(header, "To") ?? "") };
    ({ verdict } = await decide(asked, context));
  }
  const [author] = namesIn(value(header, "From") ?? "");
  return {
    result: verdict.result,
    bounceSender: isBounceSender(delivery.sender),
    evidence,
    plain: recipientIdentity(asked, context) !== undefined,
    nullSender: delivery.sender === null,
    domain: author === undefined ? "" : author.slice(author.lastIndexOf("@") + 1).toLowerCase(),
    bodyStart,
  };
}

/** Returns the identity with keys that verify on any day; the key file is still read only when needed. */
function withoutExpiry(identity: Identity, now: Date): Identity {
  return Object.create(identity, {
    keys: { get: () => identity.keys.map((key) => ({ ...key, created: dayOf(now) })) },
  });
}

/** Returns the recipient that an MTA recorded. */
function recordedRecipient(header: Header): string[] {
  const recipient = value(header, "X-Original-To") ?? value(header, "Delivered-To");
  return recipient === undefined ? [] : [recipient];
}

function namesIn(list: string): string[] {
  try {
    return parseAddressList(list).flatMap(({ address }) => address === null ? [] : [formatAddress(address)]);
  } catch {
    return [];
  }
}
