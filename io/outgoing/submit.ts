/**
 * Sends a message for a user: plans it, remembers it, passes it on or keeps it in the outbox, and logs what happened.
 */
import { LEDGER_BODY_BYTES } from "../../lib/entry.ts";
import { type Event, logEnvelope } from "../../lib/log.ts";
import { type Header, type Message, printHead, unixLines } from "../../lib/message.ts";
import { loggedMessageId } from "../../lib/message_id.ts";
import { isProbeMessageId, PROBE } from "../../lib/probe.ts";
import { accountsIn } from "../../lib/settings/accounts.ts";
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { type Plan, plan, RANDOM_BYTES } from "../../outgoing/plan.ts";
import type { OutgoingRequest } from "../../outgoing/request.ts";
import type { Handled } from "../outbox/send_or_keep.ts";
import { remember } from "../state/remember.ts";
import { type Input, PIPE_BYTES } from "../system/input.ts";
import { log } from "../system/log.ts";
import { untilAborted } from "../system/signals.ts";
import { type Answered, logAnswered } from "../transport/answered.ts";
import type { Hear } from "../transport/output.ts";
import { answeredIn, failureReason } from "../transport/rejected.ts";
import { send } from "../transport/send.ts";
import { tidy } from "./tidy.ts";

/**
 * Bytes of a message to read before it is planned. A message that fits into a pipe is read to its end first, so that a
 * killed program never sends part of it.
 */
export const READ_FIRST_BYTES = Math.max(LEDGER_BODY_BYTES, PIPE_BYTES);

/** For whom a message is sent, and how. */
export interface Submission {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly request: OutgoingRequest;
  readonly input: Input;
  readonly abort: AbortSignal;
  /** The header to plan, if not the one that was read. */
  readonly header?: Header;
  /** Returns the header to send, made from the planned one, which is signed. */
  readonly finish?: (planned: Header) => Header;
  /** What the log says besides the plan. */
  readonly event?: Event;
  /** Called with what the program that sends the message writes to standard error, except its last line if it fails. */
  readonly hear?: Hear;
}

/**
 * Sends a message. When this returns, another program, a server or the outbox is responsible for it.
 *
 * @throws {Fail} as `plan` and `send`; nothing was sent
 */
export async function submitMessage(submission: Submission): Promise<void> {
  const { settings, input, abort, finish } = submission;
  const now = new Date();
  const planned = planSubmission(submission, now);
  const start = input.prefix.subarray(input.head.bodyStart);
  const forgotten = await remember(planned, start, input.whole, settings, now);

  const body = untilAborted(unixLines(input.body()), abort);
  const event = { ...describe(planned, settings), ...submission.event, forgotten };
  const answer = (answered: Answered) => logAnswered(answered, planned.envelope, settings.log_addresses);
  try {
    const header = finish === undefined ? planned.header : finish(planned.header);
    const message = { head: printHead(header), body, whole: input.whole };
    const handled: Handled = settings.outbox.when === "never"
      ? await sendNow(submission, planned, message)
      : await keepable(submission, planned, message);
    const { note, answered = {}, route, result, entry } = handled;
    const notes = [event.note, note].filter((one) => one).join("; ");
    log(settings, { ...event, note: notes, route, ...answer(answered), result, entry, why: planned.why });
    await tidy(settings, now);
  } catch (error) {
    const failure = failureReason(error, settings.log_addresses);
    const why = planned.why === undefined ? failure : `${failure}; not signed: ${planned.why}`;
    log(settings, { ...event, ...answer(answeredIn(error)), result: "failed", why });
    throw error;
  }
}

/** Plans the message. @throws {Fail} as `plan` */
export function planSubmission({ settings, identities, request, input, header }: Submission, now: Date): Plan {
  return plan(request, header ?? input.head.header, {
    settings,
    identities,
    accounts: accountsIn(settings),
    now,
    random: crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)),
    mailboxLine: input.head.headStart > 0,
  });
}

async function sendNow({ settings, abort, hear }: Submission, planned: Plan, message: Message): Promise<Handled> {
  const account = planned.account?.account;
  const { route, ...answered } = await send(settings, account, planned.envelope, message, abort, hear);
  return { route, result: "sent", answered };
}

/** Sends by way of the outbox, whose modules are loaded on demand, because most settings have none. */
async function keepable({ settings, abort, hear }: Submission, planned: Plan, message: Message): Promise<Handled> {
  const { sendOrKeep } = await import("../outbox/send_or_keep.ts");
  const { outboxContext } = await import("../outbox/context.ts");
  // A user who writes offline need not be told that the server cannot be reached: the message is kept.
  const { held, release } = holdBack(hear);
  try {
    const handled = await sendOrKeep(outboxContext(settings, abort, () => {}), planned, message, held);
    if (handled.result === "sent") release();
    return handled;
  } catch (error) {
    release();
    throw error;
  }
}

/** Characters of standard error that are held back. */
const MAX_HELD = 64 * 1024;

function holdBack(hear: Hear | undefined): { held: Hear; release: () => void } {
  let text = "";
  return {
    held: (more) => void (text = (text + more).slice(-MAX_HELD)),
    release: () => text !== "" && hear?.(text),
  };
}

/** Describes a planned message for the log. */
export function describe(planned: Plan, settings: Settings) {
  const { scheme, identity, account, notes, error, warning } = planned;
  const { sender, recipients } = planned.envelope;
  const id = loggedMessageId(planned.header);
  return {
    direction: "out",
    id,
    probe: id !== undefined && isProbeMessageId(id) ? PROBE : undefined,
    account: account?.account.name,
    identity: identity && canonicalAddress(identity),
    scheme,
    ...logEnvelope(sender, identity !== undefined, recipients, settings.log_addresses),
    note: notes.join("; "),
    error,
    warning,
  };
}
