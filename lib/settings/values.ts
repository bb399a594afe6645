/** The types of settings: how a value in the file is checked and converted. */
import { Fail, quote } from "../fail.ts";
import { parseAddress } from "../address.ts";
import { parseDay } from "../date.ts";
import { mailboxOf, pathOf, withPath } from "./mailbox.ts";
import { parseRedis } from "./redis.ts";
import { parseAuth, parseEndpoint } from "./submission.ts";

/** The type of a value in the file; an array lists the possible words. */
export type Type = "text" | "number" | "flag" | "date" | "path" | "words" | "list" | "program" | readonly string[];

/** One setting. */
export interface Setting<V> {
  readonly type: Type;
  /**
   * Checks and returns the value.
   *
   * @param given the value in the file, or the default
   * @param absolute makes a path absolute
   * @throws {Fail} `config`, without the name of the setting
   */
  readonly read: (given: unknown, absolute: (path: string) => string) => V;
  /** The default, as written in the file; absent when the setting is required. */
  readonly fallback?: V;
  /** One or two sentences for the user. */
  readonly help: string;
}

/** Describes a type in words. */
export function describe(type: Type): string {
  if (typeof type !== "string") return `one of ${type.map((word) => `"${word}"`).join(", ")}`;
  return {
    text: "a string",
    number: "a number",
    flag: "true or false",
    date: "a date such as 2026-11-20",
    path: "a path",
    words: "a list of strings",
    list: "a list of strings that is not empty",
    program: "a list of strings: a program and its arguments",
  }[type];
}

export function text(fallback: string | undefined, help: string, check?: (value: string) => void): Setting<string> {
  const read = (given: unknown) => {
    if (!isText(given)) return wrong("text", given);
    check?.(given);
    return given;
  };
  return fallback === undefined ? { type: "text", read, help } : { type: "text", read, fallback, help };
}

export function path(fallback: string, help: string, check?: (value: string) => void): Setting<string> {
  return {
    type: "path",
    fallback,
    help,
    read: (given, absolute) => {
      if (!isText(given)) return wrong("path", given);
      check?.(given);
      return given === "" ? "" : absolute(given);
    },
  };
}

/** A mailbox, as lib/settings/mailbox.ts describes it. */
export function mailbox(fallback: string, help: string, check?: (value: string) => void): Setting<string> {
  const plain = path(fallback, help, check);
  return {
    ...plain,
    read: (given, absolute) => {
      if (!isText(given) || given === "") return plain.read(given, absolute);
      notEmpty(pathOf(mailboxOf(given)));
      return withPath(given, (one) => plain.read(one, absolute));
    },
  };
}

/** A date, or an empty string. */
export function date(help: string): Setting<string> {
  return {
    type: "date",
    fallback: "",
    help,
    read: (given) => isText(given) && (given === "" || parseDay(given) !== undefined) ? given : wrong("date", given),
  };
}

export function number(low: number, high: number, fallback: number, help: string): Setting<number> {
  return {
    type: "number",
    fallback,
    help,
    read: (given) => {
      if (typeof given !== "number") return wrong("number", given);
      if (Number.isInteger(given) && given >= low && given <= high) return given;
      throw new Fail("config", `${given} is not a whole number from ${low} to ${high}`);
    },
  };
}

export function flag(fallback: boolean, help: string): Setting<boolean> {
  return {
    type: "flag",
    fallback,
    help,
    read: (given) => typeof given === "boolean" ? given : wrong("flag", given),
  };
}

export function oneOf<const W extends string>(choices: readonly W[], fallback: NoInfer<W>, help: string): Setting<W> {
  return {
    type: choices,
    fallback,
    help,
    read: (given) => choices.find((word) => word === given) ?? wrong(choices, given),
  };
}

export function words(
  fallback: readonly string[],
  help: string,
  check: (value: readonly string[]) => void,
): Setting<readonly string[]> {
  return {
    type: "words",
    fallback,
    help,
    read: (given) => {
      if (!isTexts(given)) return wrong("words", given);
      check(given);
      return given;
    },
  };
}

/** The absolute path of a program and its first arguments, or an empty list. */
export function program(help: string): Setting<readonly string[]> {
  return {
    type: "program",
    fallback: [],
    help,
    read: (given) => {
      if (!isTexts(given)) return wrong("program", given);
      const [path] = given;
      if (path !== undefined && !path.startsWith("/")) {
        throw new Fail("config", `Program ${quote(path)} is not an absolute path`);
      }
      if (given.some((word) => word.includes("\0"))) throw new Fail("config", "An argument contains NUL");
      return given;
    },
  };
}

/** A required list with at least one word. */
export function list(help: string, check: (value: readonly string[]) => void): Setting<readonly string[]> {
  return {
    type: "list",
    help,
    read: (given) => {
      if (!isTexts(given) || given.length === 0) return wrong("list", given);
      check(given);
      return given;
    },
  };
}

const isText = (given: unknown): given is string => typeof given === "string" && !/[\0\r\n]/.test(given);
const isTexts = (given: unknown): given is readonly string[] =>
  Array.isArray(given) && given.every((word) => typeof word === "string");

function wrong(type: Type, given: unknown): never {
  const written = typeof given === "string" ? given : JSON.stringify(given) ?? String(given);
  throw new Fail("config", `${quote(written)} is not ${describe(type)}`);
}

export function logins(list: readonly string[]): void {
  for (const login of list) {
    if (!/^\P{Cc}+$/u.test(login)) throw new Fail("config", `${quote(login)} is not a login`);
  }
}

/** Checks how passwords are checked. */
export function authBackend(value: string): void {
  if (value !== "" && parseAuth(value) === undefined) {
    throw new Fail("config", `${quote(value)} is not file:/PATH, dovecot:/SOCKET or checkpassword:/PROGRAM`);
  }
}

/** Checks addresses to listen on. */
export function endpoints(all: readonly string[]): void {
  const wrong = all.find((one) => parseEndpoint(one) === undefined);
  if (wrong !== undefined) throw new Fail("config", `${quote(wrong)} is not an IP address and a port`);
}

/** Checks the file name with a place for the login. */
export function userSettings(value: string): void {
  if (value !== "" && !value.includes("{login}")) throw new Fail("config", `${quote(value)} does not contain {login}`);
}

/** It becomes a line of an SMTP reply. */
export function contact(value: string): void {
  if (!/^[ -~]{0,200}$/.test(value)) {
    throw new Fail("config", `${quote(value)} is not printable ASCII of at most 200 characters`);
  }
}

export function domain(value: string): void {
  if (value !== "") parseAddress(`x@${value}`);
}

/** Checks domains, in which `*` matches any characters. */
export function domains(all: readonly string[]): void {
  for (const pattern of all) {
    try {
      parseAddress(`x@${pattern.replaceAll("*", "x")}`);
    } catch {
      throw new Fail("config", `${quote(pattern)} is not a domain, or a pattern such as "*.example.org"`);
    }
  }
}

export function addressOrNothing(value: string): void {
  if (value !== "") parseAddress(value);
}

/** Checks a host name or IP address; the port is a separate setting. */
export function host(value: string): void {
  if (!/^[\w.-]*$/.test(value) && !URL.canParse(`http://[${value}]/`)) {
    throw new Fail("config", `${quote(value)} is not a host name`);
  }
}

/** Checks the host of an account, which is required. */
export function serverName(value: string): void {
  if (value === "") throw new Fail("config", "The host is empty");
  host(value);
}

/** Checks the name of an account, which is an argument of commands and a word in the log. */
export function accountName(value: string): void {
  if (!/^[\w@+][\w.@+-]{0,63}$/.test(value)) {
    throw new Fail("config", `${quote(value)} is not a name of letters, digits and . _ @ + -`);
  }
}

/** Checks a name or an address literal (RFC 5321 section 4.1.4). */
export function helo(value: string): void {
  if (!/^(?:[\w.-]+|\[[\w.:]+\])$/.test(value)) throw new Fail("config", `${quote(value)} is not a host name`);
}

export function patterns(all: readonly string[]): void {
  for (const pattern of all) {
    // With a letter in place of each asterisk, a pattern must be an address.
    try {
      if (pattern !== "*") parseAddress(pattern.replaceAll("*", "x"));
    } catch {
      throw new Fail("config", `${quote(pattern)} is not an address pattern`);
    }
  }
}

export function redis(value: string): void {
  if (value !== "") parseRedis(value);
}

export function notEmpty(value: string): void {
  if (value === "") throw new Fail("config", "The path is empty");
}
