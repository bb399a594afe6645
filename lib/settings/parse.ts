/** Parses and checks the settings file, which is TOML. Errors name the line. */
import { parse, TomlDate, TomlError } from "smol-toml";
import { checkAccounts } from "./accounts.ts";
import { parseAddress } from "../address.ts";
import { checkDoorbells, type Service } from "./doorbell.ts";
import { Fail, quote, reason } from "../fail.ts";
import { identityOf } from "./identity.ts";
import type { PlainLists } from "./lists.ts";
import { lookupSocket } from "./lookup.ts";
import { nearest } from "../nearest.ts";
import { REPEATED, SETTINGS, type Table, TABLES, TOP, type Values } from "./schema.ts";

/** Settings of one identity. */
type IdentitySettings = Values<typeof REPEATED.identity>;

/** One rule for the envelope sender. */
export type Rule = Values<typeof REPEATED.rule>;

/** All settings, as the table in schema.ts describes them. Paths are absolute. */
export interface Settings extends Values<typeof TOP>, TableValues<typeof TABLES> {
  /** The contents of `plain_lists`, when the settings were loaded from a file. */
  readonly plainLists?: PlainLists;
  readonly identity: readonly IdentitySettings[];
  readonly rule: readonly Rule[];
  /** The accounts as configured; see `accountsIn()`. */
  readonly account: readonly Values<typeof REPEATED.account>[];
  readonly doorbell: readonly Service[];
}

type TableValues<T> = { readonly [N in keyof T]: Values<T[N]> };

/** Returns host and port of the submission server, with the default port for its security. */
export function serverOf(
  { host, port, security }: Pick<Settings["transport"], "host" | "port" | "security">,
): { hostname: string; port: number } {
  return { hostname: host, port: port || { tls: 465, starttls: 587, none: 25 }[security] };
}

/** Formats a server as `host:port`, as in Deno's permission flags. */
export function printServer({ hostname, port }: ReturnType<typeof serverOf>): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** The location of the settings file, and the home directory that `~` means. */
export interface ConfigSource {
  /** The settings file, absolute. */
  readonly file: string;
  readonly home: string;
}

/**
 * Parses and checks the settings.
 *
 * @param text the contents of the file
 * @throws {Fail} `config`, with file and line
 */
export function parseConfig(text: string, place: ConfigSource): Settings {
  const wrong: Wrong = (table, name, nth, what, fix) => {
    const data = { file: place.file, line: lineOf(text, table, name, nth) };
    return new Fail("config", what, fix === undefined ? data : { ...data, fix });
  };
  const given = parseToml(text, place);
  if (typeof given.state === "string") {
    const fix = `write [state] and below it folder = ${quote(given.state)}`;
    throw wrong("", "state", 0, "Setting state is now a table", fix);
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
        const fix = error instanceof Fail ? error.fix : undefined;
        const what = error instanceof Fail && fix !== undefined ? error.message : reason(error);
        throw wrong(name, one, nth, `${fullName}: ${what}`, fix);
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
    account: many(REPEATED.account, "account"),
    doorbell: many(REPEATED.doorbell, "doorbell"),
    ...eachTable(TABLES, one),
  };
  together(settings, wrong);
  return settings;
}

/** Creates an error about a setting: table, name, index of a repeated table, message, fix. */
type Wrong = (table: string, name: string, nth: number, what: string, fix?: string) => Fail;

/** Creates the error for an unknown setting, which suggests a similar name. */
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
    // The first line of the message is followed by an excerpt of the file.
    const [what] = error.message.split("\n");
    throw new Fail("config", what!, { file, line: error.line, fix: tableFix(text, error.line), cause: error });
  }
}

/** Returns the fix for a table that is repeated on this line, as when a snippet was pasted below it; else undefined. */
function tableFix(text: string, line: number): string | undefined {
  const tables = text.split("\n", line).map((one) => /^\s*\[([\w.-]+)\]\s*(?:#|$)/.exec(one)?.[1]);
  const last = tables[line - 1];
  return last !== undefined && tables.indexOf(last) < line - 1 ? `move its settings to the other [${last}]` : undefined;
}

/** The error for settings without an identity, where one is needed, and its fix. */
export const NO_IDENTITY = ["No identity is configured", "add [[identity]] with one of your addresses"] as const;

/** Checks that involve several settings. */
function together(settings: Settings, wrong: Wrong): void {
  const { identity, incoming, srs, transport } = settings;
  if (identity.length === 0) {
    const [what, fix] = NO_IDENTITY;
    if (settings.unconfigured !== "pass" && settings.submit.user_settings === "") throw wrong("", "", 0, what, fix);
    // The outbox reports to the first identity.
    if (settings.outbox.when !== "never") throw wrong("outbox", "when", 0, "outbox.when requires an identity", fix);
  }
  const addresses = new Set<string>();
  const files = new Map<string, string>();
  for (const [nth, one] of identity.entries()) {
    const address = one.address.toLowerCase();
    if (addresses.has(address)) {
      throw wrong("identity", "address", nth, `Address ${quote(one.address)} is configured twice`);
    }
    // With a shared key file, everybody who sees the key id could link the two addresses.
    const other = files.get(one.keys);
    if (other !== undefined) {
      const what = `The key file of ${one.address} is also that of ${other}`;
      throw wrong("identity", "keys", nth, what, "set identity.keys to another file");
    }
    addresses.add(address);
    files.set(one.keys, one.address);
  }
  const { forwarding } = settings;
  const owner = forwarding.domain === "" ? undefined : files.get(forwarding.keys);
  if (owner !== undefined) {
    const fix = "set forwarding.keys to another file";
    throw wrong("forwarding", "keys", 0, `forwarding.keys is the key file of ${owner}`, fix);
  }
  for (const [nth, one] of identity.entries()) {
    if (one.srs_domain !== "" && one.srs_domain.toLowerCase() === domainOf(one.address)) {
      const what = "identity.srs_domain is the domain of the address itself";
      throw wrong("identity", "srs_domain", nth, what, `use another one, such as srs.${one.srs_domain}`);
    }
  }
  const srsDomains = new Set(identity.map((one) => one.srs_domain.toLowerCase()));
  for (const [nth, one] of identity.entries()) {
    // Mail to an unsigned address in an SRS domain is treated as forged, so an ordinary address would get none.
    if (srsDomains.has(domainOf(one.address))) {
      throw wrong("identity", "address", nth, "identity.address is in the srs_domain of an identity");
    }
  }
  if (srs.postmaster !== "") {
    const known = identity.map(({ address, also }) => {
      return { address: parseAddress(address), also: also.map((pattern) => pattern.toLowerCase()) };
    });
    if (identityOf(known, srs.postmaster) === undefined) {
      throw wrong("srs", "postmaster", 0, "srs.postmaster is not an identity", "use the address of an [[identity]]");
    }
  }
  sharedState(settings, (name, what, fix) => wrong("state", name, 0, what, fix));
  const { via, preset, command, maildir } = transport;
  if (incoming.forward && incoming.forward_sender === "" && preset === "dma") {
    throw wrong("incoming", "forward", 0, "dma cannot send with the null sender", "set incoming.forward_sender");
  }
  if (via === "command" && preset === "") {
    throw wrong("transport", "", 0, "transport.preset is not set", "name the program that sends your mail");
  }
  if (via === "maildir" && settings.outbox.when !== "never") {
    throw wrong("outbox", "when", 0, 'outbox.when cannot be used with transport.via = "maildir"');
  }
  if (via === "maildir" && maildir === "") throw wrong("transport", "", 0, "transport.maildir is not set");
  if (via !== "command" && command.length > 0) {
    throw wrong("transport", "command", 0, `transport.command cannot be used with via = "${via}"`);
  }
  checkAccounts(settings, wrong);
  checkDoorbells(settings, (name, nth, what, fix) => wrong("doorbell", name, nth, what, fix));
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf("@") + 1).toLowerCase();

/** Checks the settings of Redis, and that there is a socket by which shim and hook reach it. */
function sharedState(settings: Settings, wrong: (name: string, what: string, fix?: string) => Fail): void {
  const { redis, redis_password_file, redis_ca } = settings.state;
  if (redis !== "" && lookupSocket(settings) === "") {
    throw wrong("redis", "state.redis requires serve.socket_folder or state.lookup", "set serve.socket_folder");
  }
  if (redis === "" && redis_password_file !== "") {
    throw wrong("redis_password_file", "state.redis_password_file requires state.redis");
  }
  if (redis_ca !== "" && !redis.startsWith("rediss:")) {
    throw wrong("redis_ca", "state.redis_ca requires a state.redis that begins with rediss://");
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

/** Returns the values after checking that each setting of the table has one. */
function complete<V>(table: { readonly [N in keyof V]: unknown }, out: Partial<V>): V {
  const isComplete = (some: Partial<V>): some is V => Object.keys(table).every((name) => name in some);
  if (isComplete(out)) return out;
  throw new Error("A setting was not read");
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns the normalized absolute path, so that two paths of the same file are equal. */
export function absolutePath(path: string, place: ConfigSource): string {
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

/** Returns the line of `name` in the nth table `prefix`, or the line of the table, or 1. */
export function lineOf(text: string, prefix: string, name: string, nth: number): number {
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
