/** Sends a message as configured, for the shim and for a forwarding hook. */
import { formatAddress } from "../../lib/address.ts";
import { concat, utf8 } from "../../lib/bytes.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { cleanEnvironment } from "../system/environment.ts";
import type { Message } from "../../lib/message.ts";
import { checkLauncher } from "./commit.ts";
import { inject } from "./inject.ts";
import { deliverToMaildir } from "./maildir.ts";
import type { Envelope } from "../../lib/envelope.ts";
import { argumentsFor, inspectorFor, statusFor } from "../../lib/settings/presets.ts";
import { Rejected } from "./rejected.ts";

/** Set in the environment of every injector. A shim that finds it was called by another shim. */
export const LOOP_MARK = "COUNTERSIGN_INJECTING";

/** Returns whether a retry would certainly fail, too. Status 65 is EX_DATAERR in sysexits.h. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof Rejected && error.code === 65) return true;
  return error instanceof Fail && (error.kind === "refused" || error.kind === "data");
}

/**
 * Sends a message. When this returns, another program is responsible for it.
 *
 * @param account the account, with `via = "smtp"`
 * @returns the program, server or file that received it, for the log
 * @throws {Rejected} with the program's exit status; otherwise {Fail}
 */
export async function send(
  { transport: settings, state }: Pick<Settings, "transport" | "state">,
  account: Account | undefined,
  envelope: Envelope,
  message: Message,
  signal?: AbortSignal,
): Promise<string> {
  if (settings.via === "maildir") {
    return await deliverToMaildir(settings.maildir, { head: withEnvelope(envelope, message.head), body: message.body });
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
  const call = { argv, environment, timeout: settings.timeout, ...spoolIn(settings, state.folder) };
  const exit = await inject({ ...call, ...(signal && { signal }), ...(inspect && { inspect }) }, message);
  if (exit.code === 0) return argv[0]!;
  const line = exit.lastLine === "" ? "" : `: ${exit.lastLine}`;
  throw new Rejected(statusFor(settings.preset, exit.code), `${argv[0]} exited with status ${exit.code}${line}`);
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
