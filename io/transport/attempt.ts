/** One attempt to send a message of the outbox, with a result for each recipient. */
import { type Fail, reason } from "../../lib/fail.ts";
import type { Envelope } from "../../lib/envelope.ts";
import type { Message } from "../../lib/message.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { replyText } from "../../outgoing/outbox/progress.ts";
import { type Attempt, type AttemptOptions, forAll, outcomeOf } from "./outcome.ts";
import { answeredIn, Rejected, Unfinished } from "./rejected.ts";
import { send } from "./send.ts";

/** Characters of a program's standard error that are kept with an entry. */
const MAX_SAID = 2000;

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
  let said = "";
  try {
    await beforeCommit(forAll(envelope, "accepted", ""));
    const { route, ...answered } = await send(
      { ...settings, transport: { ...settings.transport, spool } },
      undefined,
      envelope,
      message,
      signal,
      (text) => {
        said = (said + text).slice(0, MAX_SAID);
        hear?.(text);
      },
    );
    return { route, results: forAll(envelope, "accepted", ""), answered, unreachable: false };
  } catch (error) {
    const outcome = error instanceof Unfinished ? "unknown" : outcomeOf(error);
    if (outcome === undefined) throw error;
    const whole = withLines(error as Fail, said);
    return {
      route: settings.transport.command[0] ?? settings.transport.preset,
      results: forAll(envelope, outcome, reason(whole)),
      answered: answeredIn(error),
      // Whoever hears the other lines need not read them again.
      failure: hear === undefined ? whole : error as Fail,
      unreachable: false,
    };
  }
}

/**
 * Returns the error with all lines that the program wrote to standard error. Before its last line, which may only say
 * that it failed, msmtp prints the reply of the server.
 *
 * @param said what it wrote before its last line
 */
function withLines(error: Fail, said: string): Fail {
  const lines = said.split("\n").map(replyText).filter((line) => line !== "");
  const last = answeredIn(error).said ?? "";
  if (!(error instanceof Rejected) || lines.length === 0 || last === "" || !error.message.endsWith(last)) return error;
  const message = error.message.slice(0, -last.length) + [...lines, last].join("; ");
  return new Rejected(error.code, message, error.kind, { answered: error.answered, cause: error });
}
