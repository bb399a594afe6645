/** Logins in a file. */
import { latin1ToUtf8 } from "../../lib/bytes.ts";
import { findUser, parseUsers } from "../../lib/users.ts";
import { readPrivateFile } from "../../io/system/files.ts";
import type { Credentials } from "../sasl.ts";
import type { Account } from "./account.ts";
import { DUMMY, matchesHash } from "./scrypt.ts";

/** Longest file of logins. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Returns the account, or undefined if the login or the password is wrong. @throws {Fail} */
export async function askUsersFile(path: string, { user, password }: Credentials): Promise<Account | undefined> {
  const fix = "countersign passwd add LOGIN";
  const users = parseUsers(readPrivateFile("File of logins", path, 0o077, { limit: MAX_BYTES, fix }), path);
  const login = latin1ToUtf8(user);
  const found = findUser(users, login);
  // A login that does not exist takes as long as a wrong password.
  const right = await matchesHash(password, found?.hash ?? DUMMY);
  return right && found !== undefined ? { user: found.user || login, home: found.home } : undefined;
}
