/**
 * Answers a challenge at most once: the entry is claimed before and spent after sending. If the hook is killed in
 * between, the entry stays claimed and the challenge is never answered; the next hook delivers it with a mark. If the
 * answer was certainly not sent, the entry is issued again.
 */
import { rfc5322Date } from "../lib/date.ts";
import { utf8 } from "../lib/bytes.ts";
import { formatAddress, parseAddress } from "../lib/address.ts";
import { accountsIn } from "../lib/settings/accounts.ts";
import { accountOf } from "../outgoing/account.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { field, type Header, type Message, printHead } from "../lib/message.ts";
import { removeToken } from "../io/state/pymsgauth.ts";
import { ledgerOf, rememberIn } from "../io/state/stores.ts";
import { checkLauncher } from "../io/transport/commit.ts";
import { send } from "../io/transport/send.ts";
import { Rejected } from "../io/transport/rejected.ts";
import { Fail } from "../lib/fail.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import type { Answer, Verdict } from "../incoming/verdict.ts";

/** `answered`, or the reason why the challenge was not answered, so that the user should read it. */
export type Response = "answered" | { readonly reason: string };

/**
 * Answers a challenge.
 *
 * @param verdict a verdict with the action `answer`
 * @throws {Fail} when it is uncertain whether the answer was sent: the entry stays claimed
 */
export async function respond({ answer, identity }: Verdict, context: DeliveryContext): Promise<Response> {
  if (answer === undefined || identity === undefined) throw new Error("nothing to answer");
  const { settings, now, abort } = context;
  const ledger = ledgerOf(settings);
  const { entry, token } = answer.spends;
  checkLauncher();
  const claim = await ledger.claim(entry);
  if (claim === undefined) return { reason: "another hook is answering it" };
  const messageId = `<${crypto.randomUUID()}@${answer.author.domain}>`;
  await remember(messageId, identity, context);
  try {
    // The plain address: list software rejects the null sender, and recognizes subscribers by the envelope sender.
    const envelope = { sender: answer.author, recipients: [parseAddress(answer.form.answerTo)], dsn: {} };
    const account = accountOf(accountsIn(settings), answer.author);
    await send(settings, account, envelope, compose(answer, messageId, now), abort);
  } catch (error) {
    // A program that rejected the answer or could not be run has sent nothing, nor has a failed maildir delivery.
    const certain = error instanceof Rejected || settings.transport.via === "maildir" ||
      (error instanceof Fail && error.kind !== "temporary");
    if (!certain || !(error instanceof Fail)) throw error;
    await ledger.settle(claim, "issued");
    return { reason: `the answer could not be sent: ${error.kind}` };
  }
  await ledger.settle(claim, "spent");
  if (token !== undefined) removeToken(settings.tag.pymsgauth, token);
  return "answered";
}

/** Remembers the answer, so that its bounce is not judged forged. */
async function remember(messageId: string, identity: Identity, context: DeliveryContext): Promise<void> {
  try {
    await rememberIn(context.settings, identity, messageId, false, context.now);
  } catch {
    // Answering has priority.
  }
}

/** Composes a new message, because programs treat a message that is sent back unchanged as a loop. */
function compose({ form, author, inReplyTo }: Answer, messageId: string, now: Date): Message {
  const header: Header = [
    field("From", formatAddress(author)),
    field("To", form.answerTo),
    field("Subject", form.subject),
    field("Date", rfc5322Date(now)),
    field("Message-ID", messageId),
    ...(inReplyTo === undefined ? [] : [field("In-Reply-To", inReplyTo)]),
    ...(form.autoSubmitted ? [field("Auto-Submitted", "auto-replied")] : []),
  ];
  return { head: printHead(header), body: text(form.body) };
}

async function* text(body: string): AsyncGenerator<Uint8Array> {
  if (body !== "") yield await Promise.resolve(utf8(body));
}
