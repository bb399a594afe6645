/**
 * Counts how much of the mail that was sent recently went through the shim. Mail sent by a phone or a webmail has no
 * tag and is not in the index of sent mail, so that its genuine bounces cannot be distinguished from forged ones.
 */
import { parseAddressList } from "../../lib/address.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { dayOf } from "../../lib/date.ts";
import type { SentMessage } from "../../incoming/need.ts";
import { errorText, Fail } from "../../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../../lib/settings/identity.ts";
import { secretsById, validKeys } from "../../lib/settings/keys.ts";
import { type Header, named, parseHead, value, values } from "../../lib/message.ts";
import { bareMessageId, messageIdBody } from "../../lib/message_id.ts";
import { TAG_FIELD, verifyTag } from "../../lib/tag.ts";
import { SENT_DAYS, type SentIndex, sentIndex } from "../../io/state/sent.ts";
import { type ArchivedMessage, messagesIn, type ReadProgress } from "./mailboxes.ts";

/** How the mail of the last 30 days was sent. */
export interface RecentlySent {
  readonly total: number;
  /** With a tag. */
  readonly signed: number;
  /** Passed the shim, which did not add a tag. */
  readonly unsigned: number;
  /** Without a tag and not in the index: not sent through the shim. */
  readonly unknown: number;
}

/** Why nothing is counted where the state is in Redis, or behind the socket `lookup`. */
export const NOT_COUNTED = "The sent mail is not counted, because what left is remembered by countersign serve";
/** Returns the same for an index that this user cannot read, such as that of a site. */
const notReadable = (error: Fail): string => `The sent mail is not counted: ${errorText(error)}`;

/** Counts the mail of the last 30 days in mailboxes of sent mail. */
export class RecentCount {
  readonly counts = { total: 0, signed: 0, unsigned: 0, unknown: 0 };
  /** Why the counts are not complete; undefined if they are. */
  notCounted: string | undefined;
  #identities: readonly Identity[];
  #sent: SentIndex;
  #now: Date;

  constructor({ state }: Pick<Settings, "state">, identities: readonly Identity[], now: Date) {
    this.#identities = identities;
    this.#sent = sentIndex(`${state.folder}/sent`, now);
    this.#now = now;
  }

  /** Counts all messages of a mailbox. */
  addMailbox(path: string, progress: ReadProgress): void {
    for (const message of messagesIn([path], progress)) this.add(message);
  }

  /** Counts a message of an identity whose Date is recent, and ignores all others. */
  add(message: ArchivedMessage): void {
    let head = parseHead(message.bytes, message.whole);
    if (head === undefined) {
      message.more();
      head = parseHead(message.bytes, message.whole);
    }
    if (head !== undefined) this.#count(head.header);
  }

  #count(header: Header): void {
    const date = new Date(value(header, "Date") ?? "");
    const age = dayOf(this.#now) - dayOf(date);
    const identity = this.#author(header);
    const id = header.find((one) => named(one, "Message-ID"));
    if (!(age >= -1 && age < SENT_DAYS) || identity === undefined || id === undefined) return;
    const { counts } = this;
    counts.total++;
    const messageId = messageIdBody(id);
    const tagged = this.#tagged(header, identity, messageId);
    const known = tagged ? undefined : this.#lookUp(identity, bareMessageId(messageId));
    if (tagged || known?.signed) counts.signed++;
    else if (known !== undefined) counts.unsigned++;
    else counts.unknown++;
  }

  #lookUp(identity: Identity, id: string): SentMessage | undefined {
    if (this.notCounted !== undefined) return undefined;
    try {
      return this.#sent(identity, [id]);
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      this.notCounted = notReadable(error);
      return undefined;
    }
  }

  #author(header: Header): Identity | undefined {
    try {
      const [author] = parseAddressList(value(header, "From") ?? "");
      return author?.address ? identityOf(this.#identities, author.address) : undefined;
    } catch {
      return undefined;
    }
  }

  #tagged(header: Header, identity: Identity, messageId: string): boolean {
    const now = this.#now;
    const secrets = secretsById(validKeys(identity.keys, now));
    for (const tag of values(header, TAG_FIELD)) {
      try {
        verifyTag(tag, canonicalAddress(identity), messageId, { secrets, now });
        return true;
      } catch (error) {
        if (!(error instanceof Fail)) throw error;
      }
    }
    return false;
  }
}

/** Returns the counts in one sentence; undefined if nothing was sent recently. */
export function recentSentence({ total, signed, unsigned, unknown }: RecentlySent): string | undefined {
  if (total === 0) return undefined;
  const sent = total === 1 ? "1 message that you sent" : `${total} messages that you sent`;
  return `Of ${sent} in the last ${SENT_DAYS} days, ${signed} left with a tag, ${unsigned} without one, and ` +
    `${unknown} ${unknown === 1 ? "was" : "were"} not sent through the shim.`;
}
