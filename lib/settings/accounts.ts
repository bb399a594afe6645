/** Accounts: the submission servers through which mail leaves with `via = "smtp"`. */
import { type Fail, quote } from "../fail.ts";
import { isLoopback } from "./redis.ts";
import type { REPEATED, Scheme, TABLES, Values } from "./schema.ts";

/** The settings on which the accounts depend. */
interface AccountSettings {
  readonly transport: Values<typeof TABLES.transport>;
  readonly account: readonly Values<typeof REPEATED.account>[];
}

/** One account: an `[[account]]`, or the server of `[transport]`. */
export interface Account {
  /** Its name; empty for the server of `[transport]`. */
  readonly name: string;
  /** The table that describes it, for messages: `account` or `transport`. */
  readonly table: "account" | "transport";
  readonly host: string;
  /** 0 means the default port for the security. */
  readonly port: number;
  readonly security: "tls" | "starttls" | "none";
  readonly ca: string;
  /** Login name; empty for no authentication. */
  readonly user: string;
  /** Exactly one of these three is not empty if there is a user. */
  readonly password_file: string;
  readonly password_command: readonly string[];
  readonly oauth2_command: readonly string[];
  /** The strongest scheme that the server accepts; empty for no restriction. */
  readonly sender: Scheme | "";
  /** Patterns of addresses whose mail it sends, in lower case. */
  readonly from: readonly string[];
  readonly default: boolean;
  /** The name sent with EHLO. */
  readonly helo: string;
  /** Timeout of a session in seconds; 0 disables it. */
  readonly timeout: number;
}

/** The settings that contain or obtain a password or a token. */
const CREDENTIALS = ["password_file", "password_command", "oauth2_command"] as const;

/** Returns the accounts, in the order of the settings; none unless `transport.via` is `smtp`. */
export function accountsIn({ transport, account }: AccountSettings): Account[] {
  if (transport.via !== "smtp") return [];
  const { helo, timeout } = transport;
  if (account.length === 0) {
    return [{ ...transport, name: "", table: "transport", sender: "", from: [], default: true }];
  }
  return account.map((one) => ({
    ...one,
    table: "account",
    from: one.from.map((pattern) => pattern.toLowerCase()),
    default: one.default || account.length === 1,
    helo,
    timeout,
  }));
}

/** Creates an error about a setting: table, name, index of a repeated table, message, fix. */
type Wrong = (table: string, name: string, nth: number, what: string, fix?: string) => Fail;

/** Checks the accounts. @throws {Fail} `config` */
export function checkAccounts({ transport, account }: AccountSettings, wrong: Wrong): void {
  if (account.length > 0 && transport.via !== "smtp") {
    throw wrong("account", "", 0, '[[account]] requires transport.via = "smtp"', 'set transport.via = "smtp"');
  }
  if (transport.via !== "smtp") return;
  if (account.length === 0) {
    if (transport.host === "") {
      const fix = "name the server that sends your mail, or add [[account]]";
      throw wrong("transport", "", 0, "transport.host is not set", fix);
    }
    checkServer("transport", transport, (name, what, fix) => wrong("transport", name, 0, what, fix));
    return;
  }
  const { port, security } = transport;
  const moved = port !== 0
    ? "port"
    : security !== "tls"
    ? "security"
    : (["host", "ca", "user", ...CREDENTIALS] as const).find((name) => transport[name].length > 0);
  if (moved !== undefined) {
    const fix = "move the settings of the server to an [[account]]";
    throw wrong("transport", moved, 0, `transport.${moved} cannot be used with [[account]]`, fix);
  }
  const names = new Set<string>();
  const patterns = new Map<string, string>();
  let standard: string | undefined;
  for (const [nth, one] of account.entries()) {
    const about = (name: string, what: string, fix?: string) => wrong("account", name, nth, what, fix);
    if (names.has(one.name)) throw about("name", `Account ${quote(one.name)} is configured twice`);
    names.add(one.name);
    checkServer("account", one, about);
    for (const pattern of one.from.map((each) => each.toLowerCase())) {
      const other = patterns.get(pattern);
      if (other !== undefined) throw about("from", `Pattern ${quote(pattern)} is also in account ${quote(other)}`);
      patterns.set(pattern, one.name);
    }
    if (one.default && standard !== undefined) {
      throw about("default", `Account ${quote(standard)} is also the default`, "set account.default in one of them");
    }
    if (one.default) standard = one.name;
    if (one.from.length === 0 && !one.default && account.length > 1) {
      const what = `Account ${quote(one.name)} is never used`;
      throw about("", what, "set account.from, or account.default = true");
    }
  }
}

/** Checks one server: no password without TLS, no cleartext over a network, and one way to log in. */
function checkServer(
  table: string,
  server: Pick<Account, "host" | "security" | "user" | typeof CREDENTIALS[number]>,
  wrong: (name: string, what: string, fix?: string) => Fail,
): void {
  const { host, security, user } = server;
  if (security === "none" && !isLoopback(host)) {
    throw wrong("security", `${table}.security = "none" is allowed for a server on this machine only`);
  }
  if (security === "none" && user !== "") {
    throw wrong("user", `${table}.user cannot be used with security = "none": passwords are sent over TLS only`);
  }
  const [first, second] = CREDENTIALS.filter((name) => server[name].length > 0);
  if (user !== "" && first === undefined) {
    throw wrong("user", `${table}.user requires password_file, password_command or oauth2_command`);
  }
  if (user === "" && first !== undefined) throw wrong(first, `${table}.${first} requires ${table}.user`);
  if (second !== undefined) {
    throw wrong(second, `${table}.${second} cannot be used with ${table}.${first}`, "remove one of them");
  }
}
