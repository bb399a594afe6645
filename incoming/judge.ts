/**
 * Judges one incoming message for one recipient. This is a pure function: when it needs to know something from outside,
 * it returns a request, and the caller calls it again with the answer among the facts.
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

/** The checks of a bounce to an identity, in order. The last one always decides. HACKING.md explains how to add one. */
const CHECKS: readonly [string, Check][] = [
  ["proof", checkProof],
  ["returned-header", checkReturned],
  ["reply", checkReply],
  ["forged", checkForged],
];

/**
 * Judges a delivery, or only its envelope when that is enough.
 *
 * @param facts what has been looked up so far
 * @returns the judgement, or the next thing that must be looked up
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
  // Mail to an address that belongs to no identity is decided by its envelope alone. Mail to any other address may be
  // a challenge, which is answered instead of delivered.
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
