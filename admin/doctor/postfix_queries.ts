/**
 * Asks the Postfix of this machine instead of modelling it: postconf(1) expands its parameters and lists its services,
 * and postmap(1) queries its tables.
 */

/** Runs a program. @returns its exit status, output and the last line of standard error */
export type Run = (argv: readonly string[], input?: string) => Promise<{ code: number; out: string; said: string }>;

/** A table that cannot be queried, and what postmap(1) says. */
export interface TableTrouble {
  readonly parameter: string;
  readonly table: string;
  readonly said: string;
}

/** Types of tables that Postfix does not query with parts of an address, because they hold patterns. */
const PATTERNS = /\b(?:regexp|pcre|cidr|tcp):/;

/** How a message of the programs begins. */
export const MESSAGE = /^post(?:conf|map): (?:fatal|error|warning): /;

/** The parameters, services and tables. */
export class PostfixQueries {
  /** The tables that could not be queried. */
  readonly trouble: TableTrouble[] = [];
  readonly #asked = new Map<string, Promise<string | undefined>>();

  private constructor(
    readonly folder: string,
    readonly values: ReadonlyMap<string, string>,
    /** The services as `NAME TYPE`, with their whole entries. */
    readonly services: ReadonlyMap<string, string>,
    readonly run: Run,
  ) {}

  /** Asks postconf(1). @returns its error message if it cannot read the configuration */
  static async of(folder: string, run: Run): Promise<PostfixQueries | string> {
    const [all, master] = await Promise.all([
      run(["postconf", "-c", folder, "-x"]),
      run(["postconf", "-c", folder, "-M"]),
    ]);
    const failed = [all, master].find(({ code }) => code !== 0);
    if (failed !== undefined) return failed.said;
    const values = new Map(
      [...all.out.matchAll(/^(\S+) =(?: (.*))?$/gm)].map(([, name, value = ""]) => [name!, value.trim()]),
    );
    const entries = master.out.replace(/\n[ \t]+/g, " ").split("\n").filter((line) => line.trim() !== "");
    const services = new Map(entries.map((line) => [line.split(/\s+/).slice(0, 2).join(" "), line]));
    return new PostfixQueries(folder, values, services, run);
  }

  /** Returns the expanded value of a parameter; empty if it has none. */
  value(name: string): string {
    return this.values.get(name) ?? "";
  }

  /** Returns the words of a parameter. */
  words(name: string): string[] {
    return splitWords(this.value(name));
  }

  /**
   * Looks up keys in the tables of a parameter, as Postfix does: the first key that any table has counts.
   *
   * @param keys the whole key first, then parts of it, which tables of patterns are not asked about
   */
  async find(name: string, keys: readonly string[]): Promise<string | undefined> {
    const tables = this.words(name).filter((word) => word.includes(":"));
    for (const [nth, key] of keys.entries()) {
      for (const table of key === "" ? [] : tables) {
        if (nth > 0 && PATTERNS.test(table)) continue;
        const found = await this.ask(name, table, key);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Asks postmap(1) about one key, which is not an argument: others could read a signed address there. */
  ask(parameter: string, table: string, key: string): Promise<string | undefined> {
    // proxymap(8) is for chrooted programs. Postfix runs in its queue directory, where relative sockets begin.
    const direct = table.replace(/^proxy:/, "").replace(
      /\b(socketmap:unix:)(?!\/)/g,
      (start) => `${start}${this.value("queue_directory")}/`,
    );
    const asked = `${direct}\0${key}`;
    const known = this.#asked.get(asked) ?? this.#postmap(parameter, direct, key);
    this.#asked.set(asked, known);
    return known;
  }

  async #postmap(parameter: string, table: string, key: string): Promise<string | undefined> {
    const { out, said } = await this.run(["postmap", "-c", this.folder, "-q", "-", table], `${key}\n`);
    // A warning about main.cf does not concern the table.
    const failed = said !== "" && !/^postmap: warning: \S+\/main\.cf, line /.test(said);
    if (failed && !this.trouble.some((one) => one.table === table)) {
      this.trouble.push({ parameter, table, said: said.replace(MESSAGE, "") });
    }
    const line = out.split("\n").find((one) => one.startsWith(`${key}\t`));
    return line?.slice(key.length + 1);
  }

  /** Returns whether a list of domains contains this one, by postconf(5); undefined if a table cannot be queried. */
  async lists(name: string, domain: string): Promise<boolean | undefined> {
    const parents = this.words("parent_domain_matches_subdomains").includes(name);
    // relay_domains is the only list of these that can match subdomains.
    const labels = name === "relay_domains" ? domain.split(".") : [domain];
    const names = labels.map((_, nth) => `${nth > 0 && !parents ? "." : ""}${labels.slice(nth).join(".")}`);
    const before = this.trouble.length;
    for (const word of this.words(name)) {
      const not = word.startsWith("!");
      const pattern = not ? word.slice(1) : word;
      if (pattern.startsWith("/")) return undefined; // a file of patterns
      const found = pattern.includes(":")
        ? await this.#has(name, pattern, names)
        : names.includes(pattern.toLowerCase());
      if (found) return !not;
    }
    return this.trouble.length > before ? undefined : false;
  }

  async #has(name: string, table: string, keys: readonly string[]): Promise<boolean> {
    for (const key of keys) if (await this.ask(name, table, key) !== undefined) return true;
    return false;
  }
}

/** Splits a value at commas and white space, but not within braces. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  let [word, depth] = ["", 0];
  for (const char of text) {
    if (depth === 0 && /[\s,]/.test(char)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    depth += char === "{" ? 1 : char === "}" ? -1 : 0;
    word += char;
  }
  return word === "" ? words : [...words, word];
}
