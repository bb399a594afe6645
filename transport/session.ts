/** A session with a submission server (RFC 6409), up to the login: TCP, TLS, EHLO, AUTH. */
import net from "node:net";
import type { Readable } from "node:stream";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import { printServer, serverOf, type Settings } from "../lib/config.ts";
import { Fail } from "../lib/fail.ts";
import { readCertificates, readPassword } from "../lib/host.ts";
import { failureOf } from "./replies.ts";

/** Milliseconds for each of: the connection, the greeting and TLS, the answer to QUIT. */
const [CONNECT, GREETING, QUIT] = [60_000, 60_000, 2000];

/** An envelope as the library wants it, which notes in it what was refused. */
export interface Envelope {
  /** Empty for the null sender. */
  from: string;
  to: string[];
  dsn: { notify?: string; ret?: string; envid?: string };
  use8BitMime: boolean;
  rejectedErrors?: Error[];
}

/** What is used of the inside of the library: its version is pinned, and the tests hold it to this. */
interface Inside {
  _supportedExtensions: string[];
  _envelope: Envelope;
  _envelopeError(reply: string): Error | null;
  _actionDATA(reply: string, done: (error: Error) => void): void;
  _sendCommand(line: string, forLog?: string): void;
}
const Library = SMTPConnection as unknown as new (
  ...options: ConstructorParameters<typeof SMTPConnection>
) => SMTPConnection & Inside;

/** The library goes on with the recipients that the server takes; here it is all or none. */
class AllOrNone extends Library {
  /** Is MAIL to say SMTPUTF8 for the sake of the header (RFC 6531 section 3.4)? Addresses the library sees itself. */
  utf8Header = false;

  override _envelopeError(reply: string): Error | null {
    return super._envelopeError(reply) ?? this._envelope.rejectedErrors?.[0] ?? null;
  }

  /** To the library 2yz says go on, too; but it answers another command, and then so would what comes behind the dot. */
  override _actionDATA(reply: string, done: (error: Error) => void): void {
    if (/^2/.test(reply)) done(Object.assign(new Error(), { response: reply }));
    else super._actionDATA(reply, done);
  }

  override _sendCommand(line: string, forLog?: string): void {
    const add = this.utf8Header && line.startsWith("MAIL FROM:") && !line.includes(" SMTPUTF8");
    super._sendCommand(add ? `${line} SMTPUTF8` : line, forLog);
  }
}

/** A server that has let us in. */
export class Session {
  /** Does it wait for a command? Else the one thing to be done is to hang up. */
  #waits = false;

  private constructor(readonly server: string, readonly connection: AllOrNone) {}

  /**
   * Connects and logs in.
   *
   * @param halted rejects when there is no more time
   * @throws {Fail} `config`, `permission`; as {@link failureOf} says; what `halted` says
   */
  static async open(transport: Settings["transport"], halted: Promise<never>): Promise<Session> {
    const at = serverOf(transport);
    const server = printServer(at);
    if (Deno.permissions.querySync({ name: "net", host: server }).state !== "granted") {
      throw new Fail("config", `No permission to reach ${server} over the network: run countersign permit`);
    }
    // Read before anything is said: what is wrong here is wrong without a network, too.
    const { host, security, user, helo, ca } = transport;
    const pass = user === "" ? "" : readPassword(transport.password_file);
    const tls = ca === "" ? {} : { ca: readCertificates(ca) };

    const socket = net.connect({ host: at.hostname, port: at.port });
    const session = new Session(
      server,
      new AllOrNone({
        connection: socket,
        host,
        name: helo,
        secure: security === "tls",
        requireTLS: security === "starttls",
        ignoreTLS: security === "none",
        tls,
        greetingTimeout: GREETING,
        connectionTimeout: GREETING,
        socketCloseTimeout: 0, // half a message must not linger: what is closed is gone
      }),
    );
    try {
      await Promise.race([dialled(socket), halted]);
      await Promise.race([session.#greeted(), halted]);
      if (user !== "") await Promise.race([session.#login(user, pass), halted]);
    } catch (error) {
      await session.end();
      socket.destroy();
      throw failureOf(error, { server, user, secrets: secretsOf(user, pass) });
    }
    return session;
  }

  #greeted(): Promise<void> {
    const { connection } = this;
    const greeted = new Promise<void>((resolve, reject) => {
      connection.on("error", reject);
      connection.connect((error) => error ? reject(error) : resolve());
    });
    return greeted.then(() => {
      this.#waits = true;
      // With it DATA would be said before we know what was refused.
      connection._supportedExtensions = connection._supportedExtensions.filter((one) => one !== "PIPELINING");
    });
  }

  #login(user: string, pass: string): Promise<void> {
    // The settings do not allow it, and the library has begun TLS; but a password that is out cannot be called back.
    if (!this.connection.secure) throw new Fail("config", "No password is sent without TLS");
    return this.#does(
      "EAUTH",
      new Promise((resolve, reject) => {
        this.connection.on("error", reject);
        this.connection.login({ credentials: { user, pass } }, (error) => error ? reject(error) : resolve());
      }),
    );
  }

  /** Behind success it waits for a command, and behind a refusal, which the library names by this code. */
  async #does<T>(refusal: string, work: Promise<T>): Promise<T> {
    this.#waits = false;
    try {
      const done = await work;
      this.#waits = true;
      return done;
    } catch (error) {
      this.#waits = (error as { code?: unknown }).code === refusal;
      throw error;
    }
  }

  /** Has the server said that it does this? */
  offers(extension: string): boolean {
    return this.connection._supportedExtensions.includes(extension);
  }

  /** Sends one message. @returns the server's reply to it; rejects with the library's errors */
  send(envelope: Envelope, utf8Header: boolean, message: Readable): Promise<string> {
    const { connection } = this;
    connection.utf8Header = utf8Header && this.offers("SMTPUTF8");
    return this.#does(
      "EENVELOPE",
      new Promise((resolve, reject) => {
        connection.on("error", reject);
        connection.send(envelope, message, (error, info) => error ? reject(error) : resolve(info!.response));
      }),
    );
  }

  /** Hangs up, now. */
  cut(): void {
    this.connection.close();
  }

  /** Takes leave where the server waits for a command, else hangs up. */
  async end(): Promise<void> {
    const { connection } = this;
    if (this.#waits && !connection.destroyed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      connection.once("end", () => resolve());
      connection.quit();
      AbortSignal.timeout(QUIT).addEventListener("abort", () => resolve());
      await promise;
    }
    this.cut();
  }
}

/** When the connection is there. */
function dialled(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("error", reject);
    AbortSignal.timeout(CONNECT).addEventListener("abort", () => reject(new Error("it does not answer")));
  });
}

/** In which forms a server could say our password back. */
function secretsOf(user: string, pass: string): string[] {
  if (pass === "") return [];
  const base64 = (text: string) => new TextEncoder().encode(text).toBase64();
  return [base64(`\0${user}\0${pass}`), base64(pass), pass];
}
