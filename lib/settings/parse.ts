/** The settings file: TOML in, checked settings out; everything wrong is named with its line. */
import { parse, TomlDate, TomlError } from "smol-toml";
import { Fail, quote, reason } from "../fail.ts";
import type { PlainLists } from "./lists.ts";
import { convert, type Scheme, type Setting, SETTINGS } from "./schema.ts";

/** Settings of one identity. */
export interface IdentitySettings {
  readonly address: string;
  readonly also: readonly string[];
  readonly srs_domain: string;
  readonly keys: string;
  readonly group: boolean;
}

/** One rule for the envelope sender. */
export interface Rule {
  readonly to: readonly string[];
  readonly sender: Scheme | "";
  readonly confirm: boolean;
}

/** All settings; what each means stands in settings.ts. Paths are absolute. */
export interface Settings {
  readonly since: string;
  readonly sender: Scheme;
  readonly mixed: "plain" | "srs";
  readonly plain_lists: string;
  /** What is in that file; there when the settings were loaded from theirs. */
  readonly plainLists?: PlainLists;
  readonly domain: string;
  readonly state: string;
  readonly log_addresses: boolean;
  readonly identity: readonly IdentitySettings[];
  readonly rule: readonly Rule[];
  readonly srs: {
    readonly hash_length: number;
    readonly alphabet: "base64" | "base64url";
    readonly separator: "=" | "+" | "-";
    readonly max_age: number;
    readonly skew: number;
    readonly postmaster: string;
    readonly others: "forged" | "pass";
  };
  readonly prvs: { readonly receive: boolean; readonly delimiter: string; readonly lifetime: number };
  readonly transport: {
    readonly via: "command" | "smtp" | "maildir";
    readonly preset: string;
    readonly command: readonly string[];
    readonly maildir: string;
    readonly timeout: number;
    readonly spool: boolean;
    readonly host: string;
    readonly port: number;
    readonly security: "tls" | "starttls" | "none";
    readonly ca: string;
    readonly user: string;
    readonly password_file: string;
    readonly helo: string;
    readonly real: readonly string[];
  };
  readonly tag: { readonly sign: boolean; readonly pymsgauth: string };
  readonly challenge: {
    readonly answer: boolean;
    readonly lists: readonly string[];
    readonly requests: boolean;
    readonly answered: string;
  };
  readonly incoming: {
    readonly forged: "spam" | "refuse" | "mark";
    readonly unsolicited: "mark" | "deliver" | "spam";
    readonly spam: string;
    readonly spam_command: readonly string[];
    readonly inbox: string;
    readonly forward: boolean;
    readonly forward_sender: string;
    readonly grace: number;
  };
}

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

/** Tables that are repeated. */
const REPEATED = ["identity", "rule"];

/**
 * Reads and checks the settings.
 *
 * @param text the file
 * @throws {Fail} `config`: file, line, name, and what is wrong
 */
export function parseConfig(text: string, place: ConfigSource): Settings {
  const wrong = (line: number, what: string) => new Fail("config", `${place.file} line ${line}: ${what}`);
  let given: Record<string, unknown>;
  try {
    given = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw wrong(error.line, reason(error).replace(/^Invalid TOML document: /, "").replace(/ *\d+ *: .*$/, ""));
  }

  const table = (prefix: string, values: Record<string, unknown>, nth: number): Record<string, unknown> => {
    const line = (name: string) => lineOf(text, prefix, name, nth);
    const own = TABLES.get(prefix)!;
    for (const name of Object.keys(values)) {
      const isTable = prefix === "" && name !== "" && TABLES.has(name);
      if (!own.has(name) && !isTable) {
        throw wrong(line(name), `unknown setting ${prefix === "" ? name : `${prefix}.${name}`}`);
      }
    }
    const out: Record<string, unknown> = {};
    for (const [name, setting] of own) {
      const present = Object.hasOwn(values, name);
      if (!present && setting.fallback === undefined) throw wrong(line(""), `${setting.name} is not set`);
      try {
        const raw = values[name];
        const value = raw instanceof TomlDate && setting.type === "date" ? raw.toISOString() : raw;
        out[name] = present ? convert(setting, value) : setting.fallback;
      } catch (error) {
        throw wrong(line(name), `${setting.name}: ${reason(error)}`);
      }
      if (setting.type === "path") out[name] = absolutePath(out[name] as string, place);
    }
    return out;
  };

  const settings = table("", given, 0);
  for (const prefix of TABLES.keys()) {
    if (prefix === "") continue;
    const part = given[prefix];
    if (!REPEATED.includes(prefix)) {
      if (part !== undefined && !isRecord(part)) throw wrong(lineOf(text, "", prefix, 0), `${prefix} is not a table`);
      settings[prefix] = table(prefix, (part ?? {}) as Record<string, unknown>, 0);
      continue;
    }
    if (part !== undefined && !(Array.isArray(part) && part.every(isRecord))) {
      throw wrong(lineOf(text, "", prefix, 0), `write [[${prefix}]], one for each`);
    }
    settings[prefix] = ((part ?? []) as Record<string, unknown>[]).map((one, nth) => table(prefix, one, nth));
  }
  const checked = settings as unknown as Settings;
  together(checked, (prefix, name, nth, what) => wrong(lineOf(text, prefix, name, nth), what));
  return checked;
}

/** What only shows when settings are seen together. */
function together(
  settings: Settings,
  wrong: (prefix: string, name: string, nth: number, what: string) => Fail,
): void {
  if (settings.identity.length === 0) {
    throw wrong("", "", 0, "no [[identity]]: say which addresses are yours");
  }
  const addresses = new Set<string>();
  const files = new Map<string, string>();
  for (const [nth, one] of settings.identity.entries()) {
    const address = one.address.toLowerCase();
    if (addresses.has(address)) {
      throw wrong("identity", "address", nth, `identity.address ${quote(one.address)} is there twice`);
    }
    // A shared key file would tie two addresses together for everybody who sees the key id.
    const other = files.get(one.keys);
    if (other !== undefined) {
      const what = `identity.keys of ${one.address} is the file of ${other}: each identity has its own`;
      throw wrong("identity", "keys", nth, what);
    }
    addresses.add(address);
    files.set(one.keys, one.address);
  }
  for (const [nth, one] of settings.identity.entries()) {
    if (one.srs_domain !== "" && one.srs_domain.toLowerCase() === one.address.split("@").at(-1)!.toLowerCase()) {
      throw wrong("identity", "srs_domain", nth, "identity.srs_domain is the address's own domain: SRS needs another");
    }
  }
  const srsDomains = new Set(settings.identity.map((one) => one.srs_domain.toLowerCase()));
  for (const [nth, one] of settings.identity.entries()) {
    // Whatever is in an SRS domain and is not signed is forged: an ordinary address there would get no mail.
    if (srsDomains.has(one.address.slice(one.address.lastIndexOf("@") + 1).toLowerCase())) {
      throw wrong("identity", "address", nth, "identity.address is in the srs_domain of an identity");
    }
  }
  const { forward, forward_sender } = settings.incoming;
  if (forward && forward_sender === "" && settings.transport.preset === "dma") {
    throw wrong(
      "incoming",
      "forward",
      0,
      "incoming.forward needs forward_sender: dma cannot send with the null sender",
    );
  }
  const { via, preset, command, maildir } = settings.transport;
  if (via === "command" && preset === "") {
    throw wrong("transport", "", 0, "transport.preset is not set: say which program takes your mail");
  }
  if (via === "maildir" && maildir === "") throw wrong("transport", "", 0, "transport.maildir is not set");
  if (via !== "command" && command.length > 0) {
    throw wrong("transport", "command", 0, `transport.command has no meaning with via = "${via}"`);
  }
  if (via === "smtp") smarthost(settings.transport, (name, what) => wrong("transport", name, 0, what));
}

/** What a submission server needs: nothing secret without TLS, nothing without TLS over a wire. */
function smarthost(transport: Settings["transport"], wrong: (name: string, what: string) => Fail): void {
  const { host, security, user, password_file } = transport;
  if (host === "") throw wrong("", "transport.host is not set: say which server takes your mail");
  if (security === "none" && !/^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(host)) {
    throw wrong("security", 'transport.security = "none" is for a server on this machine, as 127.0.0.1');
  }
  if (security === "none" && user !== "") {
    throw wrong("user", 'transport.user needs TLS: with security = "none" no password is sent');
  }
  if (user !== "" && password_file === "") throw wrong("user", "transport.user needs transport.password_file");
  if (user === "" && password_file !== "") throw wrong("password_file", "transport.password_file needs transport.user");
}

/** The table that a setting stands in; empty at the top. */
export const tableOf = (setting: Setting): string => setting.name.includes(".") ? setting.name.split(".")[0]! : "";
const lastName = (setting: Setting): string => setting.name.split(".").at(-1)!;
/** The settings of each table, by their names in it. */
const TABLES: ReadonlyMap<string, ReadonlyMap<string, Setting>> = new Map(
  [...Map.groupBy(SETTINGS, tableOf)].map(([table, all]) => [table, new Map(all.map((one) => [lastName(one), one]))]),
);
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
