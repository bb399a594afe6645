/** Parses the commands of SMTP that carry addresses and parameters (RFC 5321 section 4.1.1). */
import { type Address, parseAddress } from "../lib/address.ts";
import { latin1ToUtf8 } from "../lib/bytes.ts";
import { isRejection } from "../lib/fail.ts";

/** A command that must be rejected. */
export class CommandRejected extends Error {
  /** @param reply the whole reply */
  constructor(readonly reply: string) {
    super(reply);
  }
}

/**
 * The parameters of MAIL that are accepted; RCPT has none. AUTH has no meaning after the client has logged in, but RFC
 * 4954 section 5 requires that it is accepted, and Postfix adds it to each MAIL.
 */
export const MAIL_PARAMETERS: readonly string[] = ["BODY", "SIZE", "SMTPUTF8", "AUTH"];

/**
 * Parses what follows MAIL or RCPT.
 *
 * @returns the address, null for `<>`; and the parameters, in upper case
 * @throws {CommandRejected}
 */
export function parsePath(
  what: "FROM" | "TO",
  rest: string,
): { address: Address | null; parameters: ReadonlyMap<string, string> } {
  const [, word, path, after] = /^(FROM|TO): *(<(?:[^<>"\\]|"(?:[^"\\]|\\.)*")*>|[^ <>]+)(.*)$/i.exec(rest) ?? [];
  if (word?.toUpperCase() !== what || path === undefined) {
    throw new CommandRejected(`555 5.5.2 Syntax error, expected ${what}:<address>`);
  }
  const parameters = new Map<string, string>();
  for (const one of after!.trim().split(/ +/).filter((part) => part !== "")) {
    const [, name = "", value = ""] = /^([A-Za-z0-9-]+)(?:=([!-<>-~]*))?$/.exec(one) ?? [];
    const known = what === "FROM" && MAIL_PARAMETERS.includes(name.toUpperCase());
    if (!known) throw new CommandRejected("555 5.5.4 Unsupported parameter");
    parameters.set(name.toUpperCase(), value);
  }
  const size = parameters.get("SIZE");
  const body = parameters.get("BODY");
  if ((size !== undefined && !/^\d{1,20}$/.test(size)) || (body !== undefined && !/^(?:7BIT|8BITMIME)$/i.test(body))) {
    throw new CommandRejected("501 5.5.4 Invalid parameter");
  }
  const text = latin1ToUtf8(path.replace(/^<(?:@[^:]*:)?|>$/g, "")); // a source route is dropped
  if (text === "" && what === "FROM") return { address: null, parameters };
  try {
    return { address: parseAddress(text), parameters };
  } catch (error) {
    if (!isRejection(error)) throw error;
    throw new CommandRejected(`553 5.1.${what === "FROM" ? 7 : 3} Address is not valid`);
  }
}
