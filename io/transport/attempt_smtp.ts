/** One attempt to send a message of the outbox to a server, which may accept some of its recipients. */
import { type Fail, reason } from "../../lib/fail.ts";
import type { Envelope } from "../../lib/envelope.ts";
import type { Message } from "../../lib/message.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import { printServer, serverOf } from "../../lib/settings/parse.ts";
import type { Outcome, RecipientResult } from "../../outgoing/outbox/progress.ts";
import { SecretUnavailable } from "../system/secret_command.ts";
import { type Attempt, type AttemptOptions, forAll, outcomeOf } from "./outcome.ts";
import { answeredIn } from "./rejected.ts";
import { SmtpRejected, type Step, Unconfirmed } from "./smtp/failure.ts";
import { isPositive, printReply, type Reply } from "./smtp/reply.ts";
import { submitToAccepted } from "./smtp.ts";

/** Steps before the first command about the message. */
const BEFORE_THE_MESSAGE: readonly Step[] = ["connect", "greeting", "EHLO", "STARTTLS", "AUTH"];

/** Makes the attempt. @throws as attempt() in attempt.ts */
export async function attemptSmtp(
  account: Account,
  envelope: Envelope,
  message: Message,
  { signal, beforeCommit }: AttemptOptions,
): Promise<Attempt> {
  const route = printServer(serverOf(account));
  // The results of the rejected recipients; those of the others depend on the message.
  let known: RecipientResult[] | undefined;
  const rest = (outcome: Outcome, reply: string) =>
    (known ?? forAll(envelope, "accepted", "")).map((one) =>
      one.outcome === "accepted" ? { ...one, outcome, reply } : one
    );
  try {
    const heard = (replies: readonly Reply[]) =>
      void (known = envelope.recipients.map((address, nth) => resultOf(address, replies[nth]!)));
    const heardLast = await submitToAccepted(account, envelope, message, signal, heard, () => beforeCommit(known!));
    const reply = printReply(heardLast);
    return { route, results: rest("accepted", reply), answered: { reply }, unreachable: false };
  } catch (error) {
    if (error instanceof Unconfirmed) {
      return { route, results: rest("unknown", reason(error)), failure: error, unreachable: false };
    }
    // What happened to the other recipients if the message was rejected after some were.
    const own = error instanceof SmtpRejected && error.cause instanceof SmtpRejected ? error.cause : error;
    const outcome = outcomeOf(own);
    if (outcome === undefined) throw error;
    const failure = error as Fail;
    const answered = answeredIn(error);
    if (failure instanceof SmtpRejected && failure.recipients.length > 0) {
      const replies = failure.recipients.map(({ reply }) => reply);
      const results = envelope.recipients.map((address, nth) => resultOf(address, replies[nth]!));
      return { route, results, answered, failure, unreachable: false };
    }
    const unreachable = own instanceof SecretUnavailable ||
      own instanceof SmtpRejected && (BEFORE_THE_MESSAGE.includes(own.step) || own.kind === "permission");
    const reply = own instanceof SmtpRejected && own.reply !== undefined && !unreachable
      ? printReply(own.reply)
      : reason(own);
    return { route, results: rest(outcome, reply), answered, failure, unreachable };
  }
}

function resultOf(address: RecipientResult["address"], reply: Reply): RecipientResult {
  // 503 (bad sequence of commands) and 530 (authentication required) do not concern the recipient.
  const temporary = reply.code < 500 || reply.code === 503 || reply.code === 530;
  const outcome = isPositive(reply) ? "accepted" : temporary ? "temporary" : "permanent";
  return { address, outcome, reply: printReply(reply) };
}
