/** The settings file: TOML in, checked settings out; everything wrong is named with its line. */
import { parse, stringify, TomlDate, TomlError } from "smol-toml";
import { Fail, quote, reason } from "../fail.ts";
import type { PlainLists } from "./lists.ts";
import { nearest } from "../nearest.ts";
import { REPEATED, SETTINGS, type Table, TABLES, TOP, type Values } from "./schema.ts";

/** Settings of one identity. */
export type IdentitySettings = Values<typeof REPEATED.identity>;

/** One rule for the envelope sender. */
export type Rule = Values<typeof REPEATED.rule>;

/** All settings, as the table in schema.ts describes them. Paths are absolute. */
export interface Settings extends Values<typeof TOP>, TableValues<typeof TABLES> {
  /** The contents of `plain_lists`, when the settings were loaded from a file. */
  readonly plainLists?: PlainLists;
  readonly identity: readonly IdentitySettings[];
  readonly rule: readonly Rule[];
}

type TableValues<T> = { readonly [N in keyof T]: Values<T[N]> };

/** The submission server: its host, and the port that is meant. */
export function serverOf({ host, port, security }: Settings["transport"]): { hostname: string; port: number } {
  return { hostname: host, port: port || { tls: 465, starttls: 587, none: 25 }[security] };
}

/** A server as it is written, and as Deno names what may be reached: `host:port`. */
export function printServer({ hostname, port }: ReturnType<typeof serverOf>): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Where the file stands and whose home `~` is. */
export interface ConfigSource {
  /** The settings file, absolute. */
  readonly file: string;
  readonly home: string;
}

/**
 * Reads and checks the settings.
 *
 * @param text the file
 * @throws {Fail} `config`, with file and line
 */
export function parseConfig(text: string, place: ConfigSource): Settings {
  const wrong: Wrong = (table, name, nth, what, fix) => {
    const data = { file: place.file, line: lineOf(text, table, name, nth) };
    return new Fail("config", what, fix === undefined ? data : { ...data, fix });
  };
  const given = parseToml(text, place);
  if (typeof given.state === "string") {
    const value = stringify({ folder: given.state }).trim();
    throw wrong("", "state", 0, "Setting state is now a table", `write [state] and below it ${value}`);
  }
  const known = new Set([...Object.keys(TOP), ...Object.keys(REPEATED), ...Object.keys(TABLES)]);
  for (const name of Object.keys(given)) {
    if (!known.has(name)) throw unknown(wrong, "", name, 0);
  }
  const read = <V>(table: Table<V>, name: string, values: Readonly<Record<string, unknown>>, nth = 0): V => {
    for (const one of Object.keys(values)) {
      if (name !== "" && !Object.hasOwn(table, one)) throw unknown(wrong, name, one, nth);
    }
    const out: Partial<V> = {};
    for (const one in table) {
      const setting = table[one];
      const fullName = name === "" ? one : `${name}.${one}`;
      const present = Object.hasOwn(values, one);
      if (!present && setting.fallback === undefined) throw wrong(name, "", nth, `Setting ${fullName} is missing`);
      const value = present ? values[one] : setting.fallback;
      const isDate = value instanceof TomlDate && setting.type === "date";
      try {
        out[one] = setting.read(isDate ? value.toISOString() : value, (path) => absolutePath(path, place));
      } catch (error) {
        throw wrong(name, one, nth, `${fullName}: ${reason(error)}`);
      }
    }
    return complete(table, out);
  };
  const one = <V>(table: Table<V>, name: string): V => {
    const values = Object.hasOwn(given, name) ? given[name] : {};
    if (!isRecord(values)) throw wrong("", name, 0, `Setting ${name} is not a table`, `write [${name}]`);
    return read(table, name, values);
  };
  const many = <V>(table: Table<V>, name: string): V[] => {
    const all = Object.hasOwn(given, name) ? given[name] : [];
    if (!Array.isArray(all) || !all.every(isRecord)) {
      throw wrong("", name, 0, `Setting ${name} is not a list of tables`, `write [[${name}]] before each`);
    }
    return all.map((values, nth) => read(table, name, values, nth));
  };
  const settings: Settings = {
    ...read(TOP, "", given),
    identity: many(REPEATED.identity, "identity"),
    rule: many(REPEATED.rule, "rule"),
    ...eachTable(TABLES, one),
  };
  together(settings, wrong);
  return settings;
}

/** Makes the error about one setting: table, name, the number of a repeated table, what is wrong, what fixes it. */
type Wrong = (table: string, name: string, nth: number, what: string, fix?: string) => Fail;

/** An unknown setting, with the one that was probably meant. */
function unknown(wrong: Wrong, table: string, name: string, nth: number): Fail {
  const prefix = table === "" ? "" : `${table}.`;
  const inTable = SETTINGS.filter((one) => one.table === table).map((one) => one.name.slice(prefix.length));
  const near = nearest(name, table === "" ? [...inTable, ...SETTINGS.map((one) => one.table)] : inTable);
  return wrong(table, name, nth, `Unknown setting ${prefix}${name}`, near && `did you mean ${prefix}${near}?`);
}

function parseToml(text: string, { file }: ConfigSource): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The quoted lines of the file come after the first line of the message.
    const [what] = error.message.split("\n");
    throw new Fail("config", what!, { file, line: error.line, cause: error });
  }
}

/** Checks that involve several settings. */
function together(settings: Settings, wrong: Wrong): void {
  const { identity, incoming, transport } = settings;
  if (identity.length === 0) {
    throw wrong("", "", 0, "No identity is configured", "add [[identity]] with one of your addresses");
  }
  const addresses = new Set<string>();
  const files = new Map<string, string>();
  for (const [nth, one] of identity.entries()) {
    const address = one.address.toLowerCase();
    if (addresses.has(address)) {
      throw wrong("identity", "address", nth, `Address ${quote(one.address)} is configured twice`);
    }
    // A shared key file would link two addresses for everybody who sees the key id.
    const other = files.get(one.keys);
    if (other !== undefined) {
      const what = `The key file of ${one.address} is also that of ${other}`;
      throw wrong("identity", "keys", nth, what, "set identity.keys to another file");
    }
    addresses.add(address);
    files.set(one.keys, one.address);
  }
  for (const [nth, one] of identity.entries()) {
    if (one.srs_domain !== "" && one.srs_domain.toLowerCase() === domainOf(one.address)) {
      const what = "identity.srs_domain is the domain of the address itself";
      throw wrong("identity", "srs_domain", nth, what, `use another one, such as srs.${one.srs_domain}`);
    }
  }
  const srsDomains = new Set(identity.map((one) => one.srs_domain.toLowerCase()));
  for (const [nth, one] of identity.entries()) {
    // Whatever is in an SRS domain and is not signed is forged: an ordinary address there would get no mail.
    if (srsDomains.has(domainOf(one.address))) {
      throw wrong("identity", "address", nth, "identity.address is in the srs_domain of an identity");
    }
  }
  const { via, preset, command, maildir } = transport;
  if (incoming.forward && incoming.forward_sender === "" && preset === "dma") {
    throw wrong("incoming", "forward", 0, "dma cannot send with the null sender", "set incoming.forward_sender");
  }
  if (via === "command" && preset === "") {
    throw wrong("transport", "", 0, "transport.preset is not set", "name the program that sends your mail");
  }
  if (via === "maildir" && maildir === "") throw wrong("transport", "", 0, "transport.maildir is not set");
  if (via !== "command" && command.length > 0) {
    throw wrong("transport", "command", 0, `transport.command cannot be used with via = "${via}"`);
  }
  if (via === "smtp") smarthost(transport, (name, what, fix) => wrong("transport", name, 0, what, fix));
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf("@") + 1).toLowerCase();

/** What a submission server needs: no password without TLS, and no plain text over a network. */
function smarthost(
  transport: Settings["transport"],
  wrong: (name: string, what: string, fix?: string) => Fail,
): void {
  const { host, security, user, password_file } = transport;
  if (host === "") throw wrong("", "transport.host is not set", "name the server that sends your mail");
  if (security === "none" && !/^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(host)) {
    throw wrong("security", 'transport.security = "none" is allowed for a server on this machine only');
  }
  if (security === "none" && user !== "") {
    throw wrong("user", 'transport.user cannot be used with security = "none": passwords are sent over TLS only');
  }
  if (user !== "" && password_file === "") throw wrong("user", "transport.user requires transport.password_file");
  if (user === "" && password_file !== "") {
    throw wrong("password_file", "transport.password_file requires transport.user");
  }
}

function eachTable<V>(
  tables: { readonly [N in keyof V]: Table<V[N]> },
  read: <T>(table: Table<T>, name: string) => T,
): V {
  const out: Partial<V> = {};
  for (const name in tables) out[name] = read(tables[name], name);
  return complete(tables, out);
}

/** All values, when each name of the table has one. */
function complete<V>(table: { readonly [N in keyof V]: unknown }, out: Partial<V>): V {
  const isComplete = (some: Partial<V>): some is V => Object.keys(table).every((name) => name in some);
  if (isComplete(out)) return out;
  throw new Error("A setting was not read");
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Absolute, and in one spelling: two of the same file must be seen to be so. */
function absolutePath(path: string, place: ConfigSource): string {
  if (path === "") return path;
  const folder = place.file.slice(0, place.file.lastIndexOf("/") + 1);
  const whole = path.startsWith("/") ? path : /^~(\/|$)/.test(path) ? place.home + path.slice(1) : folder + path;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The line of `name` in the nth table `prefix`, the table's own line when there is no such name, else 1. */
function lineOf(text: string, prefix: string, name: string, nth: number): number {
  let current = "";
  let count = -1;
  let head = 1;
  for (const [index, line] of text.split("\n").entries()) {
    const opened = /^\s*\[\[?\s*([\w.-]+)\s*\]\]?/.exec(line)?.[1];
    if (opened !== undefined) {
      current = opened;
      if (opened === prefix) count++;
      if ((opened === prefix && count === nth) || (prefix === "" && opened === name)) head = index + 1;
      if (opened === `${prefix}.${name}` && Math.max(count, 0) === nth) return index + 1;
      continue;
    }
    const key = /^\s*"?([\w.-]+)"?\s*=/.exec(line)?.[1];
    if (key === undefined || name === "") continue;
    if (current === prefix && (prefix === "" || count === nth) && key.split(".")[0] === name) return index + 1;
    if (current === "" && prefix !== "" && key === `${prefix}.${name}`) return index + 1;
    if (current === "" && key === prefix) head = index + 1;
  }
  return head;
}
