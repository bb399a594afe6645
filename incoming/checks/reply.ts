/**
 * Looks for the Message-ID of a remembered message. That is weaker than a tag, because whoever has seen the message
 * knows its Message-ID, but receipts, vacation replies and short bounces contain nothing better.
 */
import { recipientIdentity } from "./addressed.ts";
import { bounceEvidence } from "../bounce.ts";
import type { Delivery } from "../delivery.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";
import { namedMessageIds } from "../named_ids.ts";
import type { Facts, Need } from "../need.ts";

/** Delivers such a message, marked if it is a bounce of a message that was sent with a tag but does not return it. */
export function checkReply(delivery: Delivery, context: JudgeContext, facts: Facts): Verdict | string | Need {
  const identity = recipientIdentity(delivery, context);
  if (identity === undefined) return "the recipient is not an identity";
  const messageIds = namedMessageIds(delivery);
  if (messageIds.length === 0) return "it does not name a message";
  if (facts.sent === undefined) return { need: "sent", identity, messageIds };
  const { sent } = facts;
  if (sent === null) return "it does not name any message you sent";
  const message = `your message of ${new Date(sent.day * 86_400_000).toISOString().slice(0, 10)}`;
  // Which one of several was found is not known here.
  const [only] = messageIds.length === 1 ? messageIds : [];
  const original = only === undefined ? {} : { original: only };
  const verdict = { action: "deliver", check: "reply", result: "known", identity, ...original } as const;
  if (bounceEvidence(delivery) === undefined) return { ...verdict, reason: `a reply to ${message}` };
  return sent.signed
    ? { ...verdict, reason: `a bounce that names ${message} but does not return its tag`, mark: true }
    : { ...verdict, reason: `a bounce of ${message}, which was sent without a tag` };
}
