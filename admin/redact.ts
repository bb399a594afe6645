/**
 * Replaces addresses, host names and paths of the user in output that goes into an issue report. The same name is
 * always replaced by the same one, so that a reader still sees what belongs together, and which domain is below which.
 */
import { parseAddress } from "../lib/address.ts";
import { accountsIn } from "../lib/settings/accounts.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { SETTINGS } from "../lib/settings/schema.ts";
import { json } from "./terminal.ts";

/** Words with dots that are not host names: names of settings, and of files and units. */
const SETTING_NAMES = new Set(SETTINGS.map(({ name }) => name));
const NOT_TOP_LEVEL = new Set(
  ("conf config toml sandbox permissions ts json html txt old db cdb lmdb regexp pcre sock socket service timer wants " +
    "forward qmail mailfilter procmailrc muttrc keys pem key crt mbox eml smtpserver sendmailcmd template").split(" "),
);
/** Files whose names end like the domains of a country. */
const FILES = /^(?:main\.cf|master\.cf|sendmail\.cf|sendmail\.real|run\.sh|README\.md)$/;

/** Labels that say what a host is for and not whose it is. */
const PLAIN_LABELS = new Set(["srs", "mail", "mx", "smtp", "imap", "bounces", "lists", "www", "forward", "_dmarc"]);
/** Names below a home directory that are the same for everybody. */
const PLAIN_NAMES =
  /^(?:\.(?:config|local|forward|qmail|qmail-default|qmail-srs-default|mailfilter|procmailrc|muttrc|neomuttrc|mutt|neomutt|mailrc|gitconfig|Spam|Junk)|countersign|config(?:\.\w+)?|keys|state|share|lib|bin|log|ledger|sent|outbox|queue|spool|sweep|hooks|incoming|shim|contrib|Maildir|Mail|mail|new|cur|tmp|mutt|neomutt|muttrc|git|main\.ts)$/;
/** Logins that are the same on many machines, or words of the English language. */
const PLAIN_LOGINS =
  /^(?:root|mail|user|postmaster|admin|nobody|news|countersign|postfix|mailer-daemon|anybody|doctor)$/i;

/** A character of a host name, which may be written in any script. */
const LETTER = "[\\p{L}\\p{N}_-]";
const ADDRESS = new RegExp(
  `("[^"\\n]*"|[^\\s<>"'\`()[\\],;:@]+)@(\\[[^\\]\\s]*\\]|(?:${LETTER}|\\.)*[\\p{L}\\p{N}_])`,
  "gu",
);
/** A single slash before it makes a name with dots that of a file, two make it that of a server. */
const HOST = new RegExp(
  `(?<![\\p{L}\\p{N}_.~$-])(?<!(?<!/)/)(?:${LETTER}+\\.)+(?:\\p{L}{2,24}|xn--[a-z0-9-]+)(?!${LETTER})`,
  "giu",
);
const REPLACED = /^(?:[\w-]+\.)*host\d+\.example$/;
const IPV4 = /(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)/g;
const IPV6 = /(?<![\w:])(?=[0-9a-f]*:[0-9a-f]*:)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:]|\.\d)/gi;

/**
 * Returns a function that replaces names in a text.
 *
 * @param home the home directory
 * @param logins names of the user
 * @param domains those that are certainly to be replaced, also in file names and in regular expressions
 */
export function redactor(
  home: string,
  logins: readonly string[] = [],
  domains: readonly string[] = [],
): (text: string) => string {
  const names = new Map<string, string>();
  const numbered = (kind: string, name: string): string => {
    const key = `${kind} ${name.toLowerCase()}`;
    const known = names.get(key);
    if (known !== undefined) return known;
    const count = [...names.keys()].filter((one) => one.startsWith(`${kind} `)).length + 1;
    names.set(key, `${kind}${count}`);
    return `${kind}${count}`;
  };
  const user = (name: string) => PLAIN_LOGINS.test(name) ? name : numbered("user", name);
  const domain = (name: string): string => {
    const labels = name.toLowerCase().split(".");
    if (labels.length < 2 || labels.at(-1) === "invalid" || REPLACED.test(name) || name.startsWith("[")) return name;
    // co.uk and the like; a wrong guess only shows two domains as belonging together.
    const base = labels.length > 2 && labels.at(-1)!.length === 2 && labels.at(-2)!.length <= 3 ? 3 : 2;
    const above = labels.slice(0, -base).map((label) => PLAIN_LABELS.has(label) ? label : numbered("sub", label));
    return [...above, `${numbered("host", labels.slice(-base).join("."))}.example`].join(".");
  };
  const local = (text: string): string => {
    const [, scheme, , day, from, inner] = /^(SRS[01])([=+-])[^=]+=([^=]*)=(.*)=([^=]*)$/i.exec(text) ?? [];
    if (scheme !== undefined) return `${scheme}=HASH=${day}=${domain(from!)}=${user(inner!)}`;
    const [, prvs] = /^prvs=[^=]+=(.*)$/i.exec(text) ?? [];
    return prvs === undefined ? user(text) : `prvs=TAG=${user(prvs)}`;
  };
  const below = (path: string): string =>
    path.split("/").map((part) => part === "" || PLAIN_NAMES.test(part) ? part : numbered("name", part)).join("/");
  const words = logins.filter((name) => name.length > 2 && !PLAIN_LOGINS.test(name)).map(escaped);
  const own = words.length === 0 ? undefined : new RegExp(`(?<![\\w.-])(?:${words.join("|")})(?![\\w.-])`, "gi");
  const known = [...new Set(domains.map((one) => one.toLowerCase()))].filter((one) => one.includes("."))
    .sort((a, b) => b.length - a.length).map((one) => escaped(one).replaceAll("\\.", "\\\\{0,2}\\."));
  const certain = known.length === 0 ? undefined : new RegExp(
    `(?<![\\p{L}\\p{N}-])(?:${LETTER}+\\\\{0,2}\\.)*(?:${known.join("|")})(?!${LETTER}|\\.${LETTER})`,
    "giu",
  );
  const homes = [home, realHome(home)].filter((one) => one.length > 1).sort((a, b) => b.length - a.length);

  return (text) => {
    let out = text;
    for (const one of new Set(homes)) {
      out = out.replace(
        new RegExp(`${escaped(one)}(?![\\w.-])((?:/[^\\s"'\`,;:|)]+)?)`, "g"),
        (_, rest) => `~${below(rest)}`,
      );
    }
    out = out.replace(
      /\/home\/([\w.-]+)((?:\/[^\s"'`,;:|)]+)?)/g,
      (_, name, rest) => `/home/${user(name)}${below(rest)}`,
    );
    out = out.replace(/\bv1\.[\w-]+\.[\w-]+\.[\w.-]+/g, "v1.(tag)");
    out = out.replace(ADDRESS, (_, name, host) => `${local(name)}@${domain(host)}`);
    out = out.replace(
      IPV4,
      (one) => /^(?:127\.|0\.0\.0\.0$|192\.0\.2\.)/.test(one) ? one : `192.0.2.${numbered("ip", one).slice(2)}`,
    );
    out = out.replace(
      IPV6,
      (one) =>
        /^(?:\d\d:\d\d:\d\d|:*1?|2001:db8::\d+)$/i.test(one) ? one : `2001:db8::${numbered("ipv6-", one).slice(5)}`,
    );
    out = out.replace(HOST, (one) =>
      SETTING_NAMES.has(one) || FILES.test(one) ||
        NOT_TOP_LEVEL.has(one.slice(one.lastIndexOf(".") + 1).toLowerCase())
        ? one
        : domain(one));
    if (certain !== undefined) out = out.replace(certain, (one) => domain(one.replaceAll("\\", "")));
    return own === undefined ? out : out.replace(own, (one) => user(one));
  };
}

/** Returns the redactor for this user. @param settings undefined if they cannot be read */
export function redactorFor(home: string, settings: Settings | undefined): (text: string) => string {
  const accounts = settings === undefined ? [] : accountsIn(settings);
  const { identity = [], doorbell = [] } = settings ?? {};
  const addresses = [...identity, ...doorbell].map(({ address }) => parseAddress(address));
  const logins = [...identity.flatMap((one) => one.logins), ...accounts.map(({ user }) => user)];
  const names = [...logins, ...addresses.map(({ local }) => local), home.slice(home.lastIndexOf("/") + 1)];
  return redactor(home, names, [...addresses.map((one) => one.domain), ...identity.map((one) => one.srs_domain)]);
}

/** Returns the JSON of a command with all strings redacted. */
export function redactJson(text: string, redact: (text: string) => string): string {
  const { version: _, ...members } = JSON.parse(text);
  return json(mapStrings(members, redact) as object);
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((one) => mapStrings(one, change));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapStrings(one, change)]));
}

function realHome(home: string): string {
  try {
    return Deno.realPathSync(home);
  } catch {
    return home;
  }
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
