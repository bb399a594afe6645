/** What the hook would have done with a message that lies in a mailbox, for `countersign audit`. Changes nothing. */
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

/** A message of the past. */
export interface Past {
  /** Its beginning. */
  readonly prefix: Uint8Array;
  /** Is this all of it? */
  readonly whole: boolean;
  /** The envelope sender when no Return-Path tells it: that of an mbox line. */
  readonly sender: string | null | undefined;
  /** When it came in. */
  readonly now: Date;
  /** The end of a message that is not whole, where it can be read. */
  readonly tail?: () => { readonly bytes: Uint8Array; readonly gap: boolean } | undefined;
  /** Was one of these messages sent, as far as a mailbox tells? */
  readonly sent: (messageIds: readonly string[]) => boolean;
}

/** What can be said about it. */
export interface PastVerdict {
  readonly result: Result;
  /** Did it come from the null sender, or one like it? */
  readonly bounceSender: boolean;
  /** What makes it look like a bounce. */
  readonly sign: string | undefined;
  /** Was it for the plain address of an identity, not for a signed one? */
  readonly plain: boolean;
  /** Domain of its author, lower case; empty when there is none. */
  readonly domain: string;
  readonly bodyStart: number;
}

/** Judges it as of the day it came, with the keys of today. */
export async function judgePast(past: Past, settings: Settings, identities: readonly Identity[]): Promise<PastVerdict> {
  const { prefix, whole, now } = past;
  const { header, bodyStart } = parseHead(prefix, whole) ??
    { ...parseHead(prefix.subarray(0, prefix.lastIndexOf(10) + 1), true)!, bodyStart: prefix.lastIndexOf(10) + 1 };
  const told = await envelope("maildrop", header, () => Promise.resolve(undefined), {});
  // Programs that fetch mail put lines above the Return-Path; it may lie, and here that harms nobody.
  const below = value(header, "Return-Path")?.replace(/^<(.*)>$/, "$1");
  const sender = told.sender !== undefined ? told.sender : below === "" ? null : below ?? past.sender;
  const sign = bounceEvidence({ header, prefix, bodyStart }, sender !== undefined);
  // Where nobody wrote the envelope down, what looks like a bounce is taken to have come from the null sender.
  const from = sender === undefined && sign !== undefined ? null : sender;
  const tail = !whole && isBounceSender(from) ? past.tail?.() : undefined;
  const relayed = header.some((one) => named(one, "Received"));
  const person = relayed && typeof from === "string" && !isBounceSender(from);
  const delivery: Delivery = {
    sender: from,
    // A person's mail is judged by the envelope alone, of which a hook sees no more than the fields on top.
    recipients: told.recipients.length > 0 || person ? told.recipients : written(header),
    header,
    prefix,
    bodyStart,
    whole,
    unread: tail?.gap ?? !whole,
    ...(tail && { tail: tail.bytes }),
  };
  const living = identities.map((one) => agelessly(one, now));
  const context: DecideContext = {
    settings,
    identities: living,
    now,
    // Nobody knows whether it left with a tag: what it would have returned is taken for all that it could.
    sent: (_, ids) => past.sent(ids) ? { day: dayOf(now), signed: false } : undefined,
  };
  let asked = delivery;
  let { verdict } = await decide(delivery, context);
  if (verdict.result === "other" && verdict.identity === undefined && isBounceSender(delivery.sender)) {
    // Mailboxes have names of their own in Delivered-To; the header's To is who was meant.
    asked = { ...delivery, recipients: namesIn(value(header, "To") ?? "") };
    ({ verdict } = await decide(asked, context));
  }
  const [author] = namesIn(value(header, "From") ?? "");
  return {
    result: verdict.result,
    bounceSender: isBounceSender(delivery.sender),
    sign,
    plain: recipientIdentity(asked, context) !== undefined,
    domain: author === undefined ? "" : author.slice(author.lastIndexOf("@") + 1).toLowerCase(),
    bodyStart,
  };
}

/** The identity with keys that verify on any day; none is read before it is asked for. */
function agelessly(identity: Identity, now: Date): Identity {
  return Object.create(identity, {
    keys: { get: () => identity.keys.map((key) => ({ ...key, created: dayOf(now) })) },
  });
}

/** The recipient that some MTA wrote down. */
function written(header: Header): string[] {
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
