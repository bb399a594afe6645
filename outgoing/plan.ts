/** Plans an outgoing message: its envelope sender, its tag, and what to remember about it. Does no I/O. */
import { type Address, formatMailbox, parseAddressList } from "../lib/address.ts";
import { base32 } from "../lib/bytes.ts";
import type { Account } from "../lib/settings/accounts.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { rfc5322Date } from "../lib/date.ts";
import { Fail, reason } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { keyWarning, noSigningKey, signingKey } from "../lib/settings/keys.ts";
import { type Field, field, type Header, named, valueOf, values, without } from "../lib/message.ts";
import { messageIdBody, messageIdOf } from "../lib/message_id.ts";
import type { Scheme } from "../lib/settings/schema.ts";
import { NONCE_BYTES, signTag, TAG_FIELD, tagNonce } from "../lib/tag.ts";
import type { Envelope } from "../lib/envelope.ts";
import type { OutgoingRequest } from "./request.ts";
import { chooseAccount, type ChosenAccount } from "./account.ts";
import { alreadyRelayed, firstBlock, type OwnAddress, ownership, ownSender, sendingAddresses } from "./owner.ts";
import { chooseSender } from "./sender.ts";

/** What must be known before planning. */
export interface PlanContext {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  /** The accounts of which one sends the message; without them it leaves in another way. */
  readonly accounts?: readonly Account[];
  readonly now: Date;
  /** {@link RANDOM_BYTES} random bytes, used for this message alone. */
  readonly random: Uint8Array;
  /** Whether a line `From sender date` preceded the header, so the message is from a delivery agent or a mailbox. */
  readonly mailboxLine?: boolean;
}

/** Number of random bytes in a Message-ID that is added. */
const ID_BYTES = 15;
/** Number of random bytes that a plan needs. */
export const RANDOM_BYTES = ID_BYTES + NONCE_BYTES;

/** What to send, and why. */
export interface Plan {
  readonly envelope: Envelope;
  readonly header: Header;
  /** The scheme of the envelope sender; `none` when the message must not be signed. */
  readonly scheme: Scheme | "none";
  /** Why the message must not be signed, in words; only with the scheme `none`. */
  readonly why?: string;
  /** The identity that sends the message; undefined when it must not be signed. */
  readonly identity: Identity | undefined;
  /** The account that sends the message; undefined when mail does not leave through accounts. */
  readonly account?: ChosenAccount;
  /** The address from which the envelope sender was made; undefined when the message must not be signed. */
  readonly signed?: OwnAddress;
  /** What to add to the index of sent mail; undefined for messages of others and already relayed ones. */
  readonly sent: SentRecord | undefined;
  /** Notes for the log about unexpected choices. */
  readonly notes: readonly string[];
  /** Why the user's own message is sent unsigned, when no key can sign. */
  readonly error?: string;
  /** Warning that a key will soon stop signing. */
  readonly warning?: string;
}

/** A message in the index of sent mail. */
export interface SentRecord {
  /** The identities to which bounces and replies may be sent: the envelope sender and the authors. */
  readonly identities: readonly Identity[];
  readonly messageId: string;
  /** Whether it is sent with a tag. */
  readonly signed: boolean;
}

/**
 * Plans one message.
 *
 * @throws {Fail} `usage` without recipients, `data` for a header that cannot be parsed, `config` without an account
 */
export function plan(request: OutgoingRequest, given: Header, context: PlanContext): Plan {
  const recipients = findRecipients(request, given);
  const givenSender = request.sender ? ownSender(request.sender, context) : undefined;
  const open = without(given, "Bcc", "Resent-Bcc", "Return-Path");
  // The original header is examined, because a Resent-Bcc field alone shows that the message was already relayed. Then
  // no missing fields are added, either: the user's From would make the message of a stranger look like their own.
  const relayed = alreadyRelayed(given);
  const header = relayed ? open : addMissingFields(request, open, context, givenSender);
  const block = !relayed ? header : context.mailboxLine ? [] : firstBlock(given);
  const { domain } = context.settings;
  const account = chooseAccount(context.accounts ?? [], { block, relayed, sender: request.sender, domain });
  const through = account && { account };
  const { author, authors } = ownership(block, context, relayed ? "Resent-" : "");

  const concerned = [...new Set([...givenSender ? [givenSender.identity] : [], ...authors])];
  const id = block.find((one) => named(one, relayed ? "Resent-Message-ID" : "Message-ID"));
  const remembered = id !== undefined && (relayed ? authors : concerned).length > 0;
  const sent = (signed: boolean): SentRecord | undefined =>
    remembered ? { identities: concerned, messageId: messageIdBody(id), signed } : undefined;
  const envelopeFrom = (sender: Envelope["sender"]): Envelope => ({ sender, recipients, dsn: request.dsn });

  const sender = request.sender === undefined ? author : givenSender;
  if (author === undefined || sender === undefined) {
    const notes = pretends(request.sender, givenSender, context);
    const read = request.sender === undefined && request.senderFromHeader === true;
    return {
      envelope: envelopeFrom(read ? sendingAddresses(block, domain, relayed ? "Resent-" : "")[0] : request.sender),
      header,
      scheme: "none",
      why: author !== undefined
        ? `the envelope sender is ${request.sender === null ? "null" : "not an identity"}`
        : relayed
        ? "the message was already relayed"
        : authors.length > 0
        ? "neither the Sender nor every author is an identity"
        : "the author is not an identity",
      identity: undefined,
      ...through,
      sent: sent(false),
      notes,
    };
  }
  const chosen = chooseSender(sender, recipients, context, account?.account.sender);
  const tags = context.settings.tag.sign && !relayed;
  const tagged = tags ? withTag(header, author.identity, context) : undefined;
  return {
    envelope: envelopeFrom(chosen.sender),
    header: tagged ?? header,
    signed: sender,
    scheme: chosen.scheme,
    identity: author.identity,
    ...through,
    sent: sent(tagged !== undefined),
    notes: chosen.notes,
    ...aboutKeys(new Set([sender.identity, ...tags ? [author.identity] : []]), context.now),
  };
}

/** Notes an envelope sender in an SRS domain of the user that no key signed: its bounces will be treated as forged. */
function pretends(
  sender: Address | null | undefined,
  envelope: OwnAddress | undefined,
  { identities }: PlanContext,
): string[] {
  const domain = sender?.domain.toLowerCase();
  const looks = envelope === undefined && identities.some((one) => one.srsDomain !== "" && one.srsDomain === domain);
  return looks ? ["the envelope sender is in your SRS domain, but no key signed it"] : [];
}

/** The errors and warnings for the log about the keys with which the message should be signed. */
function aboutKeys(identities: Iterable<Identity>, now: Date): Pick<Plan, "error" | "warning"> {
  const errors: string[] = [];
  const warnings: string[] = [];
  for (const identity of identities) {
    const name = canonicalAddress(identity);
    const [why, warning] = [noSigningKey(identity.keys, now), keyWarning(identity.keys, now)];
    if (why !== undefined) errors.push(`No key of ${name} can sign: ${why}`);
    else if (warning !== undefined) warnings.push(`${name}: ${warning}`);
  }
  return {
    ...errors.length > 0 ? { error: errors.join("; ") } : {},
    ...warnings.length > 0 ? { warning: warnings.join("; ") } : {},
  };
}

function findRecipients(request: OutgoingRequest, header: Header): Address[] {
  const found = [...request.recipients];
  if (request.recipientsFrom !== "arguments") {
    // RFC 5322 section 3.6.6: the recipients of a resent message are in its Resent- fields.
    const resent = header.some((one) => named(one, "Resent-To", "Resent-Cc", "Resent-Bcc"));
    for (const name of resent ? ["Resent-To", "Resent-Cc", "Resent-Bcc"] : ["To", "Cc", "Bcc"]) {
      for (const value of values(header, name)) {
        for (const { address } of headerAddresses(name, value)) if (address !== null) found.push(address);
      }
    }
  }
  const unique = new Map(found.map((one) => [`${one.local}@${one.domain.toLowerCase()}`, one]));
  if (unique.size === 0) throw new Fail("usage", "No recipients given");
  return [...unique.values()];
}

function headerAddresses(name: string, value: string) {
  if (/[\r\0]/.test(value)) throw new Fail("data", `Field ${name} contains CR or NUL`);
  try {
    return parseAddressList(value, { bare: true });
  } catch (error) {
    throw new Fail("data", `Field ${name}: ${reason(error)}`);
  }
}

/** Adds fields that cron and small scripts leave out (RFC 5322 section 3.6), before the message is tagged. */
function addMissingFields(
  request: OutgoingRequest,
  header: Header,
  context: PlanContext,
  sender: OwnAddress | undefined,
): Header {
  // An empty field counts as a missing one; two of a name would be invalid.
  const out = header.filter((one) => !named(one, "From", "Sender", "Date", "Message-ID") || valueOf(one) !== "");
  const has = (name: string) => out.some((one) => named(one, name));
  const author = request.sender === undefined ? context.identities[0]?.address : sender?.address ?? request.sender;
  if (!has("From") && author) out.push(field("From", formatMailbox(request.fullName, author)));
  if (!has("Date")) out.push(field("Date", rfc5322Date(context.now)));
  if (!has("Message-ID")) {
    const random = base32(context.random.subarray(0, ID_BYTES));
    const domain = author?.domain || context.identities[0]?.address.domain || "localhost";
    out.push(field("Message-ID", `<${random}@${domain}>`));
  }
  return out;
}

/**
 * Returns the header with exactly one tag, directly below the Message-ID, so that a truncated header keeps both. An old
 * tag, from a draft or a template, is removed. Undefined when no key can sign.
 *
 * @throws {Fail} `data` for a Message-ID that could not be recognized when it comes back
 */
function withTag(header: Header, identity: Identity, { now, random }: PlanContext): Header | undefined {
  const key = signingKey(identity.keys, now);
  if (key === undefined) return undefined;
  const clean = without(header, TAG_FIELD).map((one) => named(one, "Message-ID") ? withoutBlankLines(one) : one);
  const nonce = tagNonce(random.subarray(ID_BYTES, RANDOM_BYTES));
  const options = { key: key.id, secret: key.secret, now, nonce };
  const tag = signTag(canonicalAddress(identity), messageIdOf(clean), options);
  const below = clean.findIndex((one) => named(one, "Message-ID")) + 1;
  return clean.toSpliced(below, 0, field(TAG_FIELD, tag));
}

/** Removes lines of white space only: they are obsolete (RFC 5322 section 4.2), and in a bounce they end the header. */
function withoutBlankLines(one: Field): Field {
  return { ...one, raw: one.raw.replace(/\n[ \t]*(?=\n|$)/g, "") };
}
