/** Reads the settings of postsrsd: /etc/default/postsrsd of version 1, and postsrsd.conf of version 2. */
import { Fail, quote } from "../lib/fail.ts";

/** The settings that Countersign takes over. */
export interface PostsrsdSettings {
  readonly domain: string;
  /** Patterns of domains that are not rewritten. */
  readonly exclude: readonly string[];
  readonly hashLength: number;
  readonly separator: string;
  /** The file with the secrets. */
  readonly secrets: string;
  /** What is different in Countersign. */
  readonly notes: readonly string[];
}

/** Where both versions have their secrets by default. */
const SECRETS = "/etc/postsrsd.secret";

/**
 * Parses the settings of either version.
 *
 * @param readDomains returns the text of the file of domains that version 2 may name
 * @throws {Fail} `data` if they are neither, or name no domain
 */
export function parsePostsrsd(text: string, readDomains: (path: string) => string): PostsrsdSettings {
  if (/^[ \t]*#?[ \t]*SRS_\w+=/m.test(text)) return parseVersion1(text);
  const values = parseVersion2(text);
  if (values === undefined) throw new Fail("data", "File does not contain settings of postsrsd");
  const [secrets = SECRETS] = values.get("secrets-file") ?? [];
  const [file] = values.get("domains-file") ?? [];
  const more = file === undefined ? [] : readDomains(file).split("\n").map((line) => line.replace(/#.*/, "").trim());
  const exclude = [...values.get("domains") ?? [], ...more].filter((domain) => domain !== "");
  const [domain = exclude.find((one) => !one.startsWith("."))] = values.get("srs-domain") ?? [];
  if (domain === undefined) throw noDomain("set srs-domain");
  const notes: string[] = [];
  if (values.get("original-envelope")?.[0] === "database") {
    notes.push(
      "Addresses in the database of postsrsd can only be reversed by postsrsd: list its map after srs-back for 21 days",
    );
  }
  if (["on", "yes", "true"].includes(values.get("always-rewrite")?.[0] ?? "")) notes.push(ALWAYS);
  return {
    ...common(values.get("hash-length")?.[0], values.get("separator")?.[0]),
    domain,
    exclude: patterns(exclude),
    secrets,
    notes,
  };
}

const ALWAYS = "always-rewrite has no counterpart: an address in the forwarding domain is not rewritten again";

const noDomain = (fix: string) => new Fail("data", "The settings of postsrsd do not set a domain", { fix });

function common(length: string | undefined, separator: string | undefined): { hashLength: number; separator: string } {
  return { hashLength: Number(length ?? 4), separator: separator ?? "=" };
}

/** `.example.org` means all subdomains. */
const patterns = (domains: readonly string[]): string[] => domains.map((one) => one.startsWith(".") ? `*${one}` : one);

/** Parses assignments of the shell, as Debian's package writes them. */
function parseVersion1(text: string): PostsrsdSettings {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^[ \t]*(?:export[ \t]+)?(\w+)=(.*?)[ \t\r]*$/.exec(line) ?? [];
    if (name === undefined) continue;
    const bare = /^(["'])(.*)\1(?:[ \t]+#.*)?$/.exec(value!)?.[2] ?? value!.replace(/[ \t]+#.*$/, "");
    if (/[$`]/.test(bare)) {
      throw new Fail("data", `Setting ${name} of postsrsd is computed: ${quote(bare)}`, { fix: "write its value" });
    }
    values.set(name, bare);
  }
  const domain = values.get("SRS_DOMAIN") ?? "";
  if (domain === "") throw noDomain("add SRS_DOMAIN= with the output of postconf -h mydomain");
  const exclude = (values.get("SRS_EXCLUDE_DOMAINS") ?? "").split(/[\s,;]+/).filter((one) => one !== "");
  return {
    ...common(values.get("SRS_HASHLENGTH"), values.get("SRS_SEPARATOR")),
    domain,
    exclude: patterns(exclude),
    secrets: values.get("SRS_SECRET") ?? SECRETS,
    notes: /(?:^|\s)-A\b/.test(values.get("SRS_EXTRA_OPTIONS") ?? "") ? [ALWAYS] : [],
  };
}

/** Parses `name = value` and `name = { value, value }`. @returns undefined for anything else */
function parseVersion2(text: string): Map<string, string[]> | undefined {
  const values = new Map<string, string[]>();
  const token = /\s+|#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/|"((?:[^"\\]|\\.)*)"|'([^']*)'|([{},]|\+?=)|([^\s"'#{},=+]+)/y;
  const words: string[] = [];
  while (token.lastIndex < text.length) {
    const found = token.exec(text);
    if (found === null) return undefined;
    const [, double, single, sign, word] = found;
    const value = double?.replace(/\\(.)/g, "$1") ?? single ?? word;
    if (sign !== undefined) words.push(sign);
    else if (value !== undefined) words.push(`'${value}`);
  }
  const taken = () => words.shift() ?? "";
  while (words.length > 0) {
    const [name, equals] = [taken(), taken()];
    if (!/^'[a-z-]+$/.test(name) || !/^\+?=$/.test(equals)) return undefined;
    const list: string[] = equals === "+=" ? values.get(name.slice(1)) ?? [] : [];
    let next = taken();
    if (next === "{") {
      while ((next = taken()) !== "}") {
        if (next === "") return undefined;
        if (next !== ",") list.push(next.slice(1));
      }
    } else if (next.startsWith("'")) list.push(next.slice(1));
    else return undefined;
    values.set(name.slice(1), list);
  }
  return values.size === 0 ? undefined : values;
}

/** Returns the table of these settings for config.toml. */
export function forwardingTable({ domain, exclude, hashLength, separator }: PostsrsdSettings): string {
  const lines = ["[forwarding]", `domain = ${JSON.stringify(domain)}`];
  if (exclude.length > 0) lines.push(`exclude = [${exclude.map((one) => JSON.stringify(one)).join(", ")}]`);
  lines.push(`hash_length = ${hashLength}`);
  if (separator !== "=") lines.push("", "[srs]", `separator = ${JSON.stringify(separator)}`);
  return lines.join("\n");
}
