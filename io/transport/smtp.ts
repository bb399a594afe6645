/**
 * Hands a message to one submission server and waits for its answer, as msmtp
 * does: to all recipients or to none.
 */
import { formatAddress } from "../../lib/address.ts";
import { printServer, serverOf, type Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { readCertificates, readPassword } from "../system/load.ts";
import { inOnePiece, type Message } from "../../lib/message.ts";
import type { Envelope } from "../../lib/envelope.ts";
import { byPassword } from "./smtp/auth.ts";
import { type BeforeCommit, Client, type Server } from "./smtp/client.ts";
import type { SmtpEnvelope } from "./smtp/envelope.ts";
import { Limits, TIMEOUTS } from "./smtp/limits.ts";
import { sizeWithCrlf } from "./smtp/lines.ts";
import { isPositive } from "./smtp/reply.ts";

type Transport = Settings["transport"];

/**
 * Submits a message. When this returns, the server is responsible for it.
 *
 * @param beforeCommit is called directly before the final dot; what it throws ends the session, and nothing is sent
 * @returns the server, for the log
 * @throws {Fail} `SmtpRejected`, `Unconfirmed`; `usage` without an envelope sender; `config` or `permission` for what is
 *   wrong on our side
 */
export async function submit(
  transport: Transport,
  envelope: Envelope,
  message: Message,
  signal?: AbortSignal,
  beforeCommit?: BeforeCommit,
): Promise<string> {
  const given = message.whole ? await inOnePiece(message) : message;
  // The size of a longer one shows when it is sent.
  const size = message.whole ? { size: sizeWithCrlf(given.head) } : {};
  const asked = { ...envelopeOf(envelope, message.head), ...size };
  return await session(transport, signal, async (client) => {
    const replies = await client.envelope(asked);
    const refused = asked.recipients.flatMap(({ address: recipient }, nth) => {
      const reply = replies[nth]!;
      return isPositive(reply) ? [] : [{ recipient, reply }];
    });
    if (refused.length > 0) throw client.failures.refusedRecipients(refused);
    await client.send(given, beforeCommit);
    await client.end(true);
  });
}

/** Connects, logs in and quits; sends no message. @returns the server. @throws {Fail} as {@link submit} */
export function probe(transport: Transport): Promise<string> {
  return session(transport, undefined, async () => {});
}

async function session(
  transport: Transport,
  signal: AbortSignal | undefined,
  work: (client: Client) => Promise<void>,
): Promise<string> {
  const server = serverIn(transport);
  const limits = new Limits({ ...TIMEOUTS, total: transport.timeout }, signal);
  try {
    const client = await Client.open(server, limits);
    try {
      await work(client);
    } finally {
      await client.end();
    }
    return server.name;
  } finally {
    limits.end();
  }
}

/** Reads the files before it connects, so that errors in them are found without a network. */
function serverIn(transport: Transport): Server {
  const endpoint = serverOf(transport);
  const name = printServer(endpoint);
  if (Deno.permissions.querySync({ name: "net", host: name }).state !== "granted") {
    throw new Fail("config", `No permission to connect to ${name}`, { fix: "countersign sandbox" });
  }
  const { security, helo, ca, user, password_file } = transport;
  const login = user === "" ? {} : { login: { user, mechanisms: byPassword(user, readPassword(password_file)) } };
  return { ...endpoint, name, security, helo, ca: ca === "" ? [] : [readCertificates(ca)], ...login };
}

function envelopeOf({ sender, recipients, dsn }: Envelope, head: Uint8Array): SmtpEnvelope {
  // A program knows who runs it; a server does not.
  if (sender === undefined) {
    throw new Fail("usage", "Envelope sender unknown", { fix: "give one with -f, or write as an identity" });
  }
  const { notify, ret, envid } = dsn;
  return {
    sender: sender === null ? "" : formatAddress(sender),
    recipients: recipients.map((one) => ({ address: formatAddress(one), ...(notify !== undefined && { notify }) })),
    ...(ret !== undefined && { ret }),
    ...(envid !== undefined && { envid: fromXtext(envid) }),
    eightBit: true, // whether it is 8-bit shows only when it has been sent
    utf8Header: isUtf8(head),
  };
}

/** A command line has it in xtext (RFC 3461 section 4). */
const fromXtext = (text: string): string =>
  text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/** Does the header have UTF-8 as it is (RFC 6532)? Bytes that are not UTF-8 no extension makes right. */
function isUtf8(head: Uint8Array): boolean {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(head).length < head.length;
  } catch {
    return false;
  }
}
