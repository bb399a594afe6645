/** Recognizes bounces that another of the user's hooks forwarded with a proof. */
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { hasProof } from "../proof.ts";
import { recipientIdentity } from "./addressed.ts";
import type { Delivery } from "../delivery.ts";
import type { JudgeContext, Verdict } from "../verdict.ts";

/** Delivers the message when its header contains a valid proof for the identity. */
export function checkProof(delivery: Delivery, context: JudgeContext): Verdict | string {
  const identity = recipientIdentity(delivery, context);
  if (identity === undefined || !hasProof(identity, delivery.header, context.now)) {
    return "no proof from another hook";
  }
  const reason = `forwarded by a hook of ${canonicalAddress(identity)}`;
  return { action: "deliver", check: "proof", result: "genuine", reason, identity };
}
