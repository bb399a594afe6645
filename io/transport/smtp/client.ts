/**
 * An SMTP client (RFC 5321) for submission (RFC 6409) with TLS and
 * authentication. It streams messages.
 *
 * DATA is sent only after the replies to all recipients, also with PIPELINING
 * (RFC 2920), so that the caller can decide whether to send the message if some
 * recipients were rejected.
 *
 * The server commits at the final dot. On any failure before it, the client
 * closes the connection, so that a truncated message is never accepted. After
 * it, a missing reply means that the message may have been sent.
 *
 * One class, and therefore longer than other files: all of it shares the state
 * of a session.
 */
import { utf8 } from "../../../lib/bytes.ts";
import { Fail, quote } from "../../../lib/fail.ts";
import type { Message } from "../../../lib/message.ts";
import { after } from "../../system/timer.ts";
import { choose, type Login } from "./auth.ts";
import { Connection, type Endpoint } from "./connection.ts";
import { commands, type Extensions, extensionsIn, sizeLimit, type SmtpEnvelope, tooLarge } from "./envelope.ts";
import { Failures, type Step, why } from "./failure.ts";
import { type Limits, Stopped, type Timeouts } from "./limits.ts";
import { SmtpLines } from "./lines.ts";
import { isPositive, NotReply, type Reply } from "./reply.ts";

/** A server, and how to connect to it. */
export interface Server extends Endpoint {
  /** The name for messages. */
  readonly name: string;
  /** TLS from the start (RFC 8314), mandatory STARTTLS (RFC 3207), or no TLS. */
  readonly security: "tls" | "starttls" | "none";
  /** Additional trusted CA certificates in PEM. */
  readonly ca: readonly string[];
  /** The client's name in EHLO. */
  readonly helo: string;
  /** How to log in; used only over TLS. */
  readonly login?: Login;
}

/** Called directly before the final dot. If it throws, the session ends and nothing is sent. */
export type BeforeCommit = () => void | Promise<void>;

/** Which timeout applies to a command. */
const TIMES: Partial<Record<Step, keyof Timeouts>> = { MAIL: "mail", RCPT: "rcpt", DATA: "data" };

/** Maximum length of a command without its CRLF (RFC 5321 section 4.5.3.1.4). */
const MAX_COMMAND_OCTETS = 510;

/** Maximum number of challenges in one login. */
const MAX_CHALLENGES = 8;

/** A session with a server. */
export class Client {
  /** The extensions that the server offers; after the TLS handshake, if there was one. */
  extensions: Extensions = new Map();
  /** Whether the server is waiting for a command. */
  #ready = false;
  /** The current step, for error messages. */
  #step: Step = "greeting";
  readonly failures: Failures;

  private constructor(readonly server: Server, readonly limits: Limits, readonly connection: Connection) {
    this.failures = failuresOf(server);
  }

  /**
   * Connects, starts TLS and logs in.
   *
   * @throws {Fail} `SmtpRejected`
   */
  static async open(server: Server, limits: Limits): Promise<Client> {
    let connection: Connection;
    try {
      connection = await Connection.open(server, limits);
    } catch (error) {
      throw failureOf(failuresOf(server), "connect", error);
    }
    const client = new Client(server, limits, connection);
    try {
      await client.#attempt(() => client.#begin());
    } catch (error) {
      await client.end();
      throw error;
    }
    return client;
  }

  async #begin(): Promise<void> {
    const { server: { security, hostname, ca, login }, connection } = this;
    if (security === "tls") await connection.startTls(hostname, ca);
    const greeting = this.#heard(await connection.reply("greeting", "greeting"));
    if (!isPositive(greeting)) throw this.failures.refused("greeting", greeting);
    await this.#hello();
    if (security === "starttls") {
      if (!this.extensions.has("STARTTLS")) throw this.failures.broken("STARTTLS", "it does not offer STARTTLS");
      await this.#command("STARTTLS", "STARTTLS", isPositive);
      this.#ready = false;
      // RFC 3207 section 6: an attacker could have injected data that would be read as if sent over TLS
      // (CVE-2011-0411).
      if (connection.pending) {
        throw this.failures.broken("STARTTLS", "it sent data between its reply to STARTTLS and the handshake");
      }
      this.extensions = new Map();
      await connection.startTls(hostname, ca);
      await this.#hello();
    }
    if (login !== undefined) await this.#login(login.mechanisms);
  }

  async #hello(): Promise<void> {
    const { helo } = this.server;
    const reply = await this.#command("EHLO", `EHLO ${helo}`);
    if (isPositive(reply)) {
      this.extensions = extensionsIn(reply.lines);
      return;
    }
    if (reply.code < 500) throw this.failures.refused("EHLO", reply);
    // RFC 5321 section 3.2: the server does not know EHLO, so it has no extensions.
    this.extensions = new Map();
    await this.#command("EHLO", `HELO ${helo}`, isPositive);
  }

  async #login(mechanisms: Login["mechanisms"]): Promise<void> {
    // parseConfig() rejects such settings. This is a second check, because a password in the clear is compromised.
    if (!this.connection.secure) throw new Fail("config", "A password is not sent without TLS");
    const offered = this.extensions.get("AUTH");
    const chosen = choose(offered ?? "", mechanisms);
    if (chosen === undefined) {
      throw unsupportedLogin(this.server.name, offered, mechanisms);
    }
    const mechanism = "prepare" in chosen ? await chosen.prepare(this.limits.signal) : chosen;
    this.failures.hide(mechanism.secrets);
    const { name, initial } = mechanism;
    const first = initial === undefined ? "" : initial.length === 0 ? " =" : ` ${initial.toBase64()}`;
    // RFC 4954 section 4: an initial response that is too long for the command is sent after a challenge.
    const fits = `AUTH ${name}${first}`.length <= MAX_COMMAND_OCTETS;
    let reply = await this.#command("AUTH", `AUTH ${name}${fits ? first : ""}`);
    if (!fits && reply.code === 334) reply = await this.#command("AUTH", initial!.toBase64());
    let explanation = "";
    for (let nth = 0; reply.code === 334 && nth < MAX_CHALLENGES; nth++) {
      const challenge = fromBase64(reply.lines[0]!);
      if (challenge?.length) explanation = mechanism.explain?.(challenge) ?? "";
      // RFC 4954 section 4: a lone asterisk cancels.
      const response = challenge && await mechanism.respond(challenge, nth);
      reply = await this.#command("AUTH", response?.toBase64() ?? "*");
    }
    if (isPositive(reply)) return;
    throw this.failures.refused(
      "AUTH",
      explanation === "" ? reply : { ...reply, lines: [...reply.lines, explanation] },
    );
  }

  /**
   * Starts a transaction: sends MAIL and RCPT.
   *
   * @returns the reply to each recipient. If one is accepted, {@link send} may follow
   * @throws {Fail} `SmtpRejected` if the server rejects the sender; `refused` if it lacks an extension for this
   *   envelope
   */
  async envelope(envelope: SmtpEnvelope): Promise<Reply[]> {
    const lines = commands(this.server.name, envelope, this.extensions);
    this.failures.sender = envelope.sender;
    return await this.#attempt(async () => {
      const replies = this.extensions.has("PIPELINING") ? await this.#pipelined(lines) : await this.#oneByOne(lines);
      return replies.slice(1);
    });
  }

  /** Ends a transaction without sending a message. */
  reset(): Promise<unknown> {
    return this.#attempt(() => this.#command("RSET", "RSET", isPositive));
  }

  async #oneByOne([mail, ...recipients]: string[]): Promise<Reply[]> {
    const replies = [await this.#command("MAIL", mail!, isPositive)];
    for (const line of recipients) replies.push(await this.#command("RCPT", line));
    return replies;
  }

  /** Writes and reads concurrently, because both sides could otherwise block on full buffers (RFC 2920 section 3.1). */
  async #pipelined(lines: string[]): Promise<Reply[]> {
    this.#begins("MAIL");
    const written = this.connection.write(utf8(lines.join("\r\n") + "\r\n"));
    written.catch(() => {});
    const replies: Reply[] = [];
    for (const nth of lines.keys()) {
      const step = nth === 0 ? "MAIL" : "RCPT";
      this.#step = step;
      const reply = await this.connection.reply(TIMES[step]!, step);
      replies.push(reply);
      if (reply.code === 421) break; // RFC 5321 section 3.8: the server closes the connection
    }
    const [mail, last] = [replies[0]!, replies.at(-1)!];
    this.#heard(last);
    if (!isPositive(mail)) throw this.failures.refused("MAIL", mail);
    while (replies.length < lines.length) replies.push(last);
    if (last.code !== 421) await this.#progress(written);
    return replies;
  }

  /**
   * Sends the message to the accepted recipients.
   *
   * @returns the server's reply, which is positive
   * @throws {Fail} `SmtpRejected`; `Unconfirmed` if the server did not confirm the message; errors of reading the
   *   message and of `beforeCommit`
   */
  send(message: Message, beforeCommit?: BeforeCommit): Promise<Reply> {
    return this.#attempt(async () => {
      const go = await this.#command("DATA", "DATA");
      this.#ready = false; // what follows is not a command
      // 2yz would be the reply to another command, and so would be the reply after the final dot.
      if (isPositive(go)) throw this.failures.broken("DATA", this.failures.say(go));
      if (go.code !== 354) {
        this.#heard(go);
        throw this.failures.refused("DATA", go);
      }
      this.#begins("message");
      const reply = await this.#message(message, beforeCommit);
      if (reply.code < 400 && !isPositive(reply)) throw this.failures.unconfirmed(this.failures.say(reply), reply);
      this.#heard(reply);
      if (!isPositive(reply)) throw this.failures.refused("message", reply);
      return reply;
    });
  }

  async #message(message: Message, beforeCommit?: BeforeCommit): Promise<Reply> {
    const { connection, limits, failures } = this;
    // A server may reject the message before the final dot. Do not send the rest then.
    const answer = connection.replyAtAnyTime();
    answer.then((reply) => {
      if (limits.committed) return;
      connection.stop(
        isPositive(reply)
          ? failures.broken("message", `it replied before the end of the message: ${failures.say(reply)}`)
          : failures.refused("message", reply),
      );
    }, (error) => limits.committed || connection.stop(error));

    const lines = new SmtpLines();
    const limit = sizeLimit(this.extensions) ?? Infinity;
    const encode = async (part: Uint8Array) => {
      for (const piece of lines.encode(part)) {
        if (lines.messageSize > limit) throw tooLarge(this.server.name, limit);
        await this.#progress(connection.write(piece));
      }
    };
    const body = message.body[Symbol.asyncIterator]();
    try {
      await encode(message.head);
      for (let next; !(next = await connection.unlessStopped(body.next())).done;) await encode(next.value);
      if (lines.messageSize > limit) throw tooLarge(this.server.name, limit);
      await connection.unlessStopped(Promise.resolve(beforeCommit?.()));
      connection.checkOpen();
    } catch (error) {
      // The server may have replied and closed the connection. Then the write may fail before the reply is read.
      const fromServer = !(error instanceof Fail || error instanceof Stopped);
      if (fromServer) await Promise.race([answer.catch(() => {}), after(1000)]);
      body.return?.()?.catch(() => {}); // not awaited: it may be blocked on input
      throw connection.stop(error);
    }
    limits.committed = true;
    // Ignore an error of this write, because the server may have replied before it closed the connection.
    await this.#progress(connection.write(lines.end())).catch(() => {});
    limits.wait("end", "reply to the message");
    const reply = await answer;
    limits.committed = false;
    return reply;
  }

  /** Waits until the kernel has accepted the data. */
  async #progress(written: Promise<void>): Promise<void> {
    this.limits.wait("block", "progress in sending");
    await written;
    this.limits.relax();
  }

  /** Sends a command and waits for its reply. @param wanted all other replies are treated as rejections */
  async #command(step: Step, line: string, wanted?: (reply: Reply) => boolean): Promise<Reply> {
    this.#begins(step);
    const { connection } = this;
    // A server that closed the connection may have sent the reason first.
    const failed = await connection.write(utf8(`${line}\r\n`)).then(() => undefined, (error) => ({ error }));
    const verb = line.split(/[ :]/, 1)[0]!;
    const reply = await connection.reply(TIMES[step] ?? "command", step === "AUTH" ? step : verb).catch((error) => {
      throw failed?.error ?? error;
    });
    this.#heard(reply);
    if (wanted !== undefined && !wanted(reply)) throw this.failures.refused(step, reply);
    return reply;
  }

  /**
   * Begins a step.
   *
   * @throws {NotReply} for an unsolicited reply, which would be taken for the reply to the next command
   */
  #begins(step: Step): void {
    this.#step = step;
    this.#ready = false;
    if (this.connection.pending) throw new NotReply("it sent an unsolicited reply");
  }

  /** RFC 5321 section 3.8: after 421 the server closes the connection. */
  #heard(reply: Reply): Reply {
    this.#ready = reply.code !== 421;
    return reply;
  }

  /** Runs `work`. If it fails, closes the connection unless the server is waiting for a command. */
  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!this.#ready) this.connection.stop(error);
      throw failureOf(this.failures, this.#step, error, this.limits.committed);
    }
  }

  /** Sends QUIT if the server is waiting for a command, and closes. @param hurry do not wait for the reply to QUIT */
  async end(hurry = false): Promise<void> {
    if (this.#ready) {
      this.#ready = false;
      try {
        await this.connection.write(utf8("QUIT\r\n"));
        if (!hurry) await this.connection.reply("quit", "QUIT");
      } catch {
        // The server closed the connection first.
      }
    }
    this.connection.stop();
  }
}

/** The server offers no login, or only mechanisms that this account cannot use. */
function unsupportedLogin(server: string, offered: string | undefined, mechanisms: Login["mechanisms"]): Fail {
  if (offered === undefined) {
    const fix = "check host, port and security, or remove user if the server needs no login";
    return new Fail("permission", `${server} does not offer AUTH`, { fix });
  }
  const known = mechanisms.map(({ name }) => name).join(", ");
  const fix = /\b(?:OAUTHBEARER|XOAUTH2)\b/i.test(offered)
    ? "set oauth2_command"
    : /\b(?:PLAIN|LOGIN|CRAM-MD5)\b/i.test(offered)
    ? "set password_file or password_command"
    : undefined;
  return new Fail("permission", `${server} offers AUTH ${quote(offered)}, but not ${known}`, { fix });
}

function failuresOf({ name, login }: Server): Failures {
  return new Failures(name, login?.user ?? "");
}

function failureOf(failures: Failures, step: Step, error: unknown, committed = false): Fail {
  if (error instanceof Fail) return error;
  if (committed) return failures.unconfirmed(why(error), undefined, error);
  return error instanceof Stopped ? failures.stopped(step, error) : failures.broken(step, why(error), error);
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}
