/** Checks what smtp-server leaves to its caller in MAIL and RCPT: parameters, and addresses beyond ASCII. */
import { type Address, parseAddress } from "../../lib/address.ts";
import { isRejection } from "../../lib/fail.ts";
import { MAIL_PARAMETERS } from "../smtp_command.ts";

/** An address with its parameters, as smtp-server parses them. */
export interface GivenAddress {
  readonly address: string;
  readonly args?: object | false;
}

/** A command that is rejected. */
export class CommandRejected extends Error {
  /** @param responseCode as smtp-server expects it */
  constructor(readonly responseCode: number, message: string) {
    super(message);
  }
}

/**
 * Returns the address of MAIL or RCPT; null for the null sender.
 *
 * @param utf8 whether the client has announced SMTPUTF8 with MAIL
 * @throws {CommandRejected}
 */
export function checkPath(command: "MAIL" | "RCPT", { address, args }: GivenAddress, utf8: boolean): Address | null {
  const known = command === "MAIL" ? MAIL_PARAMETERS : [];
  if (Object.keys(args || {}).some((name) => !known.includes(name))) {
    throw new CommandRejected(555, "5.5.4 Unsupported parameter");
  }
  if (address === "") {
    if (command === "MAIL") return null;
    throw new CommandRejected(553, "5.1.3 Address is not valid");
  }
  const wrong = new CommandRejected(553, `5.1.${command === "MAIL" ? 7 : 3} Address is not valid`);
  const at = address.lastIndexOf("@");
  const written = `${address.slice(0, at + 1)}${asciiDomain(address.slice(at + 1))}`;
  // deno-lint-ignore no-control-regex
  if (!utf8 && /[^\x00-\x7f]/.test(written)) throw new CommandRejected(553, "5.6.7 Address needs SMTPUTF8");
  if (written.includes("\ufffd")) throw wrong;
  try {
    return parseAddress(written);
  } catch (error) {
    if (isRejection(error)) throw wrong;
    throw error;
  }
}

/** Returns a domain as it is in DNS: smtp-server converts `xn--` labels into Unicode, where they were not announced. */
function asciiDomain(domain: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[^\x00-\x7f]/.test(domain)) return domain;
  try {
    return new URL(`http://${domain}`).hostname;
  } catch {
    return domain;
  }
}
