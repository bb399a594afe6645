/** Carries out a verdict. When this returns, the outcome is final: filed means that the message is on the disk. */
import { parseAddress } from "../lib/address.ts";
import { concat } from "../lib/bytes.ts";
import { Fail } from "../lib/fail.ts";
import { accountOf } from "../outgoing/account.ts";
import { accountsIn } from "../lib/settings/accounts.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { type Mailbox, mailboxOf } from "../lib/settings/mailbox.ts";
import { rfc5322Date } from "../lib/date.ts";
import { mboxHeader } from "../lib/mbox.ts";
import { field, type Header, named, printHead, without } from "../lib/message.ts";
import { makeProof, PROOF_FIELD } from "../incoming/proof.ts";
import { cleanEnvironment, envBytes } from "../io/system/environment.ts";
import { failureReason } from "../io/transport/rejected.ts";
import { isPermanent } from "../io/transport/outcome.ts";
import { send, spoolIn } from "../io/transport/send.ts";
import { inject } from "../io/transport/inject.ts";
import { deliverToMaildir, makeFolders } from "../io/transport/maildir.ts";
import { deliverToMbox } from "../io/transport/mbox.ts";
import type { DeliveryContext, HookResult } from "./delivery_context.ts";
import type { Destination } from "./destination.ts";
import { respond } from "./respond.ts";
import { isBounceSender, type Verdict } from "../incoming/verdict.ts";
import { withoutResults, withResult } from "./result_field.ts";
import { addressIn, DOUBLE_BOUNCE } from "../incoming/delivery.ts";

/** Carries out a verdict: delivers, files or answers, or leaves the message to the caller. */
export async function act(
  verdict: Verdict,
  destination: Destination | undefined,
  context: DeliveryContext,
): Promise<HookResult> {
  const { action } = verdict;
  if (action === "spam") return await fileSpam(verdict, context);
  if (action === "answer") {
    const response = await respond(verdict, context);
    if (response === "answered") return await keep(verdict, context);
    verdict = { ...verdict, action: "deliver", reason: `${verdict.reason}; ${response.reason}: check it yourself` };
  }
  return destination === undefined
    ? { outcome: "go-on", reason: verdict.reason }
    : await deliver(destination, verdict, context);
}

/**
 * Delivers to a destination.
 *
 * @throws {Fail} when the message was not delivered
 */
export async function deliver(
  destination: Destination,
  verdict: Verdict,
  context: DeliveryContext,
): Promise<HookResult> {
  if (destination !== "forward") return await intoMailbox(destination, verdict, context);
  // Only a message for a known identity can be forwarded.
  if (verdict.identity !== undefined) return await forward(verdict, verdict.identity, context);
  const { delivery, settings } = context;
  if (verdict.mark) return await keepHere(verdict, context);
  if (delivery.recipients.length === 0) {
    return await keepHere({ ...verdict, reason: "the recipient is unknown or unreadable" }, context);
  }
  if (verdict.passed === true || settings.incoming.inbox !== "") return await keepHere(verdict, context);
  const fix = "use --forward for the SRS domain only, or set incoming.inbox";
  throw new Fail("config", "Ordinary mail cannot be forwarded", { fix });
}

async function intoMailbox(mailbox: Mailbox, verdict: Verdict, context: DeliveryContext): Promise<HookResult> {
  await store(mailbox, verdict, context);
  return { outcome: "delivered", reason: verdict.reason };
}

async function store(mailbox: Mailbox, verdict: Verdict, context: DeliveryContext): Promise<void> {
  if ("maildir" in mailbox) return void await deliverToMaildir(mailbox.maildir, await markedMessage(verdict, context));
  const { delivery: { sender }, now, abort } = context;
  await deliverToMbox(mailbox.mbox, { sender, now }, await markedMessage(verdict, context, mboxHeader), abort);
}

/**
 * Keeps a message that can never be forwarded: in the inbox if one is set,
 * otherwise in the spam folder. Deferring would only delay the bounce that our
 * own server sends when the queue lifetime ends.
 */
async function keepHere(verdict: Verdict, context: DeliveryContext): Promise<HookResult> {
  const { inbox } = context.settings.incoming;
  return inbox === "" ? await fileSpam(verdict, context) : await intoMailbox(mailboxOf(inbox), verdict, context);
}

/** Files a message as spam, or passes it to the user's program. */
async function fileSpam(verdict: Verdict, context: DeliveryContext): Promise<HookResult> {
  const { spam, spam_command } = context.settings.incoming;
  const filed: HookResult = { outcome: "filed", reason: verdict.reason };
  if (spam_command.length === 0) {
    const mailbox = mailboxOf(spam);
    // Create a missing maildir: otherwise forged mail would stay queued for a week.
    if ("maildir" in mailbox) makeFolders(mailbox.maildir);
    await store(mailbox, verdict, context);
    return filed;
  }
  const call = {
    argv: spam_command,
    environment: cleanEnvironment(),
    timeout: context.settings.transport.timeout,
    signal: context.abort,
    ...spoolIn(context.settings.transport, context.settings.state.folder),
  };
  const { code, lastLine } = await inject(call, await markedMessage(verdict, context));
  if (code !== 0) {
    throw new Fail("temporary", `${spam_command[0]} exited with status ${code}${lastLine && `: ${lastLine}`}`);
  }
  return filed;
}

/** Files an answered challenge. */
export async function keep(verdict: Verdict, context: DeliveryContext): Promise<HookResult> {
  const { answered } = context.settings.challenge;
  if (answered !== "") {
    makeFolders(answered);
    await deliverToMaildir(answered, await markedMessage(verdict, context));
  }
  return { outcome: "answered", reason: verdict.reason };
}

/**
 * Returns the message for a mailbox, with a result field and, under qmail, the lines that qmail-local leaves to
 * programs.
 *
 * @param edit changes the header for the format of the mailbox
 */
async function markedMessage(
  verdict: Verdict,
  context: DeliveryContext,
  edit: (header: Header) => Header = (header) => header,
) {
  const lines = [await qmailLine("RPLINE", context), await qmailLine("DTLINE", context)];
  const head = printHead(edit(withResult(context.delivery.header, verdict)), context.delivery.cut);
  return { head: concat(...lines, head), body: context.body(), whole: context.delivery.whole };
}

/** Returns the bytes of RPLINE or DTLINE, if it is exactly one line. */
async function qmailLine(name: "RPLINE" | "DTLINE", { caller }: DeliveryContext): Promise<Uint8Array> {
  if (caller !== "qmail") return new Uint8Array(); // for other callers, preline or the MTA has added them
  const bytes = await envBytes(name);
  const isLine = bytes !== undefined && bytes.indexOf(10) === bytes.length - 1 && bytes.length > 1;
  return isLine ? bytes : new Uint8Array();
}

/**
 * Forwards to the identity. A bounce keeps the null sender and gets a proof for
 * the identity's own hook; a person's mail keeps its sender.
 */
async function forward(verdict: Verdict, identity: Identity, context: DeliveryContext): Promise<HookResult> {
  const { settings, delivery, now } = context;
  const mine = `Delivered-To: ${canonicalAddress(identity)}`;
  if (delivery.header.some((one) => named(one, "Delivered-To") && one.raw.toLowerCase() === mine.toLowerCase())) {
    const reason = `mail forwarding loop: it was already delivered to ${canonicalAddress(identity)}`;
    return await keepHere({ ...verdict, reason }, context);
  }
  const bounce = isBounceSender(delivery.sender);
  // A sender that cannot be parsed cannot be notified: forward with the null sender, but without a proof.
  const person = bounce ? undefined : addressIn(String(delivery.sender));
  let header = withoutResults(without(delivery.header, "Return-Path"));
  if (bounce) {
    header = complete(header, identity, now);
    // A double bounce is not proved to be ours, so the next hook must judge it itself.
    const proof = delivery.sender === DOUBLE_BOUNCE ? undefined : makeProof(identity, header, now);
    if (proof !== undefined) header = [field(PROOF_FIELD, proof), ...header];
  }
  const { forward_sender } = settings.incoming;
  const own = forward_sender === "" ? null : parseAddress(forward_sender);
  const envelope = { sender: person ?? own, recipients: [identity.address], dsn: {} };
  const head = concat(await qmailLine("DTLINE", context), printHead(header, delivery.cut));
  try {
    const account = accountOf(accountsIn(settings), identity.address);
    await send(settings, account, envelope, { head, body: context.body(), whole: delivery.whole }, context.abort);
  } catch (error) {
    // The body of a longer message has been consumed and cannot be read again.
    if (!isPermanent(error) || delivery.whole !== true) throw error;
    const reason = `it cannot be forwarded: ${failureReason(error, settings.log_addresses)}`;
    return await keepHere({ ...verdict, reason }, context);
  }
  return { outcome: "forwarded", reason: verdict.reason };
}

/** Adds missing fields. An injector would add them later, and the proof would no longer match. */
function complete(header: Header, { address }: Identity, now: Date): Header {
  const wanted = {
    "Message-ID": `<${crypto.randomUUID()}@${address.domain}>`,
    Date: rfc5322Date(now),
    From: `MAILER-DAEMON@${address.domain}`,
  };
  const missing = Object.entries(wanted).filter(([name]) => !header.some((one) => named(one, name)));
  return [...header, ...missing.map(([name, value]) => field(name, value))];
}
