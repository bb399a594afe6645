/** Checks the passwords of clients of submitd. */
import { decodeLatin1, latin1ToUtf8, utf8 } from "../../lib/bytes.ts";
import type { AuthBackend } from "../../lib/settings/submission.ts";
import { askDovecot } from "../backends/dovecot.ts";
import { askUsersFile } from "../backends/users_file.ts";
import { checked, type Credentials } from "../sasl.ts";
import { Slots } from "../slots.ts";
import { runCheckPassword } from "./checkpassword.ts";

/** Who has logged in. */
export interface Authenticated {
  /** The login; Dovecot may have changed it, for example to lower case. */
  readonly login: string;
  /** The home directory of a virtual user in the file of logins; otherwise empty. */
  readonly home: string;
}

/** A hash takes 35 ms and 16 MB, and attempts of strangers must not take more than a part of the machine. */
const HASHES = new Slots(2);
/** checkpassword programs and connections to Dovecot at the same time. */
const OTHERS = new Slots(50);

/**
 * Checks a login.
 *
 * @param ip the client's address, for Dovecot's penalties
 * @returns undefined if the login or the password is wrong, or the user is root
 * @throws {Fail} if the password cannot be checked now
 */
export async function authenticate(
  { kind, path }: AuthBackend,
  user: string,
  password: string,
  ip: string,
): Promise<Authenticated | undefined> {
  const credentials = credentialsOf(user, password);
  if (credentials === undefined) return undefined;
  const login = latin1ToUtf8(credentials.user);
  switch (kind) {
    case "file": {
      const account = await HASHES.run(() => askUsersFile(path, credentials));
      return account && allowed({ login, home: account.home }, account.user);
    }
    case "dovecot": {
      const account = await OTHERS.run(() => askDovecot(path, credentials, ip));
      return account && allowed({ login: account.user, home: "" }, account.user);
    }
    case "checkpassword":
      return await OTHERS.run(() => runCheckPassword(path, credentials))
        ? allowed({ login, home: "" }, login)
        : undefined;
  }
}

/**
 * Returns the credentials as bytes. smtp-server decodes UTF-8, and what is not becomes U+FFFD: no password has that.
 */
function credentialsOf(user: string, password: string): Credentials | undefined {
  if (`${user}${password}`.includes("\ufffd")) return undefined;
  return checked(decodeLatin1(utf8(user)), decodeLatin1(utf8(password)));
}

/** If root could log in, its password would be a target that every system has. */
function allowed(found: Authenticated, user: string): Authenticated | undefined {
  return /^(?:root|0+)(?:@|$)/i.test(found.login) || /^(?:root|0+)$/.test(user) ? undefined : found;
}
