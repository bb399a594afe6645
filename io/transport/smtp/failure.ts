/** Turns replies and connection errors into failures: permanent, temporary, or unconfirmed. */
import { Fail, quote, quoteAll, reason } from "../../../lib/fail.ts";
import type { Answered } from "../answered.ts";
import { Rejected } from "../rejected.ts";
import { isPositive, printReply, type Reply } from "./reply.ts";

/** A step of the session. */
export type Step =
  | "connect"
  | "greeting"
  | "EHLO"
  | "STARTTLS"
  | "AUTH"
  | "MAIL"
  | "RCPT"
  | "RSET"
  | "DATA"
  /** The message, up to the reply to its final dot. */
  | "message";

/** The server's reply to one recipient. */
export interface RecipientReply {
  readonly recipient: string;
  readonly reply: Reply;
}

/** The replies that caused a failure. */
interface Replies {
  readonly reply?: Reply | undefined;
  readonly recipients?: readonly RecipientReply[];
  readonly fix?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The server rejected the message, or the session failed before the final dot.
 * Nothing was sent. `kind` is `refused` for permanent errors, `permission` if
 * the login failed or is required, otherwise `temporary`.
 */
export class SmtpRejected extends Rejected {
  /** The server's reply, the decisive one if it rejected several recipients; undefined if it did not reply. */
  readonly reply: Reply | undefined;
  /** The rejected recipients. */
  readonly recipients: readonly RecipientReply[];

  constructor(
    kind: "refused" | "permission" | "temporary",
    readonly step: Step,
    message: string,
    replies: Replies = {},
  ) {
    super({ refused: 69, permission: 77, temporary: 75 }[kind], message, kind, replies);
    this.recipients = replies.recipients ?? [];
    this.reply = replies.reply;
  }

  /** The reply, unless it is about the login: servers may repeat what they received. */
  override get answered(): Answered {
    return this.reply === undefined || !ABOUT_THE_MESSAGE.includes(this.step) ? {} : { reply: printReply(this.reply) };
  }

  override get summary(): string {
    return this.reply === undefined ? this.kind : [this.reply.code, this.reply.enhanced].join(" ").trimEnd();
  }
}

/** The server did not confirm the message after the final dot. A retry may deliver it twice. */
export class Unconfirmed extends Fail {
  constructor(message: string, readonly reply?: Reply, options?: ErrorOptions) {
    super("temporary", message, options);
  }
}

/** A signed envelope sender: SRS or prvs, which some put behind the name of a user. */
const SIGNED = /(?:^|-)SRS[01][-+=]|(?:^|[-+])prvs=/i;

/** Maximum number of characters of a reply in an error message. */
const MAX_REPLY = 500;

/** Creates the errors of one session. */
export class Failures {
  #secrets: readonly string[] = [];
  /** The envelope sender, once it is known; empty for the null sender. */
  sender = "";

  constructor(
    readonly server: string,
    /** Login name. */
    readonly user: string,
  ) {}

  /** Removes these secrets from every error message from now on, because a server may repeat what it received. */
  hide(secrets: readonly string[]): void {
    this.#secrets = secrets;
  }

  /** The server rejected a command or the message. */
  refused(step: Step, reply: Reply): SmtpRejected {
    const fix = step === "MAIL" ? this.#plainInstead([reply]) : undefined;
    return new SmtpRejected(kindOf(step, reply), step, `${this.#doing(step)}: ${this.say(reply)}`, { reply, fix });
  }

  /** The server rejected recipients, so that the message is not sent. Permanent if one of the replies is. */
  refusedRecipients(recipients: readonly RecipientReply[]): SmtpRejected {
    const kinds = recipients.map(({ reply }) => kindOf("RCPT", reply));
    const kind = kinds.find((one) => one !== "temporary") ?? "temporary";
    const { reply } = recipients[kinds.indexOf(kind)]!;
    const message = `${this.server} rejected ${this.#each(recipients)}; nothing is sent`;
    // Postfix rejects a sender in its replies to RCPT, and names it.
    const about = recipients.map(({ reply }) => reply).filter((one) => printReply(one).includes(this.sender));
    return new SmtpRejected(kind, "RCPT", message, { reply, recipients, fix: this.#plainInstead(about) });
  }

  /**
   * Returns the fix if a server has rejected the signed sender, as providers do that accept only the user's address.
   */
  #plainInstead(replies: readonly Reply[]): string | undefined {
    return SIGNED.test(this.sender) && replies.some((one) => kindOf("MAIL", one) === "refused")
      ? 'set sender = "plain" if this server accepts only your own address'
      : undefined;
  }

  /**
   * Adds the recipients that the server had rejected before to the failure of the message, which is the cause of the
   * new one. Permanent if one of the replies is.
   */
  withRecipients(failure: unknown, recipients: readonly RecipientReply[]): unknown {
    const rejected = recipients.filter(({ reply }) => !isPositive(reply));
    if (!(failure instanceof SmtpRejected) || rejected.length === 0) return failure;
    const kinds = [failure.kind, ...rejected.map(({ reply }) => kindOf("RCPT", reply))];
    const kind = (["refused", "permission"] as const).find((one) => kinds.includes(one)) ?? "temporary";
    const message = `${failure.message}; ${this.server} also rejected ${this.#each(rejected)}`;
    const { reply } = [failure, ...rejected][kinds.indexOf(kind)]!;
    return new SmtpRejected(kind, failure.step, message, { reply, cause: failure });
  }

  #each(recipients: readonly RecipientReply[]): string {
    return recipients.map(({ recipient, reply }) => `${quote(recipient)}: ${this.say(reply)}`).join(", ");
  }

  /** The session failed before the final dot. A retry may succeed. */
  broken(step: Step, why: string, cause?: unknown): SmtpRejected {
    const fix = step === "greeting" && cause instanceof Deno.errors.TimedOut
      ? "check port and security: tls is for port 465, starttls for port 587"
      : cause instanceof Deno.errors.InvalidData
      ? tlsFix(cause.message)
      : undefined;
    return new SmtpRejected("temporary", step, `${this.server} cannot be used: ${this.#hide(why)}`, { fix, cause });
  }

  /** The session was aborted before the final dot. */
  stopped(step: Step, cause: Error): SmtpRejected {
    const why = cause.message;
    const message = `${why[0]!.toUpperCase()}${why.slice(1)}; nothing is sent`;
    return new SmtpRejected("temporary", step, message, { cause });
  }

  /** The final dot was sent, but the server did not confirm the message. */
  unconfirmed(why: string, reply?: Reply, cause?: unknown): Unconfirmed {
    const message = `${this.server} has the message, but did not confirm it (${why}); it may have been sent`;
    return new Unconfirmed(message, reply, { cause });
  }

  /** Returns the reply in quotes, without secrets. Its end often names the remedy. */
  say(reply: Reply): string {
    const text = this.#hide(printReply(reply));
    return quoteAll(text.length > MAX_REPLY ? `${text.slice(0, MAX_REPLY - 1)}…` : text);
  }

  #hide(text: string): string {
    return this.#secrets.reduce((left, secret) => left.replaceAll(secret, "…"), text);
  }

  #doing(step: Step): string {
    if (step === "AUTH") return `${this.server} rejected the login of ${quote(this.user)}`;
    const words: Partial<Record<Step, string>> = {
      STARTTLS: "rejected STARTTLS",
      EHLO: "rejected EHLO",
      MAIL: `rejected the sender ${this.sender === "" ? "<>" : quote(this.sender)}`,
      RCPT: "rejected the recipient",
      DATA: "rejected the message",
      message: "rejected the message",
    };
    return `${this.server} ${words[step] ?? "cannot be used"}`;
  }
}

/** What to do when TLS fails, by the words of the library. */
const TLS_FIXES: readonly (readonly [words: RegExp, fix: string])[] = [
  [/UnknownIssuer|BadSignature/, "log in to the network if it has a login page; for a private CA, set ca to its file"],
  [/not valid for/, "log in to the network if it has a login page; otherwise check host"],
  [/expired|not ?valid ?yet/i, "check the clock; otherwise the server needs a new certificate"],
  [/corrupt message/, "check port and security: tls is for port 465, starttls for port 587; or log in to the network"],
  [/CaUsedAsEndEntity/, "the server needs a certificate with the basic constraint CA:FALSE"],
];

function tlsFix(message: string): string | undefined {
  return TLS_FIXES.find(([words]) => words.test(message))?.[1];
}

/** Returns the system's error message, for use within a sentence. */
export function why(error: unknown): string {
  const text = reason(error);
  return /^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

/** Steps whose replies concern the message. After a failure in another step a retry may succeed. */
const ABOUT_THE_MESSAGE: readonly Step[] = ["MAIL", "RCPT", "DATA", "message"];

function kindOf(step: Step, { code }: Reply): "refused" | "permission" | "temporary" {
  // 503 (bad sequence of commands) means that client and server are out of sync, not that the message is rejected.
  if (code < 500 || code === 503) return "temporary";
  if (step === "AUTH" || code === 530) return "permission"; // RFC 4954 section 6
  return ABOUT_THE_MESSAGE.includes(step) ? "refused" : "temporary";
}
