/** The options of `countersign init --submit`, which the help of `init` describes. */
import { Fail } from "../lib/fail.ts";
import type { Arguments } from "./arguments.ts";

/** Options with a value. */
export const SUBMIT_VALUES = [
  "certificate",
  "key",
  "name",
  "auth",
  "login",
  "listen",
  "listen-tls",
  "max-message",
  "max-per-address",
] as const;

/** The part of the help. */
export const SUBMIT_HELP = `With --submit it adds what countersign submitd needs to existing settings:

  --submit            Configure submitd, which accepts mail from phones and other clients that log in
  --certificate FILE  Certificate with all intermediate certificates. Default: that of the mail server, or of an ACME
                      client
  --key FILE          Private key of the certificate. Default: the one beside it
  --name HOST         Host name of the server. Default: the one in the certificate
  --auth SOURCE       How passwords are checked: file:PATH, dovecot:SOCKET or checkpassword:PROGRAM
  --login NAME        Login that sends as the identities that list no login yet
  --listen ADDRESS    Address and port for STARTTLS, such as 192.0.2.1:587; may be repeated. Default: port 587
  --listen-tls ADDRESS  Address and port for TLS from the start; may be repeated. Default: port 465
  --max-message BYTES   Maximum size of a message
  --max-per-address COUNT  Maximum number of connections of an address
`;

/** Checks that the options belong together. @throws {Fail} `usage` */
export function checkSubmitOptions(options: Arguments, others: readonly string[]): void {
  const submit = options.has("submit");
  const odd = (submit ? others : SUBMIT_VALUES).find((name) => options.has(name));
  if (odd === undefined) return;
  throw new Fail(
    "usage",
    submit ? `Option --${odd} cannot be combined with --submit` : `Option --${odd} needs --submit`,
  );
}
