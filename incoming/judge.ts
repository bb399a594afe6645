/**
 * The decider of the way in: what becomes of one message for one recipient. A function of its arguments: what it needs
 * from outside it asks for, and is asked again with the answer among the facts.
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
import { type Delivery, isMessage, type Received } from "./delivery.ts";
import { type Facts, isNeed, type LookUp, type Need } from "./need.ts";
import type { Check, JudgeContext, Judgement, Step, Verdict } from "./verdict.ts";

/** What is asked about a bounce to an identity, in this order; HACKING.md tells how to add one. The last decides. */
const CHECKS: readonly [string, Check][] = [
  ["proof", checkProof],
  ["returned-header", checkReturned],
  ["reply", checkReply],
  ["forged", checkForged],
];

/**
 * Judges a delivery, or as much as its envelope alone decides.
 *
 * @param facts what was looked up for it so far
 * @returns the judgement, or the one thing that it lacks
 * @throws {Fail} `temporary` when no key of the identity can verify because one is dated in the future
 */
export function judge(delivery: Delivery, context: JudgeContext, facts?: Facts): Judgement | LookUp;
export function judge(delivery: Received | Delivery, context: JudgeContext, facts?: Facts): Judgement | Need;
export function judge(delivery: Received | Delivery, context: JudgeContext, facts: Facts = {}): Judgement | Need {
  const steps: Step[] = [];
  const step = (check: string, answer: Verdict | string): Verdict | undefined => {
    steps.push({ check, found: typeof answer === "string" ? answer : answer.reason });
    return typeof answer === "string" ? undefined : answer;
  };
  const doubled = step("double-bounce", checkDoubleBounce(delivery, context));
  if (doubled !== undefined) return { verdict: doubled, steps };
  const recipient = checkSigned(delivery, context);
  // An address that no identity has is decided by the envelope alone, whatever the message says. To all others
  // challenges come, which are answered instead of delivered.
  if (typeof recipient === "string" || recipient.identity !== undefined) {
    const answer = checkChallenge(delivery, context, facts);
    if (isNeed(answer)) return answer;
    const challenge = step("challenge", answer);
    if (challenge !== undefined) return { verdict: challenge, steps };
  }
  let verdict = step("signed-recipient", recipient) ?? step("addressed", checkAddressed(delivery, context));
  for (const [check, ask] of verdict === undefined ? CHECKS : []) {
    if (!isMessage(delivery)) return { need: "message" };
    const answer = ask(delivery, context, facts);
    if (isNeed(answer)) return answer;
    verdict = step(check, answer);
    if (verdict !== undefined) break;
  }
  if (verdict === undefined) throw new Error("no check decided");
  const judged = needsKeys(verdict, delivery, context);
  if (judged !== verdict) step(judged.check, judged);
  return { verdict: judged, steps };
}
