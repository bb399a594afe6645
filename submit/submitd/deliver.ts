/** Receives the content of a message from an authenticated client, and sends it for its user. */
import type { Address } from "../../lib/address.ts";
import { rfc5322Date } from "../../lib/date.ts";
import { Fail } from "../../lib/fail.ts";
import { type Field, field } from "../../lib/message.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { READ_FIRST_BYTES } from "../../io/outgoing/submit.ts";
import { readInput } from "../../io/system/input.ts";
import type { Authenticated } from "../auth/backend.ts";
import { DataRejected } from "../content_source.ts";
import { Slots } from "../slots.ts";
import { refusalOf, submitFor } from "../submission.ts";
import { Content, Disconnected } from "./content.ts";
import { submitterOf } from "./user.ts";

/** What is known of a message before its content. */
export interface Transaction {
  readonly who: Authenticated;
  readonly sender: Address | null;
  readonly recipients: readonly Address[];
  /** The client's address, and how it sends (RFC 3848), for the Received field. */
  readonly ip: string;
  readonly protocol: string;
}

/** What all messages are sent with. */
export interface DeliverOptions {
  readonly settings: Settings;
  /** The name of this host. */
  readonly host: string;
  readonly abort: AbortSignal;
  readonly report: (what: string) => void;
}

/** Messages that are sent at the same time: each may be a process. */
const SENDING = new Slots(50);

/** Sends the message. @returns the reply, once the whole content was read; undefined if the client has disconnected */
export async function deliver(
  stream: AsyncIterable<Uint8Array>,
  transaction: Transaction,
  options: DeliverOptions,
): Promise<string | undefined> {
  const content = new Content(stream, options.settings.submit.max_message);
  try {
    try {
      await send(content, transaction, options);
      return "250 2.0.0 Ok";
    } catch (thrown) {
      const error = causeOf(thrown);
      if (error instanceof Disconnected) throw error;
      await content.skip();
      return refusalOf(error, (what) => options.report(`${transaction.who.login}: ${what}`));
    }
  } catch (error) {
    if (error instanceof Disconnected) return undefined;
    throw error;
  }
}

async function send(content: Content, transaction: Transaction, options: DeliverOptions): Promise<void> {
  const { who, sender, recipients } = transaction;
  const { settings, abort } = options;
  const user = submitterOf(who, settings);
  await content.prepare();
  const input = await readInput(READ_FIRST_BYTES, true, content);
  const received = receivedField(transaction, options.host);
  const message = { input, header: input.head.header, sender, recipients, fullName: "", received, abort };
  // The setting of the site: users must not allow themselves more in settings of their own.
  await SENDING.run(() => submitFor(user, message, settings.submit.check_sender));
}

function receivedField({ ip, protocol }: Transaction, host: string): Field {
  const address = ip.replace(/[^0-9a-fA-F.:]/g, "").slice(0, 45);
  const literal = address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
  const how = /^[A-Z0-9]{1,12}$/.test(protocol) ? protocol : "ESMTPSA";
  return field("Received", `from ${literal} by ${host} with ${how}; ${rfc5322Date(new Date())}`);
}

/** Returns the error of the content: `readInput` wraps it. */
function causeOf(error: unknown): unknown {
  const cause = error instanceof Fail ? error.cause : undefined;
  return cause instanceof Disconnected || cause instanceof DataRejected ? cause : error;
}
