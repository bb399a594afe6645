/** Formats MAIL and RCPT with the parameters that the server supports. */
import { toXtext } from "../../../lib/envelope.ts";
import { Fail, quote } from "../../../lib/fail.ts";

/** The extensions that a server offers, in upper case, with their parameters (RFC 5321 section 4.1.1.1). */
export type Extensions = ReadonlyMap<string, string>;

/** A recipient and its DSN parameter (RFC 3461 section 4.1). */
export interface Recipient {
  readonly address: string;
  /** For example `FAILURE,DELAY`. */
  readonly notify?: string;
}

/** An envelope. Parameters that the server does not support are omitted, unless the message would have to change. */
export interface SmtpEnvelope {
  /** Empty for the null sender. */
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  /** FULL or HDRS, and an identifier for notifications, as plain text. */
  readonly ret?: string;
  readonly envid?: string;
  /**
   * Whether the body may contain bytes over 127. Without 8BITMIME they are sent undeclared: bodies are not rewritten.
   */
  readonly eightBit?: boolean;
  /** Whether the header contains UTF-8 (RFC 6532). */
  readonly utf8Header?: boolean;
  /** Size of the message with CRLF line ends in bytes, if known. */
  readonly size?: number;
}

/** Parses the reply to EHLO, whose first line is a greeting. `AUTH=` is an old spelling of `AUTH`. */
export function extensionsIn(lines: readonly string[]): Extensions {
  const found = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const [, name, parameters] = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/.exec(line.trimEnd()) ?? [];
    if (name === undefined) continue;
    const key = name.toUpperCase();
    found.set(key, [found.get(key), parameters].filter((one) => one).join(" "));
  }
  return found;
}

/** Returns the maximum message size (RFC 1870); undefined if the server does not declare one. */
export function sizeLimit(extensions: Extensions): number | undefined {
  const limit = /^\d{1,15}$/.exec(extensions.get("SIZE") ?? "")?.[0];
  return limit === undefined || Number(limit) === 0 ? undefined : Number(limit);
}

/**
 * Returns the commands that start a transaction: MAIL, then RCPT for each recipient.
 *
 * @throws {Fail} `refused` if the envelope cannot be expressed with the server's extensions
 */
export function commands(server: string, envelope: SmtpEnvelope, extensions: Extensions): string[] {
  const { sender, recipients, size } = envelope;
  for (const address of [sender, ...recipients.map((one) => one.address)]) {
    // RFC 6531 section 3.2: only SMTPUTF8 permits such an address.
    if (!isAscii(address) && !extensions.has("SMTPUTF8")) {
      throw new Fail("refused", `${server} does not offer SMTPUTF8, which address ${quote(address)} requires`);
    }
  }
  const limit = sizeLimit(extensions);
  if (size !== undefined && limit !== undefined && size > limit) throw tooLarge(server, limit);
  const mail = [`MAIL FROM:<${sender}>`, ...mailParameters(envelope, extensions)];
  const lines = [mail.join(" "), ...recipients.map((one) => rcptCommand(one, extensions))];
  // A line end would inject another command.
  // deno-lint-ignore no-control-regex
  const bad = lines.find((line) => /[\0-\x1f\x7f]/.test(line));
  if (bad !== undefined) throw new Fail("refused", `${quote(bad)} contains a control character`);
  return lines;
}

/** Returns the error for a message over the server's limit. */
export function tooLarge(server: string, limit: number): Fail {
  return new Fail("refused", `${server} accepts messages of at most ${limit} bytes, and this one is larger`);
}

function mailParameters(envelope: SmtpEnvelope, extensions: Extensions): string[] {
  const { sender, recipients, ret, envid, eightBit, utf8Header, size } = envelope;
  const parameters: string[] = [];
  const add = (extension: string, parameter: string | false | undefined) => {
    if (parameter && extensions.has(extension)) parameters.push(parameter);
  };
  const utf8 = utf8Header || ![sender, ...recipients.map((one) => one.address)].every(isAscii);
  add("SIZE", size !== undefined && `SIZE=${size}`);
  add("8BITMIME", eightBit && "BODY=8BITMIME");
  add("SMTPUTF8", utf8 && "SMTPUTF8");
  add("DSN", ret !== undefined && `RET=${ret.toUpperCase()}`);
  add("DSN", envid !== undefined && `ENVID=${toXtext(envid)}`);
  return parameters;
}

function rcptCommand({ address, notify }: Recipient, extensions: Extensions): string {
  const parameter = notify !== undefined && extensions.has("DSN") ? ` NOTIFY=${notify.toUpperCase()}` : "";
  return `RCPT TO:<${address}>${parameter}`;
}

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text);
