/**
 * An SMTP client (RFC 5321) for submission (RFC 6409): TLS, login, and messages
 * that are streamed.
 *
 * DATA is sent only when all replies about the recipients are known, also with
 * PIPELINING (RFC 2920): the caller decides whether those who are accepted get
 * the message although others are refused.
 *
 * The final dot is the server's commit. Before it, on any failure, the
 * connection is cut, so that half a message is never taken for a whole one.
 * After it only the server knows; without its reply nobody says that nothing
 * was sent.
 */
import { utf8 } from "../../../lib/bytes.ts";
import { Fail, quote } from "../../../lib/fail.ts";
import type { Message } from "../../../lib/message.ts";
import { choose, type Mechanism } from "./auth.ts";
import { Connection, type Endpoint } from "./connection.ts";
import { commands, type Extensions, extensionsIn, sizeLimit, type SmtpEnvelope, tooLarge } from "./envelope.ts";
import { Failures, type Step, why } from "./failure.ts";
import { type Limits, Stopped, type Timeouts } from "./limits.ts";
import { SmtpLines } from "./lines.ts";
import { isPositive, NotReply, type Reply } from "./reply.ts";

/** A server and how to talk to it. */
export interface Server extends Endpoint {
  /** As it is called in messages. */
  readonly name: string;
  /** TLS from the start (RFC 8314), by STARTTLS (RFC 3207), which then must succeed, or none. */
  readonly security: "tls" | "starttls" | "none";
  /** Certificates of authorities to be trusted besides the usual ones, in PEM. */
  readonly ca: readonly string[];
  /** The name that we give in EHLO. */
  readonly helo: string;
  /** Who logs in, by the first of these mechanisms that the server offers; only over TLS. */
  readonly login?: { readonly user: string; readonly mechanisms: readonly Mechanism[] };
}

/** Called directly before the final dot. If it throws, the session ends and nothing is sent. */
export type BeforeCommit = () => void | Promise<void>;

/** Which time applies to a command. */
const TIMES: Partial<Record<Step, keyof Timeouts>> = { MAIL: "mail", RCPT: "rcpt", DATA: "data" };

/** Challenges that a server may send in one login. */
const MAX_CHALLENGES = 8;

/** A session with a server. */
export class Client {
  /** What the server offers: since TLS began, where it did. */
  extensions: Extensions = new Map();
  /** Does the server wait for a command? */
  #ready = false;
  /** The current step, for error messages. */
  #step: Step = "greeting";
  readonly failures: Failures;

  private constructor(readonly server: Server, readonly limits: Limits, readonly connection: Connection) {
    this.failures = failuresOf(server);
  }

  /**
   * Connects, begins TLS and logs in.
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
      // RFC 3207 section 6: an attacker could have injected this, to be read as if it had come over TLS (CVE-2011-0411).
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
    // RFC 5321 section 3.2: a server that does not know EHLO. Then it has no extensions.
    this.extensions = new Map();
    await this.#command("EHLO", `HELO ${helo}`, isPositive);
  }

  async #login(mechanisms: readonly Mechanism[]): Promise<void> {
    // The settings exclude this. It is checked here as well, because a password cannot be unsent.
    if (!this.connection.secure) throw new Fail("config", "No password is sent without TLS");
    const offered = this.extensions.get("AUTH");
    const mechanism = choose(offered ?? "", mechanisms);
    if (mechanism === undefined) {
      const known = mechanisms.map(({ name }) => name).join(", ");
      const offer = offered === undefined ? "no AUTH" : `AUTH ${quote(offered)}`;
      throw new Fail("permission", `${this.server.name} offers ${offer}, but we need one of ${known}`);
    }
    const { name, initial } = mechanism;
    const first = initial === undefined ? [] : [initial.length === 0 ? "=" : initial.toBase64()];
    let reply = await this.#command("AUTH", ["AUTH", name, ...first].join(" "));
    let said = "";
    for (let nth = 0; reply.code === 334 && nth < MAX_CHALLENGES; nth++) {
      const challenge = fromBase64(reply.lines[0]!);
      if (challenge?.length) said = mechanism.explain?.(challenge) ?? "";
      // RFC 4954 section 4: a lone asterisk cancels.
      const response = challenge && await mechanism.respond(challenge, nth);
      reply = await this.#command("AUTH", response?.toBase64() ?? "*");
    }
    if (isPositive(reply)) return;
    throw this.failures.refused("AUTH", said === "" ? reply : { ...reply, lines: [...reply.lines, said] });
  }

  /**
   * Begins a transaction: MAIL and RCPT.
   *
   * @returns the reply about each recipient. Where one is accepted, {@link send} may follow
   * @throws {Fail} `SmtpRejected` where the sender is refused; `refused` where the server cannot be told this envelope
   */
  async envelope(envelope: SmtpEnvelope): Promise<Reply[]> {
    const lines = commands(this.server.name, envelope, this.extensions);
    return await this.#attempt(async () => {
      const replies = this.extensions.has("PIPELINING") ? await this.#pipelined(lines) : await this.#oneByOne(lines);
      return replies.slice(1);
    });
  }

  async #oneByOne([mail, ...recipients]: string[]): Promise<Reply[]> {
    const replies = [await this.#command("MAIL", mail!, isPositive)];
    for (const line of recipients) replies.push(await this.#command("RCPT", line));
    return replies;
  }

  /** Writes and reads at the same time: otherwise both sides could block on full buffers (RFC 2920 section 3.1). */
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
      if (reply.code === 421) break; // RFC 5321 section 3.8: it closes, and no more replies come
    }
    const [mail, last] = [replies[0]!, replies.at(-1)!];
    this.#heard(last);
    if (!isPositive(mail)) throw this.failures.refused("MAIL", mail);
    while (replies.length < lines.length) replies.push(last);
    if (last.code !== 421) await this.#progress(written);
    return replies;
  }

  /**
   * Sends the message to the recipients that were accepted.
   *
   * @returns the server's reply: it has taken the message
   * @throws {Fail} `SmtpRejected`; `Unconfirmed` where the server did not confirm it; what reading the message, or
   *   `beforeCommit`, throws
   */
  send(message: Message, beforeCommit?: BeforeCommit): Promise<Reply> {
    return this.#attempt(async () => {
      const go = await this.#command("DATA", "DATA");
      this.#ready = false; // for what follows is no command
      // 2yz would be the answer to another command, and then so would what follows the final dot.
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
    // A server may refuse before it has everything; do not send it the rest of a gigabyte then.
    const answer = connection.replyAtAnyTime();
    answer.then((reply) => {
      if (limits.committed) return;
      connection.stop(
        isPositive(reply)
          ? failures.broken("message", `it answers before it has the message: ${failures.say(reply)}`)
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
      // A server may reply and close the connection, and the failed write may be seen before the reply.
      const fromServer = !(error instanceof Fail || error instanceof Stopped);
      if (fromServer) await Promise.race([answer.catch(() => {}), seconds(1)]);
      body.return?.()?.catch(() => {}); // not awaited: it may be blocked on input
      throw connection.stop(error);
    }
    limits.committed = true;
    // The reply decides, even if this write fails: the server may have replied before it closed.
    await this.#progress(connection.write(lines.end())).catch(() => {});
    limits.wait("end", "reply to the message");
    const reply = await answer;
    limits.committed = false;
    return reply;
  }

  /** Waits until the system has taken what is being sent. */
  async #progress(written: Promise<void>): Promise<void> {
    this.limits.wait("block", "progress in sending");
    await written;
    this.limits.relax();
  }

  /** Sends a command and waits for its reply. @param wanted replies other than these are refusals */
  async #command(step: Step, line: string, wanted?: (reply: Reply) => boolean): Promise<Reply> {
    this.#begins(step);
    const { connection } = this;
    // A server that closes the connection may have sent the reason before.
    const failed = await connection.write(utf8(`${line}\r\n`)).then(() => undefined, (error) => ({ error }));
    const verb = line.split(/[ :]/, 1)[0]!;
    const reply = await connection.reply(TIMES[step] ?? "command", step === "AUTH" ? step : verb).catch((error) => {
      throw failed?.error ?? error;
    });
    this.#heard(reply);
    if (wanted !== undefined && !wanted(reply)) throw this.failures.refused(step, reply);
    return reply;
  }

  /** @throws {NotReply} for an unsolicited reply, which would be taken for the reply to the next command */
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

  /** On failure, closes the connection unless the server waits for a command. */
  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!this.#ready) this.connection.stop(error);
      throw failureOf(this.failures, this.#step, error, this.limits.committed);
    }
  }

  /** Sends QUIT where the server waits for a command, and closes. @param hurry do not wait for the reply to QUIT */
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

function failuresOf({ name, login }: Server): Failures {
  return new Failures(name, login?.user ?? "", login?.mechanisms.flatMap((one) => one.secrets) ?? []);
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

function seconds(count: number): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  AbortSignal.timeout(count * 1000).addEventListener("abort", () => resolve(undefined));
  return promise;
}
