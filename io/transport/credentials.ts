/** The password or token with which an account logs in. */
import { Fail } from "../../lib/fail.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import { readPassword } from "../system/load.ts";
import { byPassword, type Mechanism } from "./smtp/auth.ts";

/** Returns the mechanisms for a login, in order of preference. @throws {Fail} `config`, `permission` */
export function mechanismsOf({ user, table, ...account }: Account): Mechanism[] {
  if (account.password_file === "") throw new Fail("config", `${table}.password_command is not supported yet`);
  return byPassword(user, readPassword(account.password_file));
}
