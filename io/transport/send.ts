/** Sends a message as configured, for the shim and for a forwarding hook. */
import { formatAddress } from "../../lib/address.ts";
import { concat, utf8 } from "../../lib/bytes.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { cleanEnvironment } from "../system/environment.ts";
import type { Message } from "../../lib/message.ts";
import { checkLauncher } from "./commit.ts";
import type { Answered } from "./answered.ts";
import { inject } from "./inject.ts";
import type { Hear } from "./output.ts";
import { deliverToMaildir } from "./maildir.ts";
import type { Envelope } from "../../lib/envelope.ts";
import { argumentsFor, inspectorFor, printsSessions, statusFor } from "../../lib/settings/presets.ts";
import { Rejected } from "./rejected.ts";

/** Set in the environment of every injector. A shim that finds it was called by another shim. */
export const LOOP_MARK = "COUNTERSIGN_INJECTING";

/** Who received a message, and what they answered. */
export interface Sent extends Answered {
  /** The program, server or file. */
  readonly route: string;
}

/**
 * Sends a message. When this returns, another program is responsible for it.
 *
 * @param account the account, with `via = "smtp"`
 * @param hear called with what a program writes to standard error, except its last line if it fails
 * @throws {Rejected} with the program's exit status; otherwise {Fail}
 */
export async function send(
  { transport: settings, state }: Pick<Settings, "transport" | "state">,
  account: Account | undefined,
  envelope: Envelope,
  message: Message,
  signal?: AbortSignal,
  hear?: Hear,
): Promise<Sent> {
  if (settings.via === "maildir") {
    const delivered = { head: withEnvelope(envelope, message.head), body: message.body };
    return { route: await deliverToMaildir(settings.maildir, delivered) };
  }
  if (settings.via === "smtp") {
    if (account === undefined) throw new Error("no account");
    // Loaded on demand, because most messages are sent through a program.
    return await (await import("./smtp.ts")).submit(account, envelope, message, signal, checkLauncher);
  }
  const argv = argumentsFor(settings.preset, settings.command, envelope);
  const environment = cleanEnvironment();
  if (environment[LOOP_MARK] !== undefined) {
    throw new Fail("config", `transport.command ${argv[0]} calls this program again`);
  }
  environment[LOOP_MARK] = "1";
  const inspect = inspectorFor(settings.preset);
  const options = { ...(signal && { signal }), ...(inspect && { inspect }), ...(hear && { hear }) };
  const transcript = printsSessions(settings.command);
  const call = { argv, environment, timeout: settings.timeout, transcript, ...spoolIn(settings, state.folder) };
  const { code, lastLine, reply } = await inject({ ...call, ...options }, message);
  const answered = { reply, said: lastLine };
  if (code === 0) return { route: argv[0]!, ...answered };
  const line = lastLine === "" ? "" : `: ${lastLine}`;
  const what = `${argv[0]} exited with status ${code}${line}`;
  throw new Rejected(statusFor(settings.preset, code), what, undefined, { answered });
}

/** Returns the spool folder, if `transport.spool` is set. */
export function spoolIn({ spool }: Settings["transport"], state: string): { spool?: string } {
  return spool ? { spool: `${state}/spool` } : {};
}

/** Adds the envelope as header fields, as an MTA does at final delivery, because a maildir has no envelope. */
function withEnvelope(envelope: Envelope, head: Uint8Array): Uint8Array<ArrayBuffer> {
  const sender = envelope.sender ? formatAddress(envelope.sender) : "";
  const lines = [
    `Return-Path: <${sender}>`,
    ...envelope.recipients.map((one) => `X-Envelope-To: ${formatAddress(one)}`),
  ];
  return concat(utf8(lines.join("\n") + "\n"), head);
}
