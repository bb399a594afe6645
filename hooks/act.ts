/** Does what the judge said. When this returns, the outcome is true: filed means on the disk. */
import { parseAddress } from "../lib/address.ts";
import { concat } from "../lib/bytes.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { rfc5322Date } from "../lib/date.ts";
import type { Ledger } from "../lib/entry.ts";
import { field, type Header, named, printHead, without } from "../lib/message.ts";
import { makeProof, PROOF_FIELD } from "../incoming/proof.ts";
import { cleanEnvironment, envBytes } from "../io/system/environment.ts";
import { failureReason, isPermanent, send, spoolIn } from "../io/transport/send.ts";
import { inject } from "../io/transport/inject.ts";
import { deliverToMaildir, makeFolders } from "../io/transport/maildir.ts";
import type { Outcome } from "./exits.ts";
import type { Destination } from "./destination.ts";
import { isBounceSender, type Verdict } from "../incoming/verdict.ts";
import { withoutResults, withResult } from "./result_field.ts";
import { addressIn, type Caller, type Delivery, DOUBLE_BOUNCE } from "../incoming/delivery.ts";

/** What came of it, and why, which may be another reason than the judge's. */
export interface HookResult {
  readonly outcome: Outcome;
  readonly reason: string;
}

/** What is at hand for acting. */
export interface DeliveryContext {
  readonly caller: Caller;
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly delivery: Delivery;
  /** The body, once; again where the whole message was in the prefix. */
  body(): AsyncIterable<Uint8Array>;
  readonly now: Date;
  readonly abort: AbortSignal;
}

/**
 * Delivers to the place.
 *
 * @throws {Fail} when it did not come to that
 */
export async function deliver(place: Destination, verdict: Verdict, scene: DeliveryContext): Promise<HookResult> {
  if (place !== "forward") return await intoMaildir(place.maildir, verdict, scene);
  // Only what is known to belong to somebody can be forwarded to them.
  if (verdict.identity !== undefined) return await forward(verdict, verdict.identity, scene);
  const { delivery, settings } = scene;
  if (verdict.mark) return await keepHere(verdict, scene);
  if (delivery.recipients.length === 0) {
    return await keepHere({ ...verdict, reason: "the recipient is unknown or unreadable" }, scene);
  }
  if (verdict.passed === true || settings.incoming.inbox !== "") return await keepHere(verdict, scene);
  const what = "Ordinary mail cannot be forwarded: --forward is for the SRS domain alone, or set incoming.inbox";
  throw new Fail("config", what);
}

async function intoMaildir(maildir: string, verdict: Verdict, scene: DeliveryContext): Promise<HookResult> {
  await deliverToMaildir(maildir, await arrived(verdict, scene));
  return { outcome: "delivered", reason: verdict.reason };
}

/**
 * Keeps what can never be forwarded: in the inbox where there is one, else in
 * the spam folder. To defer it would only delay the bounce that our own server
 * writes when its queue gives up.
 */
async function keepHere(verdict: Verdict, scene: DeliveryContext): Promise<HookResult> {
  const { inbox } = scene.settings.incoming;
  return inbox === "" ? await fileSpam(verdict, scene) : await intoMaildir(inbox, verdict, scene);
}

/** Into the spam maildir, by our own writer or the user's program. */
export async function fileSpam(verdict: Verdict, scene: DeliveryContext): Promise<HookResult> {
  const { spam, spam_command } = scene.settings.incoming;
  const message = await arrived(verdict, scene);
  const filed: HookResult = { outcome: "filed", reason: verdict.reason };
  if (spam_command.length === 0) {
    // What is filed here is better in a folder that is made for it than in the queue for a week.
    makeFolders(spam);
    await deliverToMaildir(spam, message);
    return filed;
  }
  const call = {
    argv: spam_command,
    environment: cleanEnvironment(),
    timeout: scene.settings.transport.timeout,
    signal: scene.abort,
    ...spoolIn(scene.settings.transport, scene.settings.state.folder),
  };
  const { code, said } = await inject(call, message);
  if (code !== 0) throw new Fail("temporary", `${spam_command[0]} ended with status ${code}${said && `: ${said}`}`);
  return filed;
}

/** Keeps a challenge that was answered. */
export async function keep(verdict: Verdict, scene: DeliveryContext): Promise<HookResult> {
  const { answered } = scene.settings.challenge;
  if (answered !== "") {
    makeFolders(answered);
    await deliverToMaildir(answered, await arrived(verdict, scene));
  }
  return { outcome: "answered", reason: verdict.reason };
}

/** The message as a maildir gets it: result field, and under qmail the lines that qmail-local leaves to the deliverer. */
async function arrived(verdict: Verdict, scene: DeliveryContext) {
  const lines = [await qmailLine("RPLINE", scene), await qmailLine("DTLINE", scene)];
  const head = printHead(withResult(scene.delivery.header, verdict), scene.delivery.cut);
  return { head: concat(...lines, head), body: scene.body(), whole: scene.delivery.whole };
}

/** RPLINE and DTLINE, bytes as they are, if they are one line each. */
async function qmailLine(name: "RPLINE" | "DTLINE", { caller }: DeliveryContext): Promise<Uint8Array> {
  if (caller !== "qmail") return new Uint8Array(); // others, behind preline, have them in the message
  const bytes = await envBytes(name);
  const right = bytes !== undefined && bytes.indexOf(10) === bytes.length - 1 && bytes.length > 1;
  return right ? bytes : new Uint8Array();
}

/**
 * On to the identity. A bounce keeps the null sender and gets a proof for the
 * identity's own hook; a person's mail keeps its sender.
 */
async function forward(verdict: Verdict, identity: Identity, scene: DeliveryContext): Promise<HookResult> {
  const { settings, delivery, now } = scene;
  const mine = `Delivered-To: ${canonicalAddress(identity)}`;
  if (delivery.header.some((one) => named(one, "Delivered-To") && one.raw.toLowerCase() === mine.toLowerCase())) {
    const reason = `it was delivered to ${canonicalAddress(identity)} before: a loop`;
    return await keepHere({ ...verdict, reason }, scene);
  }
  const bounce = isBounceSender(delivery.sender);
  // Nobody can be told at an address that cannot be read: that goes on with the null sender, but is no bounce.
  const person = bounce ? undefined : addressIn(String(delivery.sender));
  let header = withoutResults(without(delivery.header, "Return-Path"));
  if (bounce) {
    header = complete(header, identity, now);
    // A double bounce was not proved to be ours, so the next hook must judge it by itself.
    const proof = delivery.sender === DOUBLE_BOUNCE ? undefined : makeProof(identity, header, now);
    if (proof !== undefined) header = [field(PROOF_FIELD, proof), ...header];
  }
  const { forward_sender } = settings.incoming;
  const own = forward_sender === "" ? null : parseAddress(forward_sender);
  const envelope = { sender: person ?? own, recipients: [identity.address], dsn: {} };
  const head = concat(await qmailLine("DTLINE", scene), printHead(header, delivery.cut));
  try {
    await send(settings, envelope, { head, body: scene.body(), whole: delivery.whole }, scene.abort);
  } catch (error) {
    // Of a longer message what was sent cannot be read again.
    if (!isPermanent(error) || delivery.whole !== true) throw error;
    const reason = `it cannot be forwarded: ${failureReason(error, settings.log_addresses)}`;
    return await keepHere({ ...verdict, reason }, scene);
  }
  return { outcome: "forwarded", reason: verdict.reason };
}

/** An injector adds what is missing; then the proof would be over something else. */
function complete(header: Header, { address }: Identity, now: Date): Header {
  const wanted = {
    "Message-ID": `<${crypto.randomUUID()}@${address.domain}>`,
    Date: rfc5322Date(now),
    From: `MAILER-DAEMON@${address.domain}`,
  };
  const missing = Object.entries(wanted).filter(([name]) => !header.some((one) => named(one, name)));
  return [...header, ...missing.map(([name, value]) => field(name, value))];
}
