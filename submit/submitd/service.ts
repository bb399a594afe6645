/**
 * The SMTP service, on smtp-server. What that library leaves open is closed here: it offers AUTH before TLS, and once
 * AUTH is disabled there it no longer demands a login for MAIL; logins may fail without end; unknown parameters are
 * accepted.
 */
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import type { Address } from "../../lib/address.ts";
import { errorText, quoteAll } from "../../lib/fail.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { type AuthBackend, parseAuth } from "../../lib/settings/submission.ts";
import { authenticate, type Authenticated } from "../auth/backend.ts";
import { holdFailure } from "../auth/hold.ts";
import type { Certificate } from "./certificate.ts";
import { MAX_TRIES, plainAddress } from "./clients.ts";
import { deliver, type DeliverOptions } from "./deliver.ts";
import { checkPath, CommandRejected } from "./envelope.ts";
import type { Door } from "./listen.ts";

/** Commands of smtp-server that a submission server does not have. */
const WITHOUT = ["WIZ", "SHELL", "KILL", "XCLIENT", "XFORWARD"];

/** RFC 5321 section 4.5.3.1.8 requires 100. */
const MAX_RECIPIENTS = 1000;
/** Messages of one connection. */
const MAX_MESSAGES = 100;
/** Milliseconds without a byte (RFC 5321 section 4.5.3.2). Before the login a shorter, absolute time counts. */
const IDLE_MS = 300_000;

/** What a session has done. */
interface State {
  tries: number;
  messages: number;
  sender: Address | null;
  recipients: Map<string, Address>;
}

/** What the service needs. */
export interface ServiceOptions extends DeliverOptions {
  readonly certificate: Certificate;
  readonly door: Door;
}

/** A service for STARTTLS, or for TLS from the start. */
export class Service {
  readonly smtp: SMTPServer;
  #options: ServiceOptions;
  #auth: AuthBackend;
  readonly #states = new WeakMap<SMTPServerSession, State>();
  #sending = 0;
  #idle: () => void = () => {};
  #closing = false;

  constructor(readonly tls: boolean, options: ServiceOptions) {
    this.#options = options;
    const { settings, host, certificate } = options;
    this.#auth = parseAuth(settings.submit.auth)!;
    this.smtp = new SMTPServer({
      ...certificate,
      secure: tls,
      name: host,
      banner: "Countersign",
      heloResponse: "%s",
      size: settings.submit.max_message,
      maxRecipients: MAX_RECIPIENTS,
      maxClients: settings.submit.max_connections,
      authMethods: ["PLAIN", "LOGIN"],
      disabledCommands: WITHOUT,
      disableReverseLookup: true,
      logger: false,
      minVersion: "TLSv1.2",
      socketTimeout: IDLE_MS,
      ...this.#handlers(),
    });
    this.smtp.on("error", () => {}); // clients that disconnect, and failed handshakes
  }

  /** Uses other settings for new messages, and another certificate for new connections. */
  reload(settings: Settings, certificate: Certificate): void {
    this.smtp.updateSecureContext({ ...certificate });
    this.#options = { ...this.#options, settings };
    this.#auth = parseAuth(settings.submit.auth)!;
  }

  /** Accepts no more messages, waits for those in transit, and closes all connections. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#sending > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    for (const connection of this.smtp.connections) connection.send(421, "4.3.2 Server is shutting down");
  }

  #handlers(): SMTPServerOptions {
    return {
      onConnect: (session, done) => {
        this.#states.set(session, { tries: 0, messages: 0, sender: null, recipients: new Map() });
        // This list replaces the one of the server.
        if (!session.secure) session.disabledCommands = [...WITHOUT, "AUTH"];
        done(this.#closing ? new CommandRejected(421, "4.3.2 Server is shutting down") : null);
      },
      onSecure: (socket, session, done) => {
        this.#options.door.secured(session, socket);
        delete session.disabledCommands;
        done();
      },
      onClose: (session) => this.#options.door.closed(session),
      onAuth: ({ username, password }, session, done) => {
        this.#logIn(username ?? "", password ?? "", session).then(
          (who) => done(null, { user: who }),
          (error) => done(error),
        );
      },
      onMailFrom: (address, session, done) => done(refusal(() => this.#mail(address, session))),
      onRcptTo: (address, session, done) => done(refusal(() => this.#rcpt(address, session))),
      onData: (stream, session, done) => {
        this.#sending++;
        this.#data(stream, session).then(
          (reply) => {
            const [, code, text] = /^(\d{3}) (.*)$/s.exec(reply)!;
            if (code === "250") done(null, text!);
            else done(new CommandRejected(Number(code), text!));
          },
          (error) => {
            this.#options.report(errorText(error));
            done(new CommandRejected(451, "4.3.0 The message cannot be sent now, try again later"));
          },
        ).finally(() => {
          // Only now is the reply sent: before it, a 421 would make the client send the message again.
          if (--this.#sending === 0) this.#idle();
        });
      },
    };
  }

  async #logIn(user: string, password: string, session: SMTPServerSession): Promise<Authenticated> {
    if (!session.secure) throw new CommandRejected(530, "5.7.0 Must issue a STARTTLS command first");
    const begun = Date.now();
    const ip = plainAddress(session.remoteAddress);
    const state = this.#state(session);
    const tries = ++state.tries;
    let failure = new CommandRejected(535, "5.7.8 Login or password is wrong");
    let more = tries < MAX_TRIES;
    try {
      const found = await authenticate(this.#auth, user, password, ip);
      if (found !== undefined) {
        this.#options.door.loggedIn(session);
        return found;
      }
      this.#options.report(`login failed from ${ip}: user=${quoteAll(user.slice(0, 80))} tries=${tries}`);
      more = this.#options.door.clients.failed(ip, tries, Date.now());
    } catch (error) {
      this.#options.report(errorText(error));
      failure = new CommandRejected(454, "4.7.0 Logins cannot be checked now");
    }
    await holdFailure(begun);
    if (!more) throw new CommandRejected(421, "4.7.0 Too many failed logins");
    throw failure;
  }

  /** Returns who has logged in. Nothing of a message is accepted from others. @throws {CommandRejected} */
  #who(session: SMTPServerSession): Authenticated {
    const user: Authenticated | undefined | false = session.user;
    if (!session.secure || !user) throw new CommandRejected(530, "5.7.0 Authentication required");
    return user;
  }

  #mail(given: { address: string; args: object | false }, session: SMTPServerSession): void {
    this.#who(session);
    const state = this.#state(session);
    if (this.#closing) throw new CommandRejected(421, "4.3.2 Server is shutting down");
    if (++state.messages > MAX_MESSAGES) throw new CommandRejected(421, "4.7.0 Too many messages, connect again");
    state.sender = checkPath("MAIL", given, session.envelope.smtpUtf8 === true);
    state.recipients = new Map();
  }

  #rcpt(given: { address: string; args: object | false }, session: SMTPServerSession): void {
    this.#who(session);
    const recipient = checkPath("RCPT", given, session.envelope.smtpUtf8 === true);
    this.#state(session).recipients.set(given.address.toLowerCase(), recipient!);
  }

  async #data(stream: AsyncIterable<Uint8Array>, session: SMTPServerSession): Promise<string> {
    const who = this.#who(session);
    const { sender, recipients } = this.#state(session);
    const transaction = {
      who,
      sender,
      recipients: [...recipients.values()],
      ip: plainAddress(session.remoteAddress),
      protocol: session.transmissionType,
    };
    return await deliver(stream, transaction, this.#options) ?? "451 4.4.2 Disconnected";
  }

  #state(session: SMTPServerSession): State {
    return this.#states.get(session)!;
  }
}

/** Returns the error with which a command is rejected. */
function refusal(check: () => void): Error | null {
  try {
    check();
    return null;
  } catch (error) {
    return error instanceof CommandRejected ? error : new CommandRejected(451, "4.3.0 Error, try again later");
  }
}
