/**
 * The decider of the way in: what becomes of one message for one recipient. Reads and writes nothing; the checks are
 * asked in turn, and the first that knows decides.
 */
import { checkChallenge } from "./challenge/check.ts";
import { checkAddressed } from "./checks/addressed.ts";
import { checkDoubleBounce } from "./checks/double_bounce.ts";
import { checkForged } from "./checks/forged.ts";
import { needsKeys } from "./checks/keys.ts";
import { checkProof } from "./checks/proof.ts";
import { checkReply } from "./checks/reply.ts";
import { checkReturned } from "./checks/returned_header.ts";
import { checkSigned } from "./checks/signed_recipient.ts";
import type { Delivery } from "./delivery.ts";
import type { Check, JudgeContext, Step, Verdict } from "./verdict.ts";

/** What is asked about the rest, in this order; HACKING.md tells how to add one. The last always decides. */
const CHECKS: readonly [string, Check][] = [
  ["addressed", checkAddressed],
  ["proof", checkProof],
  ["returned-header", checkReturned],
  ["reply", checkReply],
  ["forged", checkForged],
];

/** Judges a delivery. */
export async function judge(delivery: Delivery, context: JudgeContext): Promise<{ verdict: Verdict; steps: Step[] }> {
  const steps: Step[] = [];
  const step = (check: string, answer: Verdict | string): Verdict | undefined => {
    steps.push({ check, found: typeof answer === "string" ? answer : answer.reason });
    return typeof answer === "string" ? undefined : answer;
  };
  const doubled = step("double-bounce", checkDoubleBounce(delivery, context));
  if (doubled !== undefined) return { verdict: doubled, steps };
  const recipient = checkSigned(delivery, context);
  // An address that no identity has is decided by the envelope alone, whatever the message says.
  if (typeof recipient === "string" || recipient.identity !== undefined) {
    const challenge = step("challenge", await checkChallenge(delivery, context));
    if (challenge !== undefined) return { verdict: challenge, steps };
  }
  let verdict = step("signed-recipient", recipient);
  for (const [check, ask] of verdict === undefined ? CHECKS : []) {
    verdict = step(check, await ask(delivery, context));
    if (verdict !== undefined) break;
  }
  if (verdict === undefined) throw new Error("no check decided");
  const judged = needsKeys(verdict, delivery, context);
  if (judged !== verdict) step(judged.check, judged);
  return { verdict: judged, steps };
}
