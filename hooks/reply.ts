/** Does it answer a message that we remember to have sent: a receipt, a vacation or calendar answer? */
import { value } from "../lib/message.ts";
import { bareMessageId } from "../lib/message_id.ts";
import { recipientIdentity } from "./addressed.ts";
import type { Delivery } from "./delivery.ts";
import type { Context, Verdict } from "./judge.ts";
import { bounceEvidence } from "./bounce.ts";

/** Delivered without a mark, when it is no bounce and names a Message-ID of ours (a bounce must prove more). */
export async function checkReply(delivery: Delivery, context: Context): Promise<Verdict | string> {
  const identity = recipientIdentity(delivery, context);
  if (identity === undefined || context.sent === undefined || bounceEvidence(delivery) !== undefined) {
    return "not an answer that is known";
  }
  const sent = await context.sent(identity, messageIds(delivery));
  if (sent === undefined) return "it names no message of ours";
  const date = new Date(sent.day * 86_400_000).toISOString().slice(0, 10);
  const reason = `an answer to your message of ${date}`;
  return { action: "deliver", check: "reply", result: "known", reason, identity };
}

/** RFC 5322 section 3.6.4; RFC 8098 section 3.2.5 has Original-Message-ID in the receipt itself. */
function messageIds({ header, prefix, bodyStart }: Delivery): string[] {
  const fields = ["In-Reply-To", "References"].map((name) => value(header, name) ?? "").join(" ");
  const body = new TextDecoder().decode(prefix.subarray(bodyStart, bodyStart + 16 * 1024));
  const original = /^Original-Message-ID:[ \t]{0,16}(<[^<>\s]{1,998}>)/im.exec(body)?.[1] ?? "";
  return [...`${original} ${fields}`.matchAll(/<[^<>\s]{1,998}>/g)].map((match) => bareMessageId(match[0]));
}
