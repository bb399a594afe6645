/**
 * Recognizes challenges about messages that the user sent, and decides whether
 * they may be answered. An answer is a contract, so everything must match: the
 * form and the reply address, the tag, the ledger entry, and the quoted message
 * to its end. Anything else is delivered.
 */
import { type Address, canonical, parseAddress, parseAddressList, sameAddress } from "../../lib/address.ts";
import { decodeLatin1 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import { isRejection } from "../../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../../lib/settings/identity.ts";
import { secretsById, validKeys } from "../../lib/settings/keys.ts";
import { disagreement, hasToken, TOKEN_FIELD } from "../../lib/entry.ts";
import { type Header, named, values } from "../../lib/message.ts";
import { bareMessageId, messageIdBody } from "../../lib/message_id.ts";
import { TAG_FIELD, verifyTag } from "../../lib/tag.ts";
import { type Delivery, isMessage, type Received } from "../delivery.ts";
import { type Facts, isNeed, type Need, type OpenEntry } from "../need.ts";
import { MAX_ID_LENGTH } from "../checks/returned_header.ts";
import { type Form, recognize } from "./forms.ts";
import type { Answer, JudgeContext, Verdict } from "../verdict.ts";
import { quotedMessages } from "./quoted.ts";

/** The ledger entry that a challenge is about, and the author of the answer. */
interface About {
  readonly identity: Identity;
  /** The address that the list knows: the author of the message, or the subscriber that a request names. */
  readonly author: Address;
  readonly entry: OpenEntry;
  /** The pymsgauth token with which the message was sent. */
  readonly token?: string;
  /** Whether it could be about another recipient of the message, so that an answer might confirm the wrong thing. */
  readonly unclear?: boolean;
}

/** Number of bytes of the body in which a challenge must state what it is about. */
const FORM_BODY_BYTES = 4096;

/** Answers a challenge about a message that the user sent, or delivers it with a mark when the user must decide. */
export function checkChallenge(
  delivery: Received | Delivery,
  context: JudgeContext,
  facts: Facts,
): Verdict | string | Need {
  if (!context.settings.challenge.answer || context.answers !== true) return "challenges are not answered";
  if (!isMessage(delivery)) return { need: "message" };
  const { prefix, bodyStart } = delivery;
  const form = recognize(delivery.header, decodeLatin1(prefix.subarray(bodyStart, bodyStart + FORM_BODY_BYTES)));
  if (form === undefined) return "not a challenge";
  const found = form.request ? aboutRequest(form, context, facts) : aboutMessage(form, delivery, context, facts);
  if (isNeed(found)) return found;
  if (typeof found === "string") return `a challenge from ${form.program}, but ${found}`;
  const { identity, author, entry, token } = found;
  const verdict = { check: "challenge", result: "challenge", identity, mark: true } as const;
  const reason = `a challenge from ${form.program} about a message from ${canonicalAddress(identity)}`;
  const doubt = doubtAbout(found);
  if (doubt !== undefined) return { ...verdict, action: "deliver", reason: `${reason}; ${doubt}: check it yourself` };
  const spends = { entry: entry.name, ...(token !== undefined && { token }) };
  const answer: Answer = { form, author, spends, inReplyTo: messageIdToName(delivery.header) };
  return { ...verdict, action: "answer", reason, answer };
}

/** Why the user has to decide. */
function doubtAbout({ entry: { state }, unclear = false }: About): string | undefined {
  if (unclear) return "it does not say which recipient it is about";
  if (state === "spent") return "it was already answered";
  return state === "claimed" ? "an answer was started and may have been sent" : undefined;
}

const NO_REQUEST = "no matching request is remembered";

/** Finds the one open request that a challenge without a quoted message can be about. */
function aboutRequest(form: Form, context: JudgeContext, facts: Facts): About | string | Need {
  if (!context.settings.challenge.requests) return "it does not quote your message";
  const lists = [...new Set(form.lists.map((one) => one.toLowerCase()))];
  if (facts.entries === undefined) {
    const senders = context.identities.filter((one) => identityOf([one], form.subscriber!) !== undefined);
    return senders.length === 0 ? NO_REQUEST : { need: "entries", senders, lists };
  }
  const entries: About[] = [];
  for (const found of facts.entries) {
    const { entry } = found;
    const identity = identityOf(context.identities, entry.from);
    const asked = lists.includes(entry.list) && entry.request?.command === form.request!.command &&
      entry.request.list === form.request!.list;
    if (!asked || identity === undefined || entry.expires < dayOf(context.now)) continue;
    if (isSubscriber(form.subscriber!, found, identity)) {
      entries.push({ identity, author: addressOf(identity, parseAddress(form.subscriber!)), entry: found });
    }
  }
  const issued = entries.filter(({ entry }) => entry.state === "issued");
  if (issued.length > 1) return "more than one matching request is open";
  return issued[0] ?? entries[0] ?? NO_REQUEST;
}

/** Returns whether the message asked to subscribe or unsubscribe this address, which it names or was sent from. */
function isSubscriber(address: string, { entry }: OpenEntry, identity: Identity): boolean {
  const wanted = entry.request?.subscriber;
  return identityOf([identity], address) !== undefined && (wanted === undefined || wanted === address.toLowerCase());
}

function aboutMessage(form: Form, delivery: Delivery, context: JudgeContext, facts: Facts): About | string | Need {
  if (!delivery.whole) return "it is too long to be checked";
  const [quoted, ...more] = quotedMessages(delivery, form.separator);
  if (quoted === undefined || more.length > 0) {
    return `it returns ${more.length === 0 ? "no message" : "several messages"}`;
  }
  const ours = ourMessage(quoted.header, form, context, facts);
  if (typeof ours === "string" || isNeed(ours)) return ours;
  const { identity, author, messageId, token, tagged } = ours;
  const repliedTo = form.program === "TMDA" ? delivery.header.find((one) => named(one, "In-Reply-To")) : undefined;
  if (repliedTo !== undefined && bareMessageId(messageIdBody(repliedTo)) !== messageId) {
    return "its In-Reply-To names another message";
  }

  if (facts.entries === undefined) return { need: "entries", senders: [identity], messageId };
  const [entry, ...others] = facts.entries.filter(({ entry }) => {
    return entry.messageId === messageId && isAmong(form.lists, entry.list) &&
      entry.from === canonicalAddress(identity) &&
      entry.expires >= dayOf(context.now);
  });
  if (entry === undefined) return "no message to that list is remembered";
  if (form.subscriber !== undefined && !isSubscriber(form.subscriber, entry, identity)) {
    return "it subscribes somebody else";
  }
  const isOwnToken = token !== undefined && hasToken(entry.entry, token);
  if (!tagged && !isOwnToken) return "the token belongs to another message";
  // Some forms always return headers only; TMDA can be configured to do so.
  const headerOnly = form.headerOnly || (quoted.headerOnly && form.program === "TMDA");
  const why = disagreement(entry.entry, entry.body, { ...quoted, headerOnly });
  if (why !== undefined) return why;
  const isNamed = form.lists.some((list) => list.toLowerCase() === entry.entry.list);
  const unclear = others.length > 0 || !(isNamed || entry.entry.alone);
  return { identity, author: addressOf(identity, author), entry, unclear, ...(isOwnToken && { token }) };
}

/** A returned message that the user sent. */
interface OurMessage {
  readonly identity: Identity;
  readonly author: Address;
  readonly messageId: string;
  /** Its only pymsgauth token. */
  readonly token: string | undefined;
  /** Whether it has a valid tag. Without one, the token must belong to this message. */
  readonly tagged: boolean;
}

/** Checks by tag or pymsgauth token that the user sent the returned message. @returns the message, or what is wrong */
function ourMessage(
  header: Header,
  { program }: Form,
  context: JudgeContext,
  facts: Facts,
): OurMessage | string | Need {
  const [id, ...moreIds] = header.filter((one) => named(one, "Message-ID")).map(messageIdBody);
  if (id === undefined || moreIds.length > 0) return "the returned header does not have exactly one Message-ID";
  if (id.length > MAX_ID_LENGTH) return "the returned Message-ID is too long";
  const author = authorOf(header);
  const identity = author && identityOf(context.identities, author);
  if (identity === undefined) return "the returned From is not an identity";
  const [tag, ...moreTags] = values(header, TAG_FIELD);
  const [token, ...moreTokens] = values(header, TOKEN_FIELD);
  if (moreTags.length > 0 || moreTokens.length > 0) return "the returned header has several tags or tokens";
  const tagged = tag !== undefined;
  if (tagged && !isOurTag(tag, id, identity, context)) return "the returned tag is not valid";
  if (!tagged) {
    const none = "the returned header has no tag";
    if (program !== "qsecretary" || token === undefined) return none;
    if (facts.token === undefined) return { need: "token", token };
    if (!facts.token) return none;
  }
  return { identity, author: author!, messageId: bareMessageId(id), token, tagged };
}

function isOurTag(tag: string, messageId: string, identity: Identity, { now }: JudgeContext): boolean {
  const secrets = secretsById(validKeys(identity.keys, now));
  try {
    verifyTag(tag, canonicalAddress(identity), messageId, { secrets, now });
    return true;
  } catch (error) {
    if (!isRejection(error)) throw error;
    return false;
  }
}

/** Returns the address as written in the settings, or in lower case when it matches a pattern of the identity. */
function addressOf(identity: Identity, address: Address): Address {
  return sameAddress(identity.address, address) ? identity.address : parseAddress(canonical(address));
}

/** Returns the only author, or the Sender when there are several authors (RFC 5322 section 3.6.2). */
function authorOf(header: Header): Address | undefined {
  try {
    const [authors, senders] = ["From", "Sender"].map((name) => {
      return values(header, name).flatMap((body) => parseAddressList(body));
    });
    const all = authors!.length > 1 ? senders! : authors!;
    return all.length === 1 ? all[0]!.address ?? undefined : undefined;
  } catch {
    return undefined;
  }
}

function isAmong(patterns: readonly string[], list: string): boolean {
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase();
    return wanted.startsWith("*@") ? list.endsWith(wanted.slice(1)) : list === wanted;
  });
}

/** Returns the challenge's Message-ID for In-Reply-To, if it is well formed; it is untrusted text. */
function messageIdToName(header: Header): string | undefined {
  const [id, ...more] = values(header, "Message-ID");
  const isValid = id !== undefined && /^<[\w.!#$%&'*+/=?^`{|}~-]{1,200}@[A-Za-z0-9.-]{1,200}>$/.test(id);
  return isValid && more.length === 0 ? id : undefined;
}
