/** Parses mail addresses (RFC 5321 section 4.1.2) and the address lists of header fields (RFC 5322 section 3.4). */
import { Fail, quote } from "./fail.ts";

/** A mail address. */
export interface Address {
  /** The part before the last `@`, as written (quotes kept). */
  readonly local: string;
  /** The part after it, as written. Empty only for a local user without a domain, if the caller allows it. */
  readonly domain: string;
}

/** An entry of an address list: a display name, and the address or null for `<>`. */
export interface Mailbox {
  readonly name: string;
  readonly address: Address | null;
}

/** Formats an address as `local@domain`, or as the local part alone when there is no domain. */
export function formatAddress(address: Address): string {
  return address.domain === "" ? address.local : `${address.local}@${address.domain}`;
}

/** Formats an address in lower case, the form in which identities are compared and signed. */
export function canonical(address: Address): string {
  return formatAddress(address).toLowerCase();
}

/** Returns whether both name the same mailbox, ignoring case. */
export function sameAddress(a: Address, b: Address): boolean {
  return canonical(a) === canonical(b);
}

/**
 * Parses one bare address, `local@domain` (RFC 5321 section 4.1.2). Quoted local
 * parts, address literals and UTF-8 are accepted; display names, comments and
 * white space are not.
 *
 * @param text the address
 * @returns its two parts, as written
 * @throws {Fail} `no-at` when there is no `@` followed by text, `address-invalid` when a part is not well formed
 *
 * @example Split an address
 * ```ts
 * import { parseAddress } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseAddress("greg@example.org"), { local: "greg", domain: "example.org" });
 * assert.throws(() => parseAddress("greg"), { kind: "no-at" });
 * ```
 */
export function parseAddress(text: string): Address {
  const at = text.lastIndexOf("@");
  if (at < 0 || at === text.length - 1) {
    throw new Fail("no-at", `Address ${quote(text)} has no @ followed by a domain`);
  }
  const scan = new Scan(text);
  const address = scan.address();
  if (address === undefined || !scan.done || address.domain === "" || garbled(address)) throw invalid(text);
  return address;
}

/**
 * Parses the address list of a header field or an argument, with commas, groups,
 * `Name <a@b>`, comments and `<>`.
 *
 * @param text the list, unfolded
 * @param options `bare`: accept a word without `@` as a local user (an argument may be `root`)
 * @throws {Fail} `address-invalid` when any part of the list cannot be parsed
 */
export function parseAddressList(text: string, options: { bare?: boolean } = {}): Mailbox[] {
  const scan = new Scan(text);
  const out: Mailbox[] = [];
  let group = false;
  for (;;) {
    scan.skip();
    if (scan.done) break;
    if (scan.take(",")) continue;
    if (group && scan.take(";")) {
      group = false;
      continue;
    }
    const entry = scan.entry(options.bare ?? false);
    if (entry === undefined) throw invalid(text);
    if (entry === "group") {
      if (group) throw invalid(text);
      group = true;
      continue;
    }
    if (entry.address !== null && garbled(entry.address)) throw invalid(text);
    out.push(entry);
    scan.skip();
    if (!scan.done && scan.peek !== "," && !(group && scan.peek === ";")) throw invalid(text);
  }
  return out;
}

/** Formats a display name and an address for a header; the name is quoted if necessary. */
export function formatMailbox(name: string, address: Address): string {
  if (name === "") return formatAddress(address);
  const atoms = /^[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*$/.test(name);
  const phrase = atoms ? name : `"${name.replace(/["\\]/g, "\\$&")}"`;
  return `${phrase} <${formatAddress(address)}>`;
}

function invalid(text: string): Fail {
  return new Fail("address-invalid", `Address ${quote(text)} is not well formed`);
}

/** Returns whether the address contains U+FFFD, which replaces invalid UTF-8: it would be another mailbox. */
function garbled(address: Address): boolean {
  return formatAddress(address).includes("\ufffd");
}

// Everything but the specials of RFC 5322 section 3.2.3, white space and control characters. The dot is
// accepted anywhere, because addresses with two consecutive dots are in use.
// deno-lint-ignore no-control-regex
const ATOM = /[^\x00-\x20\x7f-\x9f()<>[\]:;@\\,"]+/y;
// deno-lint-ignore no-control-regex
const QUOTED = /"(?:[^"\\\x00-\x08\x0a-\x1f\x7f-\x9f]|\\[^\x00-\x08\x0a-\x1f\x7f-\x9f])*"/y;
const LITERAL = /\[[!-Z^-~]+\]/y;

class Scan {
  #at = 0;
  constructor(readonly text: string) {}

  get done(): boolean {
    return this.#at >= this.text.length;
  }
  get peek(): string {
    return this.text[this.#at] ?? "";
  }
  take(character: string): boolean {
    if (this.peek !== character) return false;
    this.#at++;
    return true;
  }
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** Skips white space and comments, which nest (RFC 5322 section 3.2.2). */
  skip(): void {
    let depth = 0;
    for (; !this.done; this.#at++) {
      const c = this.peek;
      if (depth > 0 && c === "\\") this.#at++;
      else if (c === "(") depth++;
      else if (depth > 0 && c === ")") depth--;
      else if (depth === 0 && c !== " " && c !== "\t" && c !== "\r" && c !== "\n") return;
    }
    if (depth > 0) throw invalid(this.text);
  }

  /** Reads adjacent atoms and quoted strings: a local part, or one word of a name. */
  word(): string {
    let out = "";
    for (let part; (part = this.match(ATOM) ?? this.match(QUOTED)) !== undefined;) out += part;
    return out;
  }

  /** Reads `local@domain`, or a local part without `@`. */
  address(): Address | undefined {
    const local = this.word();
    if (local === "") return undefined;
    if (!this.take("@")) return { local, domain: "" };
    const domain = this.match(LITERAL) ?? this.match(ATOM);
    return domain === undefined || domain.startsWith(".") ? undefined : { local, domain };
  }

  entry(bare: boolean): Mailbox | "group" | undefined {
    const words: string[] = [];
    for (;;) {
      this.skip();
      if (this.peek === "<") {
        const address = this.angle(bare);
        return address === undefined ? undefined : { name: plain(words), address };
      }
      if (words.length > 0 && this.take(":")) return "group";
      const start = this.#at;
      const address = this.address();
      if (address === undefined) break;
      if (address.domain !== "") return words.length === 0 ? { name: "", address } : undefined;
      words.push(this.text.slice(start, this.#at));
    }
    return bare && words.length === 1 ? { name: "", address: { local: words[0]!, domain: "" } } : undefined;
  }

  /** Reads `<a@b>`, `<>`, or `<@x,@y:a@b>`, whose obsolete source route is dropped (RFC 5321 appendix C). */
  angle(bare: boolean): Address | null | undefined {
    this.take("<");
    this.skip();
    if (this.take(">")) return null;
    while (this.take("@")) {
      if (this.match(ATOM) === undefined) return undefined;
      if (this.take(":")) break;
      if (!this.take(",") || this.peek !== "@") return undefined;
    }
    const address = this.address();
    this.skip();
    if (address === undefined || (address.domain === "" && !bare) || !this.take(">")) return undefined;
    return address;
  }
}

/** Joins the words of a display name without their quotes. */
function plain(words: string[]): string {
  return words.map((word) => word.replace(/^"(.*)"$/s, "$1").replace(/\\(.)/g, "$1")).join(" ");
}
