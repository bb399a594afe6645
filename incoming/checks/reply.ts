/**
 * Does it name a message that we remember to have sent? That is weaker than a tag: whoever has seen the message knows
 * its Message-ID. But a bounce that returns no more, a receipt and a vacation reply have nothing better.
 */
import { recipientIdentity } from "./addressed.ts";
import { bounceEvidence } from "../bounce.ts";
import type { Delivery } from "../delivery.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";
import { namedMessageIds } from "../named_ids.ts";
import type { Facts, Need } from "../need.ts";

/** Delivered; with a mark when it is a bounce of a message that left signed, since it should have returned the tag. */
export function checkReply(delivery: Delivery, context: JudgeContext, facts: Facts): Verdict | string | Need {
  const identity = recipientIdentity(delivery, context);
  if (identity === undefined) return "the recipient is not an identity";
  const messageIds = namedMessageIds(delivery);
  if (messageIds.length === 0) return "it names no message";
  if (facts.sent === undefined) return { need: "sent", identity, messageIds };
  const { sent } = facts;
  if (sent === null) return "it names no message of ours";
  const message = `your message of ${new Date(sent.day * 86_400_000).toISOString().slice(0, 10)}`;
  const verdict = { action: "deliver", check: "reply", result: "known", identity } as const;
  if (bounceEvidence(delivery) === undefined) return { ...verdict, reason: `an answer to ${message}` };
  return sent.signed
    ? { ...verdict, reason: `a bounce that names ${message}, but does not return its tag`, mark: true }
    : { ...verdict, reason: `a bounce of ${message}, which left without a tag` };
}
