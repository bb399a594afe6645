/** Checks which envelope pipe(8) passes to the hook: the macros in its `argv`. */
import { reason } from "../../lib/fail.ts";
import { parseOptions } from "../../hooks/options.ts";
import type { Finding } from "./finding.ts";

/** A problem of a service, without its place. */
export type PipeProblem = Pick<Finding, "id" | "what" | "why" | "fix">;

/** The right end of every `argv`. */
const RIGHT = "-- ${sender} ${original_recipient}";

/** Checks the arguments that follow the hook in a service of this name. */
export function checkPipeArguments(name: string, words: readonly string[]): PipeProblem[] {
  let given: { sender?: string; recipient?: string };
  try {
    // With other callers operands are an error, and the caller is checked elsewhere.
    given = parseOptions([...words.filter((one) => one !== "--"), "--as", "postfix"]);
  } catch (error) {
    const why = "The hook exits 75 for every message, so all mail stays queued.";
    return [{
      id: "pipe-arguments",
      what: `Service ${name} passes invalid arguments to the hook: ${reason(error)}`,
      why,
      fix: RIGHT,
    }];
  }
  const problems: PipeProblem[] = [];
  if (!isMacro(given.recipient, "original_recipient")) {
    const why = given.recipient === undefined
      ? "The hook looks for the recipient in X-Original-To or Delivered-To, which not every service writes."
      : isMacro(given.recipient, "recipient")
      ? "If a map rewrites the address, the hook cannot see that it was signed."
      : "The hook does not see the signed address: genuine bounces are filed as forged, or nothing is checked.";
    problems.push({
      id: "pipe-recipient",
      what: `Service ${name} does not pass the original recipient`,
      why,
      fix: RIGHT,
    });
  }
  if (!isMacro(given.sender, "sender")) {
    const why = given.sender === undefined
      ? "pipe(8) sets no variable SENDER. Without flags=R the hook does not know the sender and files nothing as forged."
      : "The hook mistakes ordinary mail for bounces, or bounces for ordinary mail.";
    problems.push({ id: "pipe-sender", what: `Service ${name} does not pass the envelope sender`, why, fix: RIGHT });
  }
  return problems;
}

/** Returns whether a word is this macro and nothing else. Quotes are literal in `argv`. */
function isMacro(word: string | undefined, name: string): boolean {
  const bare = word?.replace(/^<(.*)>$/s, "$1");
  return bare === `\${${name}}` || bare === `$(${name})` || bare === `$${name}`;
}
