/** Does the bounce return a header of ours, with a tag that only we could have made? */
import { Fail } from "../lib/fail.ts";
import { identityName } from "../lib/identity.ts";
import { liveKeys } from "../lib/keys.ts";
import { findOriginals } from "../lib/original.ts";
import { verifyTag } from "../lib/tag.ts";
import type { Delivery } from "./delivery.ts";
import type { Context, Verdict } from "./judge.ts";

/** Delivered when a tag in the body is right for the Message-ID beside it. */
export async function checkReturned(delivery: Delivery, { identities, now }: Context): Promise<Verdict | string> {
  let found = "no tag of ours in what it returns";
  for await (const original of findOriginals(delivery.prefix, delivery.bodyStart)) {
    // A bounce to one identity may return a message that another of ours signed.
    for (const identity of identities) {
      const secrets = Object.fromEntries(liveKeys(identity.keys, now).map((key) => [key.id, key.secret]));
      try {
        await verifyTag(original.tag, identityName(identity), original.messageId, { secrets, now });
        const reason = `returns a message of ${identityName(identity)} (tag found in ${original.by})`;
        return { action: "deliver", check: "returned-header", result: "genuine", reason, identity };
      } catch (error) {
        if (!(error instanceof Fail)) throw error;
        found = error.kind === "tag-expired"
          ? "the returned tag is expired"
          : "the returned tag is not for this message";
      }
    }
  }
  return found;
}
