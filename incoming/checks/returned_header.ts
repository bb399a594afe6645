/** Verifies the tags in the headers that a bounce returns. */
import { isRejection } from "../../lib/fail.ts";
import { memoize } from "../../lib/memoize.ts";
import { canonicalAddress, type Identity, sameUser } from "../../lib/settings/identity.ts";
import { secretsById, validKeys } from "../../lib/settings/keys.ts";
import { bareMessageId, messageIdReadings } from "../../lib/message_id.ts";
import { findMessageIds, findOriginals, type Original } from "../originals.ts";
import { TagVerifier } from "../../lib/tag.ts";
import { recipientIdentity } from "./addressed.ts";
import type { Delivery } from "../delivery.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";

/** Maximum number of MACs for one message, which may contain many tags. Long Message-IDs count several times. */
export const MAX_MACS = 2048;
/** Maximum length of a Message-ID that is verified, in characters; a header line has 998 (RFC 5322 section 2.1.1). */
export const MAX_ID_LENGTH = 2048;
/** Number of Message-ID characters that count as one MAC. */
const CHARACTERS_PER_MAC = 256;

/** A returned tag, and the identity that signed it. */
export interface ReturnedTag extends Original {
  /** The identity that signed this Message-ID; undefined when the tag is not valid. */
  readonly identity?: Identity;
  /** The signature is correct, but the tag has expired. */
  readonly expired?: boolean;
}

/** Delivers the message when a tag in its body is valid for the Message-ID next to it. */
export function checkReturned(delivery: Delivery, context: JudgeContext): Verdict | string {
  const known = looked(delivery);
  if (known.context !== context) [known.context, known.found] = [context, lookAtTags(delivery, context)];
  return known.found;
}

/** The last result. A judgement starts from the beginning after each lookup, and computing MACs is its slowest part. */
const looked = memoize((_delivery: Delivery): { context?: JudgeContext; found: Verdict | string } => ({ found: "" }));

function lookAtTags(delivery: Delivery, context: JudgeContext): Verdict | string {
  let found = "it does not return a tag";
  for (const { identity, expired, by, messageId } of returnedTags(delivery, context)) {
    if (identity !== undefined) {
      const reason = `returns a message from ${canonicalAddress(identity)} (tag found in ${by})`;
      const original = bareMessageId(messageId);
      return { action: "deliver", check: "returned-header", result: "genuine", reason, identity, original };
    }
    // An expired tag was signed by the user, so it is reported in preference to invalid ones.
    if (expired) found = EXPIRED;
    else if (found !== EXPIRED) found = "the returned tag is not valid for the returned message";
  }
  return found;
}

const EXPIRED = "the returned tag has expired";

/**
 * Yields the tags that a message returns, until {@link MAX_MACS} is reached. A bounce to one identity may return a
 * message that another identity of the same user signed. A tag of another user proves nothing: whoever received that
 * message could send it to anybody.
 */
export function* returnedTags(delivery: Delivery, context: JudgeContext): Generator<ReturnedTag> {
  const { identities, now } = context;
  const addressed = recipientIdentity(delivery, context);
  // The addressed identity comes first, because it is the most likely one and the other key files may not be needed.
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
  return new TagVerifier(secretsById(validKeys(identity.keys, now)), now);
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

/** Maximum number of returned Message-IDs that are considered. */
const MAX_RETURNED_IDS = 32;

/**
 * Returns the Message-IDs in the returned text in the form of `bareMessageId()`, those of Message-ID fields first. They
 * tell which message it is about, but do not prove anything.
 */
export const returnedIds = memoize(({ prefix, bodyStart, tail }: Returned): string[] =>
  findMessageIds(prefix, bodyStart, tail).take(MAX_RETURNED_IDS).toArray()
);

type Returned = Pick<Delivery, "prefix" | "bodyStart" | "tail">;
