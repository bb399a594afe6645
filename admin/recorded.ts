/**
 * Reconstructs the delivery of a message in a mailbox from the fields that the receiving server recorded, and judges
 * it. `audit` and `sweep` share this, so that they agree about what an archived message is.
 */
import { formatAddress, parseAddressList } from "../lib/address.ts";
import { type Header, named, value, valueOf } from "../lib/message.ts";
import { bounceEvidence, type Content } from "../incoming/bounce.ts";
import { type Delivery, envelope, type Received } from "../incoming/delivery.ts";
import { isBounceSender, type Judgement } from "../incoming/verdict.ts";
import { decide, type DecideContext } from "../io/state/lookups.ts";

/** The envelope of a message in a mailbox. */
export interface RecordedEnvelope extends Received {
  /** What shows that the message is a bounce. */
  readonly evidence: string | undefined;
  /** Whether the null sender was assumed. */
  readonly assumed: boolean;
}

/**
 * Returns the envelope, as far as it was recorded. If the sender was not, a message that looks like a bounce is assumed
 * to have the null sender.
 *
 * @param otherwise the sender if there is no Return-Path, such as that of the `From ` line of an mbox
 */
export async function recordedEnvelope(content: Content, otherwise?: string | null): Promise<RecordedEnvelope> {
  const { header } = content;
  const onTop = await envelope("maildrop", header, () => Promise.resolve(undefined), {});
  // Programs that fetch mail add fields above the Return-Path. One that the sender forged can only turn a bounce into
  // ordinary mail, which is left alone.
  const below = value(header, "Return-Path")?.replace(/^<(.*)>$/, "$1");
  const recorded = onTop.sender !== undefined ? onTop.sender : below === "" ? null : below ?? otherwise;
  const evidence = bounceEvidence(content, recorded !== undefined);
  const assumed = recorded === undefined && evidence !== undefined;
  const sender = assumed ? null : recorded;
  const relayed = header.some((one) => named(one, "Received"));
  const person = relayed && typeof sender === "string" && !isBounceSender(sender);
  // Ordinary mail is judged by the envelope alone, of which the hook sees only the fields at the top.
  const recipients = onTop.recipients.length > 0 || person ? onTop.recipients : recordedRecipients(header);
  return { sender, recipients, evidence, assumed };
}

/**
 * Judges a delivery with a recorded envelope.
 *
 * @param plain returns the recipient that is judged in place of a recorded one
 * @returns the judgement, and the delivery with the recipients that it is about
 * @throws {Fail} `temporary` when a store cannot be read
 */
export async function decideRecorded(
  received: Delivery,
  context: DecideContext,
  plain = (recipient: string) => recipient,
): Promise<Judgement & { readonly delivery: Delivery }> {
  const delivery = { ...received, recipients: received.recipients.map(plain) };
  const judgement = await decide(delivery, context);
  const { result, identity } = judgement.verdict;
  if (result !== "other" || identity !== undefined || !isBounceSender(delivery.sender)) {
    return { ...judgement, delivery };
  }
  // Delivered-To may have the name of a mailbox, and a sender can write one, too; the To field has the address that was
  // used. Any of them can show that a bounce in this mailbox is about an identity.
  const fields = delivery.header.filter((one) => named(one, "X-Original-To", "Envelope-to", "Delivered-To")).slice(
    0,
    MAX_RECORDED,
  );
  const recorded = fields.flatMap((one) => recordedAddresses(valueOf(one)));
  const recipients = [...recorded, ...addressesIn(value(delivery.header, "To") ?? "")].map(plain);
  const asked = { ...delivery, recipients };
  return { ...await decide(asked, context), delivery: asked };
}

/**
 * Matches the Received fields of programs that fetch mail (fetchmail, getmail, mpop, fdm) from the first `by` on: they
 * name the protocol. In the field of a server, the sender chooses names before it, which have no spaces, and sometimes
 * an address behind the protocol.
 */
const FETCHED = new RegExp(
  [
    /^by\s{1,20}\S{1,255}\s{1,20}/,
    /(?:\((?:mpop-\S{1,20}|fdm \S{1,20}, account "[^"()]{1,99}")\)\s{1,20})?/,
    /with\s{1,20}(?:POP3|IMAP4?|SDPS|ETRN|ODMR)\b/,
  ].map(({ source }) => source).join(""),
  "i",
);

/** Whether a program that fetches mail wrote this Received field. A sender cannot make it look so. */
const isFetched = (received: string): boolean => FETCHED.test(received.slice(received.search(/(?<!\S)by\s/i)));

/** Returns when a server received the message; without such a field, when its file was written, or now. */
export function arrivalOf(header: Header, written: Date | null): Date {
  const received = header.find((one) => named(one, "Received") && !isFetched(valueOf(one)));
  const text = received === undefined ? "" : valueOf(received);
  const date = new Date(text.slice(text.lastIndexOf(";") + 1).replace(/\([^()]*\)/g, " "));
  return Number.isNaN(date.getTime()) ? written ?? new Date() : date;
}

/** Fields with recipients that are looked at. */
const MAX_RECORDED = 20;

/** Returns the recipient that an MTA recorded; Exim's Envelope-to lists all recipients of one delivery. */
export function recordedRecipients(header: Header): string[] {
  const recorded = ["X-Original-To", "Envelope-to", "Delivered-To"].map((name) => value(header, name))
    .find((one) => one !== undefined && one !== "");
  return recorded === undefined ? [] : recordedAddresses(recorded);
}

/** Returns the addresses in a field; its text if it cannot be parsed, because qmail records any local part unquoted. */
function recordedAddresses(text: string): string[] {
  const listed = addressesIn(text);
  return listed.length > 0 ? listed : [text.replace(/^<(.*)>$/, "$1")];
}

/** Returns the addresses in a list; none if it cannot be parsed. */
export function addressesIn(list: string): string[] {
  try {
    return parseAddressList(list).flatMap(({ address }) => address === null ? [] : [formatAddress(address)]);
  } catch {
    return [];
  }
}
