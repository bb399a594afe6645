/** Sends the message of an authenticated client for its user: what ofmipd and submitd have in common. */
import type { Address } from "../lib/address.ts";
import { errorText, Fail, reason } from "../lib/fail.ts";
import { logEnvelope } from "../lib/log.ts";
import { type Field, type Header, named } from "../lib/message.ts";
import type { Identity } from "../lib/settings/identity.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { type CheckSender, receivedBefore, senderRefusal } from "../outgoing/login.ts";
import { submitMessage } from "../io/outgoing/submit.ts";
import type { Input } from "../io/system/input.ts";
import { log } from "../io/system/log.ts";
import { isPermanent } from "../io/transport/outcome.ts";
import { DataRejected } from "./content_source.ts";

/** For whom a message is sent. */
export interface Submitter {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly login: string;
}

/** A message of a client, of which the beginning has been read. */
export interface ClientMessage {
  readonly input: Input;
  /** Its header, if not the one that was read. */
  readonly header: Header;
  /** Null for the null sender. */
  readonly sender: Address | null;
  readonly recipients: readonly Address[];
  /** The name for a From that is missing; usually empty. */
  readonly fullName: string;
  /** The Received field that is added. */
  readonly received: Field;
  readonly abort: AbortSignal;
}

/** A message with this many Received fields is looping. */
const MAX_HOPS = 100;

/** Sends the message. @throws {Fail} nothing was sent; see {@link refusalOf} */
export async function submitFor(user: Submitter, message: ClientMessage, check: CheckSender): Promise<void> {
  const { settings, identities, login } = user;
  const { input, header, sender, recipients, fullName, received, abort } = message;
  if (header.filter((one) => named(one, "Received")).length > MAX_HOPS) {
    throw new DataRejected("554 5.4.6", "The message is looping");
  }
  const hidden = receivedBefore(header);
  const visible = header.filter((one) => !hidden.has(one));
  const refusal = senderRefusal(check, login, sender, visible, { settings, identities, now: new Date() });
  if (refusal !== undefined) {
    const envelope = logEnvelope(sender, true, recipients, settings.log_addresses);
    log(settings, { direction: "out", ...envelope, login, result: "failed", why: refusal });
    throw new DataRejected("550 5.7.1", `Not sent: ${refusal}`);
  }
  // The client may be slow: if this process were killed meanwhile, the injector would send the part that it has
  // received.
  const { transport } = settings;
  await submitMessage({
    settings: { ...settings, transport: { ...transport, spool: transport.spool || !input.whole } },
    identities,
    request: { sender, fullName, recipientsFrom: "arguments", recipients, dsn: {} },
    input,
    abort,
    header: visible,
    finish: (planned) => [received, ...hidden, ...planned],
    event: { login },
  });
}

/** Returns the reply for a message that was not sent. @param report is called with the reason */
export function refusalOf(error: unknown, report: (what: string) => void): string {
  if (error instanceof DataRejected) {
    report(`The message was rejected: ${error.message}`);
    return `${error.code} ${error.message}`;
  }
  report(errorText(error));
  // Errors of this machine are for the administrator, not for the client.
  if (isPermanent(error)) return `554 5.6.0 ${oneLine(reason(error))}`;
  if (error instanceof Fail && error.kind === "usage") return `554 5.6.0 ${oneLine(error.message)}`;
  return "451 4.3.0 The message cannot be sent now, try again later";
}

/** Returns a text that fits into a reply. */
// deno-lint-ignore no-control-regex
const oneLine = (text: string) => text.replace(/[\x00-\x1f\x7f]+/g, " ").slice(0, 400);
