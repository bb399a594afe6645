/** Sends a message by way of the outbox. This module is loaded on demand, when `outbox.when` is not `never`. */
import { Fail, quote } from "../../lib/fail.ts";
import { inOnePiece, type Message } from "../../lib/message.ts";
import { printServer, serverOf } from "../../lib/settings/parse.ts";
import { argumentsFor } from "../../lib/settings/presets.ts";
import type { OutboxEntry } from "../../outgoing/outbox/entry.ts";
import { plannedEntry } from "../../outgoing/outbox/planned.ts";
import { committing, type RecipientResult, replyText } from "../../outgoing/outbox/progress.ts";
import type { Plan } from "../../outgoing/plan.ts";
import { readCertificates, readPassword } from "../system/load.ts";
import { settingOf } from "../transport/credentials.ts";
import { checkMayConnect } from "../transport/may_connect.ts";
import { checkMayRun } from "../transport/may_run.ts";
import { attempt } from "../transport/attempt.ts";
import type { Answered } from "../transport/answered.ts";
import type { Attempt } from "../transport/outcome.ts";
import type { Hear } from "../transport/output.ts";
import { checkLauncher } from "../transport/commit.ts";
import type { OutboxContext } from "./context.ts";
import { finish, settle } from "./deliver.ts";
import { isLoginRejected, pauseAccount, pausedBecause } from "./pause.ts";
import { createEntry, type LockedEntry } from "./store.ts";

/** What happened to the message, for the log. */
export interface Handled {
  readonly route: string;
  readonly result: "sent" | "queued";
  /** Its name in the outbox, if it is there. */
  readonly entry?: string;
  /** What happened to the recipients, if not the same to all. */
  readonly note?: string;
  /** What the server or program answered. */
  readonly answered?: Answered | undefined;
}

/**
 * Sends a message now, or puts it into the outbox. When this returns, some recipient was accepted or the entry is on
 * disk.
 *
 * @param hear as for send()
 * @throws {Fail} when nothing was sent and nothing is kept: every recipient was rejected, or because of an error in the
 *   settings or on disk
 */
export async function sendOrKeep(
  context: OutboxContext,
  planned: Plan,
  message: Message,
  hear?: Hear,
): Promise<Handled> {
  checkTransport(context, planned);
  const copy = message.whole ? await copies(message) : undefined;
  using draft = new Draft(context, planned, copy ?? (() => message));
  if (context.settings.outbox.when === "always") {
    const entry = await draft.keep((one) => one);
    return { route: "outbox", result: "queued", entry };
  }
  // A program such as msmtp may have accounts of its own, of which only one has rejected the login.
  const name = planned.account?.account.name;
  const paused = name === undefined ? undefined : pausedBecause(context, name, context.clock().getTime());
  if (paused !== undefined) {
    const entry = await draft.keep((one) => waitingFor(one, paused));
    return { route: "outbox", result: "queued", entry, note: "not tried, because the login was rejected recently" };
  }
  // What is read from a pipe can be read only once.
  const text = copy?.() ?? await (await draft.written()).message();
  const tried = await attempt(context.settings, planned.account?.account, planned.envelope, text, {
    signal: context.signal,
    hear,
    beforeCommit: async (results) => {
      if (results.every(({ outcome }) => outcome === "accepted")) return checkLauncher();
      await draft.keep((one) => committing(one, results, context.clock().getTime()));
    },
  });
  if (name !== undefined && isLoginRejected(tried.failure)) pauseAccount(context, name, tried.failure);
  return await draft.settle(tried);
}

/** Returns the entry of a message that was not tried, because the account cannot be used. */
function waitingFor(entry: OutboxEntry, why: string): OutboxEntry {
  const recipients = entry.recipients.map((one) => ({ ...one, reply: replyText(why) }));
  return { ...entry, recipients, unreachable: true };
}

/** Reports errors of the settings now, while somebody is waiting for the exit status. @throws {Fail} */
function checkTransport({ settings: { transport } }: OutboxContext, { envelope, account }: Plan): void {
  if (transport.via === "command") {
    const [program] = argumentsFor(transport.preset, transport.command, envelope);
    return checkMayRun(program!, quote(program!), "system");
  }
  if (envelope.sender === undefined) {
    throw new Fail("usage", "Envelope sender unknown", { fix: "set it with -f, or use an identity in From" });
  }
  const { password_file, ca } = account!.account;
  checkMayConnect(printServer(serverOf(account!.account)));
  if (password_file !== "") readPassword(password_file);
  for (const name of ["password_command", "oauth2_command"] as const) {
    const [program] = account!.account[name];
    if (program !== undefined) checkMayRun(program, settingOf(account!.account, name), "config");
  }
  if (ca !== "") readCertificates(ca);
}

/** Returns a function that returns the message, which can otherwise be read once. */
async function copies({ head, body }: Message): Promise<() => Message> {
  const { head: bytes } = await inOnePiece({ head: new Uint8Array(), body, whole: true });
  return () => ({ head, body: once(bytes), whole: true });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A message that may have to be kept. */
class Draft implements Disposable {
  #locked: LockedEntry | undefined;
  #entry: OutboxEntry | undefined;
  /** Whether it is in the queue. */
  #kept = false;

  constructor(readonly context: OutboxContext, readonly planned: Plan, readonly message: () => Message) {}

  /** Writes the message to a draft, unless it was written before. */
  async written(): Promise<LockedEntry> {
    return this.#locked ??= await createEntry(this.context.outbox, this.message());
  }

  /** Puts it into the queue. @returns its name @throws {Fail} `temporary` */
  async keep(change: (entry: OutboxEntry) => OutboxEntry): Promise<string> {
    const { identities, clock, signal } = this.context;
    const locked = await this.written();
    // The sender of the signal assumes that the message was not sent.
    if (signal.aborted && !this.#kept) throw new Fail("temporary", "Stopped by a signal; nothing is sent");
    const size = locked.file.statSync().size;
    this.#entry = change(this.#entry ?? plannedEntry(this.planned, identities, size, clock()));
    if (this.#kept) locked.save(this.#entry);
    else locked.commit(this.#entry);
    this.#kept = true;
    return locked.id;
  }

  /** Keeps what an attempt has left. @throws {Fail} the failure, if nothing is left to be sent and nothing was sent */
  async settle(tried: Attempt): Promise<Handled> {
    const { results, failure, route, answered } = tried;
    const some = (wanted: RecipientResult["outcome"]) => results.some(({ outcome }) => outcome === wanted);
    if (results.every(({ outcome }) => outcome === "accepted")) return { route, result: "sent", answered };
    // While nobody has the message, the caller can correct the recipients and send it again.
    const nobody = !some("accepted") && !some("unknown");
    if ((nobody && some("permanent")) || (this.context.signal.aborted && !some("accepted"))) {
      // What cannot be removed from the queue is sent by a runner, so the caller must not send it again.
      if (this.#discard()) throw failure ?? new Fail("refused", "Every recipient was rejected");
    }
    const now = this.context.clock().getTime();
    const sent = some("accepted");
    try {
      await this.keep((one) => settle(one, tried, now, 0));
      await finish(this.context, this.#locked!, this.#entry!);
    } catch (error) {
      // What was recorded before the final dot is on disk, and a runner continues from there. If the caller sent the
      // message again, it would arrive twice.
      if (!this.#kept) throw error;
    }
    const name = this.#locked!.id;
    const count = (wanted: string) => results.filter(({ outcome }) => outcome === wanted).length;
    const note = `${count("accepted")} sent, ${count("permanent")} rejected, ${
      count("temporary") + count("unknown")
    } waiting`;
    return { route, result: sent ? "sent" : "queued", entry: name, note, answered };
  }

  /** Removes the draft, or the entry from the queue. @returns false if it is still in the queue */
  #discard(): boolean {
    try {
      this.#locked?.remove();
    } catch {
      // A draft was never acknowledged to the caller, and runners remove old ones.
      if (this.#kept) return false;
    }
    this.#kept = false;
    this.#locked?.[Symbol.dispose]();
    this.#locked = undefined;
    return true;
  }

  [Symbol.dispose](): void {
    if (!this.#kept) this.#discard();
    this.#locked?.[Symbol.dispose]();
  }
}
