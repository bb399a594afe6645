/** Settings of a submission server, which `[transport]` and each `[[account]]` have in common. */
import { number, oneOf, path, program, text } from "./values.ts";

/** How to reach the server, and how to log in. */
export const SERVER = {
  port: number(0, 65_535, 0, "The port of the server. 0 means 465 with `tls`, 587 with `starttls`, 25 with `none`."),
  security: oneOf(
    ["tls", "starttls", "none"],
    "tls",
    "`tls` uses TLS from the start, `starttls` requires STARTTLS, `none` is allowed for a server on this machine only.",
  ),
  ca: path("", "A file with the certificate of a private CA in PEM format. Certificates are always verified."),
  user: text(
    "",
    "Login name; requires `password_file`, `password_command` or `oauth2_command`. Empty: no authentication.",
  ),
  password_file: path("", "The file that contains the password on a single line, mode 0600."),
  password_command: program(
    "A program that prints the password as its only line, such as " +
      '`["/usr/bin/pass", "show", "mail/greg"]`. It is run without a shell.',
  ),
  oauth2_command: program(
    "A program that prints an OAuth 2.0 access token as its only line, for the mechanisms OAUTHBEARER and XOAUTH2.",
  ),
};
