/** Does what the judge said. When this returns, the outcome is true: filed means on the disk. */
import { parseAddress } from "../lib/address.ts";
import { concat } from "../lib/bytes.ts";
import type { Settings } from "../lib/config.ts";
import { Fail } from "../lib/fail.ts";
import { type Identity, identityName } from "../lib/identity.ts";
import { field, type Header, named, printHead, without } from "../lib/message.ts";
import { makeProof, PROOF_FIELD } from "../lib/proof.ts";
import { cleanEnvironment, envBytes } from "../lib/host.ts";
import { handOver } from "../transport/handover.ts";
import { inject } from "../transport/injector.ts";
import { deliverToMaildir } from "../transport/maildir.ts";
import type { Outcome } from "./exits.ts";
import type { Place } from "./place.ts";
import { isBounceSender, type Verdict } from "./judge.ts";
import { addressIn, type Delivery } from "./delivery.ts";

/** What is at hand for acting. */
export interface Scene {
  readonly settings: Settings;
  readonly delivery: Delivery;
  readonly body: AsyncIterable<Uint8Array>;
  readonly now: Date;
  readonly stop: AbortSignal;
}

/**
 * Delivers to the place.
 *
 * @throws {Fail} when it did not come to that
 */
export async function deliver(place: Place, verdict: Verdict, scene: Scene): Promise<Outcome> {
  if (place === "forward" && verdict.identity === undefined) {
    if (verdict.result === "forged") return await fileSpam(verdict, scene);
    throw new Fail("config", "Ordinary mail cannot be forwarded: --forward is for the SRS domain alone");
  }
  if (place === "forward") await forward(verdict.identity!, scene);
  else await deliverToMaildir(place.maildir, await arrived(verdict, scene));
  return "done";
}

/** Into the spam maildir, by our own writer or the user's program. */
export async function fileSpam(verdict: Verdict, scene: Scene): Promise<Outcome> {
  const { spam, spam_command } = scene.settings.incoming;
  const message = await arrived(verdict, scene);
  if (spam_command.length === 0) {
    await deliverToMaildir(spam, message);
    return "done";
  }
  const call = { argv: spam_command, environment: cleanEnvironment(), timeout: 300, signal: scene.stop };
  const { code, said } = await inject(call, message);
  if (code !== 0) throw new Fail("temporary", `${spam_command[0]} ended with status ${code}${said && `: ${said}`}`);
  return "done";
}

/** Refusing what has no sender, or a daemon's, would bounce a bounce: it is filed instead. */
export async function refuse(verdict: Verdict, scene: Scene): Promise<Outcome> {
  const { sender } = scene.delivery;
  if (sender === undefined || isBounceSender(sender)) return await fileSpam(verdict, scene);
  return "refuse";
}

/**
 * The result field that a hook writes: one, all others taken off. It is for
 * people; programs go by the exit status.
 */
export function withResult(header: Header, verdict: Verdict): Header {
  const result = field(PROOF_FIELD, `${verdict.result}; check=${verdict.check}; reason="${verdict.reason}"`);
  return [result, ...without(header, PROOF_FIELD)];
}

/** The message as a maildir gets it: result field, and under qmail the lines that qmail-local leaves to the deliverer. */
async function arrived(verdict: Verdict, scene: Scene) {
  const lines = [await qmailLine("RPLINE"), await qmailLine("DTLINE")];
  const head = printHead(withResult(scene.delivery.header, verdict));
  return { head: concat(...lines, head), body: scene.body };
}

/** RPLINE and DTLINE, bytes as they are, if they are one line each. */
async function qmailLine(name: "RPLINE" | "DTLINE"): Promise<Uint8Array> {
  const bytes = await envBytes(name);
  const right = bytes !== undefined && bytes.indexOf(10) === bytes.length - 1 && bytes.length > 1;
  return right ? bytes : new Uint8Array();
}

/**
 * On to the identity. A bounce keeps the null sender and gets a proof for the
 * identity's own hook; a person's mail keeps its sender.
 */
async function forward(identity: Identity, { settings, delivery, body, now, stop }: Scene): Promise<void> {
  const delivered = await qmailLine("DTLINE");
  const mine = `Delivered-To: ${identityName(identity)}`.toLowerCase();
  if (delivery.header.some((one) => named(one, "Delivered-To") && one.raw.toLowerCase() === mine)) {
    throw new Fail("refused", `The message was delivered to ${identityName(identity)} before: a loop`);
  }
  // Nobody can be told at an address that cannot be read: that goes on like a bounce.
  const person = isBounceSender(delivery.sender) ? undefined : addressIn(String(delivery.sender));
  let header = without(delivery.header, PROOF_FIELD, "Return-Path");
  if (person === undefined) {
    // An injector adds what is missing; then the proof would be over something else.
    if (!header.some((one) => named(one, "Message-ID"))) {
      header = [...header, field("Message-ID", `<${crypto.randomUUID()}@${identity.address.domain}>`)];
    }
    const proof = await makeProof(identity, header, now);
    if (proof !== undefined) header = [field(PROOF_FIELD, proof), ...header];
  }
  const { forward_sender } = settings.incoming;
  const own = forward_sender === "" ? null : parseAddress(forward_sender);
  const sender = person ?? own;
  const message = { head: concat(delivered, printHead(header)), body };
  await handOver(settings.transport, { sender, recipients: [identity.address], dsn: {} }, message, stop);
}
