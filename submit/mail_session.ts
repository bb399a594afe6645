/** An SMTP session with an authenticated client (RFC 5321, RFC 6409): every message is sent for the user. */
import type { Address } from "../lib/address.ts";
import { Fail } from "../lib/fail.ts";
import { rfc5322Date } from "../lib/date.ts";
import { type Field, field } from "../lib/message.ts";
import { READ_FIRST_BYTES } from "../io/outgoing/submit.ts";
import { readInput } from "../io/system/input.ts";
import { ClientGone, type ClientInput, reply } from "./client.ts";
import { DataRejected } from "./content_source.ts";
import { DataSource } from "./data.ts";
import { ruleFor, withFrom } from "./ofmipd_rules.ts";
import { CommandRejected, parsePath } from "./smtp_command.ts";
import { refusalOf, submitFor } from "./submission.ts";
import type { User } from "./user.ts";

/** What a session needs besides the client and the user. */
export interface SessionOptions {
  /** The name of this host. */
  readonly host: string;
  /** The maximum size of a message in bytes; 0 for no limit. */
  readonly limit: number;
  readonly abort: AbortSignal;
  /** The client's address, for the Received field and the log. */
  readonly client: string;
  /** Reports an error to the administrator. */
  readonly report: (what: string) => void;
}

/** RFC 5321 section 4.5.3.1.8 requires 100. */
const MAX_RECIPIENTS = 10_000;
/** Number of rejected commands after which the connection is closed. */
const MAX_ERRORS = 20;

/** The session. */
export class MailSession {
  readonly host: string;
  /** Null for the null sender; undefined before MAIL. */
  #sender: Address | null | undefined;
  #recipients: Address[] = [];
  #errors = 0;

  constructor(readonly input: ClientInput, readonly user: User | undefined, readonly options: SessionOptions) {
    this.host = options.host;
  }

  /** Answers commands until QUIT. @throws {ClientGone} */
  async run(): Promise<void> {
    for (;;) {
      const line = await this.input.line();
      const [, verb = "", rest = ""] = /^([^ ]*) *(.*)$/s.exec(line) ?? [];
      try {
        if (verb.toLowerCase() === "quit") {
          await reply(`221 ${this.host}`);
          return;
        }
        await reply(...await this.#answer(verb.toLowerCase(), rest));
      } catch (error) {
        if (!(error instanceof CommandRejected)) throw error;
        if (++this.#errors > MAX_ERRORS) {
          await reply("421 4.7.0 Too many errors");
          return;
        }
        await reply(error.reply);
      }
    }
  }

  async #answer(verb: string, rest: string): Promise<string[]> {
    switch (verb) {
      case "ehlo":
        this.#reset();
        return [`250-${this.host}`, "250-PIPELINING", "250-8BITMIME", "250-SMTPUTF8", `250 SIZE ${this.options.limit}`];
      case "helo":
        this.#reset();
        return [`250 ${this.host}`];
      case "mail":
        return [this.#mail(rest)];
      case "rcpt":
        return [this.#rcpt(rest)];
      case "data":
        return [await this.#data()];
      case "rset":
        this.#reset();
        return ["250 ok"];
      case "noop":
        return ["250 ok"];
      case "help":
        return ["214 ofmipd: see ofmipd(8)"];
      case "vrfy":
        return ["252 send some mail, I will try my best"];
      default:
        throw new CommandRejected("502 unimplemented (#5.5.1)");
    }
  }

  #reset(): void {
    [this.#sender, this.#recipients] = [undefined, []];
  }

  #mail(rest: string): string {
    // The reason was reported at the start; the client must not learn why a key cannot be read.
    if (this.user === undefined) {
      throw new CommandRejected("451 4.3.5 Your settings cannot be used, tell the administrator");
    }
    if (this.#sender !== undefined) throw new CommandRejected("503 5.5.1 Nested MAIL command");
    const { address, parameters } = parsePath("FROM", rest);
    const { limit } = this.options;
    if (limit > 0 && Number(parameters.get("SIZE") ?? 0) > limit) {
      throw new CommandRejected(`552 5.3.4 The message is longer than ${limit} bytes`);
    }
    this.#sender = address;
    return "250 ok";
  }

  #rcpt(rest: string): string {
    if (this.#sender === undefined) throw new CommandRejected("503 5.5.1 Need MAIL command");
    const { address } = parsePath("TO", rest);
    if (address === null) throw new CommandRejected("553 5.1.3 Address is not valid");
    if (this.#recipients.length >= MAX_RECIPIENTS) throw new CommandRejected("452 4.5.3 Too many recipients");
    this.#recipients.push(address);
    return "250 ok";
  }

  async #data(): Promise<string> {
    if (this.#sender === undefined) throw new CommandRejected("503 5.5.1 Need MAIL command");
    if (this.#recipients.length === 0) throw new CommandRejected("503 5.5.1 Need RCPT command");
    // Commands after DATA in the same packet are part of the message.
    await reply("354 go ahead");
    const source = new DataSource(this.input, this.options.limit);
    try {
      await this.#send(source, this.user!, this.#sender);
      return "250 ok";
    } catch (thrown) {
      const error = causeOf(thrown);
      if (error instanceof ClientGone) throw error;
      await source.skip();
      return refusalOf(error, this.options.report);
    } finally {
      this.#reset();
    }
  }

  async #send(source: DataSource, user: User, given: Address | null): Promise<void> {
    await source.prepare();
    const input = await readInput(READ_FIRST_BYTES, true, source);
    const { header } = input.head;
    const rule = ruleFor(user.rules, given);
    await submitFor(user, {
      input,
      header: rule === undefined ? header : withFrom(header, rule),
      sender: rule?.address ?? given,
      recipients: this.#recipients,
      fullName: rule?.name ?? "",
      received: this.#received(),
      abort: this.options.abort,
    }, user.settings.submit.check_sender);
  }

  #received(): Field {
    const from = this.options.client.replace(/[^0-9a-fA-F.:]/g, "").slice(0, 45);
    return field("Received", `(ofmipd ${from}); ${rfc5322Date(new Date())}`);
  }
}

/** Returns the error of the source: `readInput` wraps it. */
function causeOf(error: unknown): unknown {
  const cause = error instanceof Fail ? error.cause : undefined;
  return cause instanceof ClientGone || cause instanceof DataRejected ? cause : error;
}
