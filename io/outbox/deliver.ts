/** One attempt for one entry of the outbox, and what follows from it. */
import { errorText, Fail, reason } from "../../lib/fail.ts";
import { logEnvelope } from "../../lib/log.ts";
import { parseHead } from "../../lib/message.ts";
import { loggedMessageId } from "../../lib/message_id.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import { accountOf } from "../../outgoing/account.ts";
import type { OutboxEntry } from "../../outgoing/outbox/entry.ts";
import {
  afterAttempt,
  committing,
  expired,
  isExpired,
  isFinished,
  mayBeSent,
  type RecipientResult,
  reported,
  unreported,
  unsent,
} from "../../outgoing/outbox/progress.ts";
import { signedSender } from "../../outgoing/outbox/sender.ts";
import { log } from "../system/log.ts";
import { SecretUnavailable } from "../system/secret_command.ts";
import { logAnswered } from "../transport/answered.ts";
import { attempt } from "../transport/attempt.ts";
import { type Attempt, forAll } from "../transport/outcome.ts";
import { failureReason, Rejected } from "../transport/rejected.ts";
import type { OutboxContext } from "./context.ts";
import { isLoginRejected, pauseAccount } from "./pause.ts";
import { keepUndelivered, report } from "./report.ts";
import type { LockedEntry } from "./store.ts";
import { tell, tellOnce } from "./tell.ts";

/** What is known about the account after an attempt: that it works, that it does not, or nothing. */
export type Reached = boolean | undefined;

/** Makes one attempt, and reports rejected recipients. @throws {Fail} when the result cannot be written */
export async function deliver(context: OutboxContext, locked: LockedEntry, entry: OutboxEntry): Promise<Reached> {
  let current = entry;
  let reached: Reached;
  if (unsent(entry).length > 0) {
    const tried = await tryOnce(context, locked, entry);
    if (context.signal.aborted && !tried.results.some(({ outcome }) => outcome === "accepted")) {
      // Stopped by a signal: that is not an attempt, but a note made before the final dot may have to be withdrawn.
      const { attempts, next, unreachable } = entry;
      locked.save({ ...afterAttempt(tried.entry, tried, context.clock().getTime()), attempts, next, unreachable });
      return undefined;
    }
    reached = tried.unreachable ? false : tried.failure === undefined ? true : undefined;
    current = settle(tried.entry, tried, context.clock().getTime(), entry.attempts);
  }
  return await finish(context, locked, current), reached;
}

/**
 * Records the result of an attempt, and expires what is too old. A rejected report gets another sender.
 *
 * @param attempts the number of attempts before this one
 */
export function settle(entry: OutboxEntry, tried: Attempt, now: number, attempts: number): OutboxEntry {
  const { results } = tried;
  // Many providers reject the null sender. Their bounces of the report then reach its recipient.
  if (entry.report && entry.sender.address === null && results.every(({ outcome }) => outcome === "permanent")) {
    return { ...entry, sender: { address: entry.owner, scheme: "plain" }, next: now };
  }
  const after = afterAttempt(entry, tried, now, attempts);
  return isExpired(after, now) ? expired(after) : after;
}

/** Writes the state, reports rejected recipients, and removes the entry when nothing is left to be done. */
export async function finish(context: OutboxContext, locked: LockedEntry, entry: OutboxEntry): Promise<void> {
  if (isFinished(entry)) return remove(locked, entry);
  locked.save(entry);
  if (unreported(entry).length === 0) return;
  const told = await report(context, locked, entry);
  const left = told ? reported(entry) : entry;
  if (told && isFinished(left)) return remove(locked, left);
  if (told) return locked.save(left);
  if (unsent(entry).length > 0) return; // kept as a whole when the last recipient is settled
  await tell(context, keepUndelivered(context, locked, entry));
}

/** Removes an entry, or at least notes that it is finished, so that it is not sent again. */
function remove(locked: LockedEntry, entry: OutboxEntry): void {
  try {
    locked.remove();
  } catch (error) {
    locked.save(entry);
    throw error;
  }
}

type Tried = Attempt & { readonly entry: OutboxEntry };

/** Makes the attempt. An error of the settings or of this machine counts as a temporary one: a person can fix it. */
async function tryOnce(context: OutboxContext, locked: LockedEntry, entry: OutboxEntry): Promise<Tried> {
  const { settings, identities, accounts, signal, clock } = context;
  let current = entry;
  const notes = mayBeSent(entry) ? ["an earlier attempt was not confirmed: may be sent twice"] : [];
  const recipients = unsent(entry).map(({ address }) => address);
  let tried: Attempt;
  let id: string | undefined;
  let sender = entry.sender.address;
  try {
    const account = accountFor(entry, accounts);
    if (account && account.name !== entry.account) {
      const name = entry.account === "" ? "the server of [transport]" : `account ${entry.account}`;
      notes.push(`${name} is not in the settings any more: sent through ${account.name || "that of [transport]"}`);
    }
    if (account === undefined && settings.transport.via !== "command") {
      throw new Fail("config", `The outbox cannot be used with transport.via = "${settings.transport.via}"`);
    }
    const signed = signedSender(entry.sender, identities, settings, clock(), account?.sender);
    sender = signed.sender;
    if (signed.note !== undefined) notes.push(signed.note);
    const envelope = { sender, recipients, dsn: entry.dsn };
    const beforeCommit = (results: readonly RecipientResult[]) => {
      current = committing(entry, results, clock().getTime());
      locked.save(current);
    };
    const message = await locked.message();
    id = loggedMessageId(parseHead(message.head, true)!.header);
    tried = await attempt(settings, account, envelope, message, {
      signal,
      beforeCommit,
      spool: true,
    });
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    const results = forAll({ sender, recipients, dsn: {} }, "temporary", reason(error));
    tried = { route: "", results, failure: error, unreachable: true };
  }
  const { failure, results, route, answered = {} } = tried;
  if (isLoginRejected(failure)) {
    pauseAccount(context, entry.account, failure);
    await tellAboutLogin(context, entry.account, errorText(failure));
  } else if (failure !== undefined && needsPerson(failure)) {
    // A captive portal in the morning must not hide a failed login in the evening.
    const cause = `${entry.account || "transport"}-${failure.kind}`;
    await tellOnce(context, cause, `Mail waits in the outbox: ${errorText(failure)}`);
  }
  const count = (outcome: string) => results.filter((one) => one.outcome === outcome).length;
  const sent = count("accepted");
  log(settings, {
    direction: "out",
    id,
    entry: locked.id,
    scheme: entry.sender.scheme,
    account: entry.account,
    ...logEnvelope(sender, entry.sender.scheme !== "none", recipients, settings.log_addresses),
    note: [...notes, ...parts(sent, count("permanent"), count("temporary") + count("unknown"))].join("; "),
    route,
    ...logAnswered(answered, { sender, recipients }, settings.log_addresses),
    attempt: entry.attempts + 1,
    result: sent > 0 ? "sent" : count("permanent") === results.length ? "failed" : "queued",
    why: failure && failureReason(failure, settings.log_addresses),
  });
  return { ...tried, entry: current };
}

/** Notifies the user that the login of an account was rejected, by this process or by a shim. */
export async function tellAboutLogin(context: OutboxContext, account: string, why: string): Promise<void> {
  await tellOnce(context, `${account || "transport"}-login`, `Mail waits in the outbox: ${why}`);
}

/** Returns the account of an entry. If it was renamed or removed, the account is chosen as for a new message. */
function accountFor({ account, sender, owner }: OutboxEntry, accounts: readonly Account[]): Account | undefined {
  return accounts.find(({ name }) => name === account) ?? accountOf(accounts, sender.address ?? owner);
}

/** Describes a mixed result. */
function parts(sent: number, rejected: number, waiting: number): string[] {
  if (sent === 0 || rejected + waiting === 0) return [];
  return [`${sent} sent, ${rejected} rejected, ${waiting} waiting`];
}

/**
 * Returns whether waiting does not help: a locked keyring, a certificate of another name, an error in the settings, a
 * sandbox file that is older than them.
 */
function needsPerson(failure: Fail): boolean {
  // A program such as msmtp reports these two with its exit status.
  if (failure instanceof Rejected && [64, 78].includes(failure.code)) return true;
  if (failure instanceof SecretUnavailable) return true;
  if (failure.kind === "temporary") {
    return isCertificateError(failure.cause) || failure.cause instanceof Deno.errors.NotCapable;
  }
  return failure.kind !== "refused" && failure.kind !== "data";
}

/** A portal that answers in place of the server has the wrong certificate. Deno reports it as invalid data. */
function isCertificateError(cause: unknown): boolean {
  return cause instanceof Deno.errors.InvalidData && /certificate/i.test(cause.message);
}
