/** What was found out about a message that came in, for people and for programs. */
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import { json, plain, rows } from "../terminal.ts";

/** What admin/explain/incoming.ts tells. */
export interface InspectionIn {
  readonly sender: string | null | undefined;
  readonly recipients: readonly string[];
  readonly bounceSender: boolean;
  readonly sign: string | undefined;
  readonly verdict: {
    readonly action: string;
    readonly check: string;
    readonly result: string;
    readonly reason: string;
    readonly identity?: Identity;
  };
  readonly outcome: string;
  readonly steps: readonly { readonly check: string; readonly found: string }[];
  readonly tags: readonly {
    readonly tag: string;
    readonly messageId: string;
    readonly by: string;
    readonly identity: string | undefined;
  }[];
  readonly returnedId: string | undefined;
  readonly proof: boolean;
}

/** What to do when somebody refused mail because of its envelope sender. */
export interface Hint {
  readonly said: string;
  /** Who: a list, a service. */
  readonly by: string;
  readonly advice: string;
}

/** The answer of each check: a verdict, or that the next one is asked. */
function answers({ steps, verdict }: InspectionIn) {
  return steps.map(({ check, found }, at) => ({
    check,
    answer: at === steps.length - 1 ? verdict.action : "next",
    evidence: found,
  }));
}

/** For people. */
export function explainedText(seen: InspectionIn, hint: Hint | undefined): string {
  const { sender, recipients, sign, verdict, tags } = seen;
  const bounces = seen.bounceSender ? ", as bounces have it" : "";
  const told = sender === undefined
    ? "not known; tell it with --sender"
    : sender === null
    ? `<>${bounces}`
    : `${plain(sender)}${bounces}`;
  const found: [string, string][] = tags.map(({ tag, messageId, by, identity }) => {
    const maker = identity === undefined ? "not made by us for this message, or expired" : `made by ${identity}`;
    return ["Returned tag", `${plain(tag)} beside <${plain(messageId)}> (found in ${by}): ${maker}`];
  });
  if (tags.length === 0 && seen.returnedId !== undefined) {
    found.push(["Returned message", `<${plain(seen.returnedId)}>, no tag beside it`]);
  }
  if (seen.proof) found.push(["Proof", "of another hook of ours"]);
  return [
    rows([
      ["Envelope sender", told],
      ["Recipient", recipients.map(plain).join(" or ") || "not known; tell it with --recipient"],
      ["Sign of a bounce", sign ?? "none"],
      ...found,
    ]),
    "",
    rows(answers(seen).map(({ check, answer, evidence }) => [`  ${check}`, answer.padEnd(8), evidence])),
    "",
    rows([
      ["Verdict", `${verdict.action} (${verdict.result}): ${verdict.reason}`],
      ["The message is", seen.outcome],
      ...(hint ? [["Refused by", `${hint.by}, "${plain(hint.said)}": ${hint.advice}`] as const] : []),
    ]),
  ].join("\n");
}

/** For programs. The sender is null for the null sender, and left out when it is not known. */
export function explainedJson(seen: InspectionIn, hint: Hint | undefined): string {
  const { action, result, check, reason, identity } = seen.verdict;
  const [first] = seen.tags;
  const messageId = first?.messageId ?? seen.returnedId;
  return json({
    verdict: {
      action,
      result,
      check,
      reason,
      identity: identity === undefined ? null : canonicalAddress(identity),
      outcome: seen.outcome,
    },
    bounce: seen.bounceSender && seen.sign !== undefined,
    envelope: { sender: seen.sender, recipients: seen.recipients },
    evidence: seen.sign ?? null,
    original: { messageId: messageId === undefined ? null : `<${messageId}>`, tag: first?.tag ?? null },
    tags: seen.tags.map((one) => ({ ...one, identity: one.identity ?? null })),
    proof: seen.proof,
    checks: answers(seen),
    hint: hint?.advice ?? null,
  });
}
