/** Turns replies and broken connections into failures: permanent, temporary, or unconfirmed. */
import { Fail, quote, reason } from "../../../lib/fail.ts";
import { Rejected } from "../rejected.ts";
import { printReply, type Reply } from "./reply.ts";

/** What was under way. */
export type Step =
  | "connect"
  | "greeting"
  | "EHLO"
  | "STARTTLS"
  | "AUTH"
  | "MAIL"
  | "RCPT"
  | "DATA"
  /** The message itself, up to the reply to its final dot. */
  | "message";

/** What the server said about one recipient. */
export interface RecipientReply {
  readonly recipient: string;
  readonly reply: Reply;
}

/** The replies behind a failure. */
interface Said {
  readonly reply?: Reply | undefined;
  readonly recipients?: readonly RecipientReply[];
  readonly cause?: unknown;
}

/**
 * Nothing was sent: the server refused it, or the session failed before the
 * final dot. `kind` is `refused` where trying again is useless, `permission`
 * where the server wants another login, else `temporary`.
 */
export class SmtpRejected extends Rejected {
  /** The server's reply: the first, where several recipients were refused; undefined: it gave none. */
  readonly reply: Reply | undefined;
  /** The recipients that it refused. */
  readonly recipients: readonly RecipientReply[];

  constructor(kind: "refused" | "permission" | "temporary", readonly step: Step, message: string, said: Said = {}) {
    super({ refused: 69, permission: 77, temporary: 75 }[kind], message, kind, { cause: said.cause });
    this.recipients = said.recipients ?? [];
    this.reply = said.reply ?? this.recipients[0]?.reply;
  }

  override get summary(): string {
    return this.reply === undefined ? this.kind : [this.reply.code, this.reply.enhanced].join(" ").trimEnd();
  }
}

/** The final dot was sent, and the server did not confirm the message. Another attempt may deliver it twice. */
export class Unconfirmed extends Fail {
  constructor(message: string, readonly reply?: Reply, options?: ErrorOptions) {
    super("temporary", message, options);
  }
}

/** Makes the failures of one session. */
export class Failures {
  constructor(
    readonly server: string,
    /** Login name. */
    readonly user: string,
    /** Removed from every message: a server may repeat what it was sent. */
    readonly secrets: readonly string[],
  ) {}

  /** The server refuses what it was asked. */
  refused(step: Step, reply: Reply): SmtpRejected {
    return new SmtpRejected(kindOf(step, reply), step, `${this.#doing(step)}: ${this.say(reply)}`, { reply });
  }

  /** The server rejected recipients, and the message is sent to none. Permanent if one of the replies is. */
  refusedRecipients(recipients: readonly RecipientReply[]): SmtpRejected {
    const each = recipients.map(({ recipient, reply }) => `${quote(recipient)}: ${this.say(reply)}`).join(", ");
    const kinds = recipients.map(({ reply }) => kindOf("RCPT", reply));
    const kind = kinds.find((one) => one !== "temporary") ?? "temporary";
    return new SmtpRejected(kind, "RCPT", `${this.server} refuses ${each}; nothing is sent`, { recipients });
  }

  /** The session broke before the final dot. Another attempt may succeed. */
  broken(step: Step, why: string, cause?: unknown): SmtpRejected {
    return new SmtpRejected("temporary", step, `${this.server} cannot be used: ${this.#hide(why)}`, { cause });
  }

  /** The time was up, or the caller aborted, before the final dot. */
  stopped(step: Step, cause: Error): SmtpRejected {
    const why = cause.message;
    const message = `${why[0]!.toUpperCase()}${why.slice(1)}; nothing is sent`;
    return new SmtpRejected("temporary", step, message, { cause });
  }

  /** The final dot was sent, and no reply says what became of the message. */
  unconfirmed(why: string, reply?: Reply, cause?: unknown): Unconfirmed {
    const message = `${this.server} has the message, but no clear answer came (${why}): it may be sent`;
    return new Unconfirmed(message, reply, { cause });
  }

  /** The reply in quotes, without our secrets. */
  say(reply: Reply): string {
    return quote(this.#hide(printReply(reply)));
  }

  #hide(text: string): string {
    return this.secrets.reduce((left, secret) => left.replaceAll(secret, "…"), text);
  }

  #doing(step: Step): string {
    if (step === "AUTH") return `${this.server} does not let ${quote(this.user)} in`;
    const words: Partial<Record<Step, string>> = {
      STARTTLS: "does not begin TLS",
      EHLO: "refuses to talk",
      MAIL: "refuses the sender",
      DATA: "refuses the message",
      message: "refuses the message",
    };
    return `${this.server} ${words[step] ?? "cannot be used"}`;
  }
}

/** The system's error message, to be used within a sentence. */
export function why(error: unknown): string {
  const text = reason(error);
  return /^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

/** Replies to other commands say nothing about the message, so that another attempt may succeed. */
const ABOUT_THE_MESSAGE: readonly Step[] = ["MAIL", "RCPT", "DATA", "message"];

function kindOf(step: Step, { code }: Reply): "refused" | "permission" | "temporary" {
  // 503 (bad sequence of commands) says that client and server are out of step, not that the message is bad.
  if (code < 500 || code === 503) return "temporary";
  if (step === "AUTH" || code === 530) return "permission"; // RFC 4954 section 6
  return ABOUT_THE_MESSAGE.includes(step) ? "refused" : "temporary";
}
