/** Does the bounce return a header of ours, with a tag that only we could have made? */
import { isRejection } from "../../lib/fail.ts";
import { canonicalAddress, type Identity, sameUser } from "../../lib/settings/identity.ts";
import { validKeys } from "../../lib/settings/keys.ts";
import { messageIdReadings } from "../../lib/message_id.ts";
import { findMessageIds, findOriginals, type Original } from "../originals.ts";
import { TagVerifier } from "../../lib/tag.ts";
import { recipientIdentity } from "./addressed.ts";
import type { Delivery } from "../delivery.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";

/** MACs computed for one message: a stranger decides how many tags it holds. A long Message-ID counts several times. */
export const MAX_MACS = 2048;
/** Characters of a returned Message-ID that is verified; a line of a header has 998 (RFC 5322 section 2.1.1). */
export const MAX_ID_LENGTH = 2048;
/** Characters of a Message-ID that count as one MAC. */
const CHARACTERS_PER_MAC = 256;

/** A tag in what a message returns, and whose it is. */
export interface ReturnedTag extends Original {
  /** The identity that made it for this Message-ID. */
  readonly identity?: Identity;
  /** It was right once. */
  readonly expired?: boolean;
}

/**
 * Answers by context and delivery: a judgement that needed something is asked again from its beginning, and the MACs
 * are what takes time.
 */
const answers = new WeakMap<JudgeContext, WeakMap<Delivery, Verdict | string>>();

/** Delivered when a tag in the body is right for the Message-ID beside it. */
export function checkReturned(delivery: Delivery, context: JudgeContext): Verdict | string {
  const known = answers.get(context) ?? new WeakMap<Delivery, Verdict | string>();
  answers.set(context, known);
  const answer = known.get(delivery) ?? lookAtTags(delivery, context);
  known.set(delivery, answer);
  return answer;
}

function lookAtTags(delivery: Delivery, context: JudgeContext): Verdict | string {
  let found = "no tag of ours in what it returns";
  for (const { identity, expired, by } of returnedTags(delivery, context)) {
    if (identity !== undefined) {
      const reason = `returns a message of ${canonicalAddress(identity)} (tag found in ${by})`;
      return { action: "deliver", check: "returned-header", result: "genuine", reason, identity };
    }
    // Expired, it was ours: what is said of others counts less.
    if (expired) found = EXPIRED;
    else if (found !== EXPIRED) found = "the returned tag is not for this message";
  }
  return found;
}

const EXPIRED = "the returned tag is expired";

/**
 * The tags in what a message returns, up to {@link MAX_MACS}. A bounce to one identity may return a message that
 * another of the same user signed. A tag of somebody else's proves nothing here: whoever got that message could send it
 * to anybody.
 */
export function* returnedTags(delivery: Delivery, context: JudgeContext): Generator<ReturnedTag> {
  const { identities, now } = context;
  const addressed = recipientIdentity(delivery, context);
  // The one that it came to first: it is the likeliest, and the key files of the others may never be needed.
  const owners = identities.filter((one) => addressed === undefined || sameUser(one, addressed))
    .sort((a, b) => Number(b === addressed) - Number(a === addressed));
  const verifiers = new Map<Identity, TagVerifier>();
  let macs = 0;
  for (const original of findOriginals(delivery.prefix, delivery.bodyStart, delivery.tail)) {
    let returned: ReturnedTag = original;
    for (const identity of owners) {
      const verifier = verifiers.get(identity) ?? verifierOf(identity, now);
      verifiers.set(identity, verifier);
      if (!verifier.knows(original.tag) || original.messageId.length > MAX_ID_LENGTH) continue;
      macs += costOf(original.messageId);
      if (macs > MAX_MACS) return;
      const whose = verified(verifier, original, identity);
      if (whose !== undefined) {
        returned = { ...original, ...whose };
        break;
      }
    }
    yield returned;
  }
}

function costOf(messageId: string): number {
  return messageIdReadings(messageId).reduce((sum, one) => sum + Math.ceil((one.length + 1) / CHARACTERS_PER_MAC), 0);
}

function verifierOf(identity: Identity, now: Date): TagVerifier {
  return new TagVerifier(Object.fromEntries(validKeys(identity.keys, now).map((key) => [key.id, key.secret])), now);
}

function verified(
  verifier: TagVerifier,
  { tag, messageId }: Original,
  identity: Identity,
): Pick<ReturnedTag, "identity" | "expired"> | undefined {
  try {
    verifier.verify(tag, canonicalAddress(identity), messageId);
    return { identity };
  } catch (error) {
    if (!isRejection(error)) throw error;
    return error.kind === "tag-expired" ? { expired: true } : undefined;
  }
}

/** Message-IDs that a message may return or name and that are looked at. */
const MAX_RETURNED_IDS = 32;

/**
 * The Message-IDs in what it returns, as `bareMessageId()` has them, those of Message-ID fields first: of which message
 * it speaks, and no proof.
 */
export function returnedIds({ prefix, bodyStart, tail }: Pick<Delivery, "prefix" | "bodyStart" | "tail">): string[] {
  return findMessageIds(prefix, bodyStart, tail).take(MAX_RETURNED_IDS).toArray();
}

/** The first Message-ID in what it returns. */
export function returnedId(delivery: Pick<Delivery, "prefix" | "bodyStart" | "tail">): string | undefined {
  const [first] = findMessageIds(delivery.prefix, delivery.bodyStart, delivery.tail).take(1);
  return first;
}
