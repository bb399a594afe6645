/** One attempt to send a message of the outbox, with a result for each recipient. */
import { type Fail, reason } from "../../lib/fail.ts";
import type { Envelope } from "../../lib/envelope.ts";
import type { Message } from "../../lib/message.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { type Attempt, type AttemptOptions, forAll, outcomeOf } from "./outcome.ts";
import { answeredIn, Unfinished } from "./rejected.ts";
import { send } from "./send.ts";

/**
 * Makes one attempt. To a server the message is sent for the recipients that it accepts; the exit status of a program
 * counts for all.
 *
 * @throws {Fail} for errors of the settings and of this machine, which do not concern the message; nothing was sent
 */
export async function attempt(
  settings: Pick<Settings, "transport" | "state">,
  account: Account | undefined,
  envelope: Envelope,
  message: Message,
  options: AttemptOptions,
): Promise<Attempt> {
  if (account !== undefined) {
    // Loaded on demand, because most messages are sent through a program.
    return await (await import("./attempt_smtp.ts")).attemptSmtp(account, envelope, message, options);
  }
  return await attemptCommand(settings, envelope, message, options);
}

async function attemptCommand(
  settings: Pick<Settings, "transport" | "state">,
  envelope: Envelope,
  message: Message,
  options: AttemptOptions,
): Promise<Attempt> {
  const { signal, beforeCommit, hear } = options;
  const spool = options.spool || settings.transport.spool || !message.whole;
  try {
    await beforeCommit(forAll(envelope, "accepted", ""));
    const { route, ...answered } = await send(
      { ...settings, transport: { ...settings.transport, spool } },
      undefined,
      envelope,
      message,
      signal,
      hear,
    );
    return { route, results: forAll(envelope, "accepted", ""), answered, unreachable: false };
  } catch (error) {
    const outcome = error instanceof Unfinished ? "unknown" : outcomeOf(error);
    if (outcome === undefined) throw error;
    return {
      route: settings.transport.command[0] ?? settings.transport.preset,
      results: forAll(envelope, outcome, reason(error)),
      answered: answeredIn(error),
      failure: error as Fail,
      unreachable: false,
    };
  }
}
