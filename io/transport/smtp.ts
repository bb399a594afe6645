/**
 * Submits a message to a submission server and waits for its reply: like msmtp to all recipients or to none, or, for
 * the outbox, to those that the server accepts.
 */
import { type Address, formatAddress } from "../../lib/address.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import { printServer, serverOf } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { readCertificates } from "../system/load.ts";
import { inOnePiece, type Message } from "../../lib/message.ts";
import { type Envelope, fromXtext } from "../../lib/envelope.ts";
import { loginOf } from "./credentials.ts";
import { checkMayConnect } from "./may_connect.ts";
import { type BeforeCommit, Client, type Server } from "./smtp/client.ts";
import type { SmtpEnvelope } from "./smtp/envelope.ts";
import { Limits, TIMEOUTS } from "./smtp/limits.ts";
import { sizeWithCrlf } from "./smtp/lines.ts";
import { type RecipientReply, SmtpRejected } from "./smtp/failure.ts";
import { isPositive, printReply, type Reply } from "./smtp/reply.ts";

/**
 * Submits a message. When this returns, the server is responsible for it.
 *
 * @param beforeCommit called directly before the final dot; if it throws, the session ends and nothing is sent
 * @returns the server, and its reply to the message, for the log
 * @throws {Fail} `SmtpRejected`, `Unconfirmed`; `usage` without an envelope sender; `config` or `permission` for
 *   local errors
 */
export async function submit(
  account: Account,
  envelope: Envelope,
  message: Message,
  signal?: AbortSignal,
  beforeCommit?: BeforeCommit,
): Promise<{ readonly route: string; readonly reply: string }> {
  const { input, smtpEnvelope } = await prepared(envelope, message);
  let reply = "";
  const route = await session(account, signal, async (client) => {
    const replies = await client.envelope(smtpEnvelope);
    const refused = repliesTo(smtpEnvelope, replies).filter(({ reply }) => !isPositive(reply));
    if (refused.length > 0) throw client.failures.refusedRecipients(refused);
    reply = printReply(await client.send(input, beforeCommit));
    await client.end(true);
  });
  return { route, reply };
}

/**
 * Submits a message to the recipients that the server accepts.
 *
 * @param heard called with the replies to all recipients, before the message is sent
 * @param beforeCommit as in {@link submit}
 * @returns the server's reply to the message
 * @throws {Fail} as {@link submit}; `SmtpRejected` with the replies to all recipients if none was accepted
 */
export async function submitToAccepted(
  account: Account,
  envelope: Envelope,
  message: Message,
  signal: AbortSignal | undefined,
  heard: (replies: readonly Reply[]) => void,
  beforeCommit: BeforeCommit,
): Promise<Reply> {
  const { input, smtpEnvelope } = await prepared(envelope, message);
  let reply: Reply | undefined;
  await session(account, signal, async (client) => {
    const replies = await client.envelope(smtpEnvelope);
    if (!replies.some(isPositive)) throw client.failures.refusedRecipients(repliesTo(smtpEnvelope, replies));
    heard(replies);
    try {
      reply = await client.send(input, beforeCommit);
    } catch (error) {
      throw client.failures.withRecipients(error, repliesTo(smtpEnvelope, replies));
    }
    await client.end(true);
  });
  return reply!;
}

function repliesTo({ recipients }: SmtpEnvelope, replies: readonly Reply[]): RecipientReply[] {
  return recipients.map(({ address: recipient }, nth) => ({ recipient, reply: replies[nth]! }));
}

async function prepared(
  envelope: Envelope,
  message: Message,
): Promise<{ input: Message; smtpEnvelope: SmtpEnvelope }> {
  const input = message.whole ? await inOnePiece(message) : message;
  // The size of a message that is not in memory is unknown until it has been sent.
  const size = message.whole ? { size: sizeWithCrlf(input.head) } : {};
  return { input, smtpEnvelope: { ...envelopeOf(envelope, message.head), ...size } };
}

/** An envelope to test on a server. */
export interface OfferedEnvelope {
  readonly sender: Address;
  readonly recipient: Address;
}

/**
 * Connects, logs in and tests envelopes, each of which is followed by RSET instead of DATA. Nothing is sent. The
 * recipients are needed because Postfix by default rejects a sender only in its reply to RCPT (smtpd_delay_reject).
 *
 * @returns for each envelope the rejection, or undefined if it was accepted
 * @throws {Fail} as {@link submit}
 */
export async function probe(account: Account, envelopes: readonly OfferedEnvelope[]): Promise<(Fail | undefined)[]> {
  const rejections: (Fail | undefined)[] = [];
  await session(account, undefined, async (client) => {
    for (const { sender, recipient } of envelopes) {
      const address = formatAddress(recipient);
      try {
        const [reply] = await client.envelope({ sender: formatAddress(sender), recipients: [{ address }] });
        rejections.push(isPositive(reply!) ? undefined : client.failures.refused("RCPT", reply!));
      } catch (error) {
        if (!(error instanceof SmtpRejected && error.reply !== undefined)) throw error;
        rejections.push(error);
      }
      await client.reset();
    }
  });
  return rejections;
}

async function session(
  account: Account,
  signal: AbortSignal | undefined,
  work: (client: Client) => Promise<void>,
): Promise<string> {
  const server = serverIn(account);
  const limits = new Limits({ ...TIMEOUTS, total: account.timeout }, signal);
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

/** Reads the files of password and CA before connecting, so that errors in them are found without a network. */
function serverIn(account: Account): Server {
  const endpoint = serverOf(account);
  const name = printServer(endpoint);
  checkMayConnect(name);
  const { security, helo, ca } = account;
  const login = loginOf(account);
  return { ...endpoint, name, security, helo, ca: ca === "" ? [] : [readCertificates(ca)], ...(login && { login }) };
}

function envelopeOf({ sender, recipients, dsn }: Envelope, head: Uint8Array): SmtpEnvelope {
  // A mail program uses the user who runs it as the default sender; a server has no default.
  if (sender === undefined) {
    throw new Fail("usage", "Envelope sender unknown", { fix: "set it with -f, or use an identity in From" });
  }
  const { notify, ret, envid } = dsn;
  return {
    sender: sender === null ? "" : formatAddress(sender),
    recipients: recipients.map((one) => ({ address: formatAddress(one), ...(notify !== undefined && { notify }) })),
    ...(ret !== undefined && { ret }),
    ...(envid !== undefined && { envid: fromXtext(envid) }),
    eightBit: true, // unknown until the message has been sent
    utf8Header: isUtf8(head),
  };
}

/** Returns whether the header contains UTF-8 (RFC 6532). No extension permits other bytes over 127. */
function isUtf8(head: Uint8Array): boolean {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(head).length < head.length;
  } catch {
    return false;
  }
}
