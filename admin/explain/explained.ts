/** Prints the explanation of an incoming message, as text or as JSON. */
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { json, plain, rows } from "../terminal.ts";
import type { IncomingExplanation } from "./incoming.ts";

/** What to do if a list or a service rejected the envelope sender. */
export interface Hint {
  readonly said: string;
  /** Who refused it, such as a mailing list. */
  readonly by: string;
  readonly advice: string;
}

/** Returns the answer of each check: the action, or `next` if the next check was asked. */
function answers({ steps, verdict }: IncomingExplanation) {
  return steps.map(({ check, found }, at) => ({
    check,
    answer: at === steps.length - 1 ? verdict.action : "next",
    evidence: found,
  }));
}

/** Returns the explanation as text. */
export function explainedText(explanation: IncomingExplanation, hint: Hint | undefined): string {
  const { sender, recipients, evidence, verdict, tags } = explanation;
  const bounces = explanation.bounceSender ? ", as in bounces" : "";
  const senderText = sender === undefined
    ? "unknown; use --sender"
    : sender === null
    ? `<>${bounces}`
    : `${plain(sender)}${bounces}`;
  const found: [string, string][] = tags.map(({ tag, messageId, by, identity }) => {
    const maker = identity === undefined ? "not valid for this message, or expired" : `valid, made by ${identity}`;
    return ["Returned tag", `${plain(tag)} with Message-ID <${plain(messageId)}> (found in ${by}): ${maker}`];
  });
  if (tags.length === 0 && explanation.returnedId !== undefined) {
    found.push(["Returned message", `<${plain(explanation.returnedId)}>, without a tag`]);
  }
  if (explanation.proof) found.push(["Proof", "valid, added by another hook of yours"]);
  return [
    rows([
      ["Envelope sender", senderText],
      ["Recipient", recipients.map(plain).join(" or ") || "unknown; use --recipient"],
      ["Evidence of a bounce", evidence ?? "none"],
      ...explanation.notes.map((note) => ["Note", note] as const),
      ...found,
    ]),
    "",
    rows(answers(explanation).map((step) => [`  ${step.check}`, step.answer.padEnd(8), step.evidence])),
    "",
    rows([
      ["Verdict", `${verdict.action} (${verdict.result}): ${verdict.reason}`],
      ["The message is", explanation.outcome],
      ...(hint ? [["Refused by", `${hint.by}, "${plain(hint.said)}": ${hint.advice}`] as const] : []),
    ]),
  ].join("\n");
}

/** Returns the explanation as JSON. The sender is null for the null sender, and absent if it is unknown. */
export function explainedJson(explanation: IncomingExplanation, hint: Hint | undefined): string {
  const { action, result, check, reason, identity } = explanation.verdict;
  const [first] = explanation.tags;
  const messageId = first?.messageId ?? explanation.returnedId;
  return json({
    verdict: {
      action,
      result,
      check,
      reason,
      identity: identity === undefined ? null : canonicalAddress(identity),
      outcome: explanation.outcome,
    },
    bounce: explanation.bounceSender && explanation.evidence !== undefined,
    envelope: { sender: explanation.sender, recipients: explanation.recipients },
    evidence: explanation.evidence ?? null,
    original: { messageId: messageId === undefined ? null : `<${messageId}>`, tag: first?.tag ?? null },
    tags: explanation.tags.map((one) => ({ ...one, identity: one.identity ?? null })),
    proof: explanation.proof,
    notes: explanation.notes,
    checks: answers(explanation),
    hint: hint?.advice ?? null,
  });
}
