/** How an account logs in: with a password or an access token, from a file or from a program. */
import { quote } from "../../lib/fail.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import { serverOf } from "../../lib/settings/parse.ts";
import { readPassword } from "../system/load.ts";
import { readSecret } from "../system/secret_command.ts";
import { byPassword, byPasswordFrom, byTokenFrom, type Login } from "./smtp/auth.ts";

/** Time limit for a program that prints a secret, in seconds: someone may have to type a passphrase. */
const COMMAND_SECONDS = 60;

/**
 * Returns how the account logs in; undefined if it does not.
 *
 * A password file is read at once, so that an error in it is found without a network. A program is run once per
 * session, after the connection is established, the certificate is verified and AUTH is offered: a keyring is not
 * unlocked for a server that cannot be reached, nor for an impostor.
 *
 * @throws {Fail} `config`, `permission`
 */
export function loginOf(account: Account): Login | undefined {
  const { user, password_file, password_command, oauth2_command } = account;
  if (user === "") return undefined;
  const timeout = Math.min(account.timeout || COMMAND_SECONDS, COMMAND_SECONDS);
  const printedBy = (name: "password_command" | "oauth2_command") => (signal: AbortSignal) =>
    readSecret({ argv: account[name], setting: settingOf(account, name), timeout, signal });
  if (oauth2_command.length > 0) {
    return { user, mechanisms: byTokenFrom(user, serverOf(account), printedBy("oauth2_command")) };
  }
  if (password_command.length > 0) return { user, mechanisms: byPasswordFrom(user, printedBy("password_command")) };
  return { user, mechanisms: byPassword(user, readPassword(password_file)) };
}

/** Returns the name of a setting of this account, for messages. */
export function settingOf({ table, name }: Account, setting: string): string {
  return table === "transport" ? `transport.${setting}` : `${setting} of account ${quote(name)}`;
}
