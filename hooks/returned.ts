/** Does the bounce return a header of ours, with a tag that only we could have made? */
import { binary } from "../lib/bytes.ts";
import { isRejection } from "../lib/fail.ts";
import { identityName, sameUser } from "../lib/identity.ts";
import { validKeys } from "../lib/keys.ts";
import { findOriginals } from "../lib/original.ts";
import { bareMessageId } from "../lib/message_id.ts";
import { verifyTag } from "../lib/tag.ts";
import { recipientIdentity } from "./addressed.ts";
import type { Delivery } from "./delivery.ts";
import type { Context, Verdict } from "./judge.ts";

const EXPIRED = "the returned tag is expired";

/** Delivered when a tag in the body is right for the Message-ID beside it. */
export async function checkReturned(delivery: Delivery, context: Context): Promise<Verdict | string> {
  const { now } = context;
  const addressed = recipientIdentity(delivery, context);
  // A bounce to one identity may return a message that another of the same user signed. A tag of somebody else's
  // proves nothing here: whoever got that message could send it to anybody.
  const identities = context.identities.filter((one) => addressed !== undefined && sameUser(one, addressed));
  let found = "no tag of ours in what it returns";
  for await (const original of findOriginals(delivery.prefix, delivery.bodyStart)) {
    for (const identity of identities) {
      const secrets = Object.fromEntries(validKeys(identity.keys, now).map((key) => [key.id, key.secret]));
      try {
        await verifyTag(original.tag, identityName(identity), original.messageId, { secrets, now });
        const reason = `returns a message of ${identityName(identity)} (tag found in ${original.by})`;
        return { action: "deliver", check: "returned-header", result: "genuine", reason, identity };
      } catch (error) {
        if (!isRejection(error)) throw error;
        // Expired, it was ours: what another identity's keys say of it counts less.
        if (error.kind === "tag-expired") found = EXPIRED;
        else if (found !== EXPIRED) found = "the returned tag is not for this message";
      }
    }
  }
  return found;
}

/** The first Message-ID in what it returns, without its brackets: of which message it speaks, and no proof. */
export function returnedId({ prefix, bodyStart }: Delivery): string | undefined {
  const body = binary(prefix.subarray(bodyStart));
  const id = /^[> \t|]{0,16}Message-ID:\s{0,16}(<[^<>\s]{1,998}>)/im.exec(body)?.[1];
  return id && bareMessageId(id);
}
