/**
 * The protocol of the socket `lookup`, version 1, as contrib/lookup/README.md describes it: a line of JSON,
 * followed by as many bytes as its length states.
 */
import { Fail, quote } from "../../lib/fail.ts";
import { LOOKUP_VERSION } from "../../io/state/shared/ask.ts";
import { type EntryNames, MAX_HASHES, MAX_NAMES, MAX_TEXT_BYTES } from "../../io/state/shared/store.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";

/** Maximum length of the line of a request: 400 names. */
export const MAX_LINE_BYTES = 16 * 1024;

/** A well-formed request. */
export type LookupRequest =
  | { readonly request: "judge"; readonly sender: string | null; readonly recipient: string; readonly whole: boolean }
  | { readonly request: "sent"; readonly names: readonly string[] }
  | { readonly request: "remember"; readonly name: string; readonly day: number; readonly signed: boolean }
  | { readonly request: "entries"; readonly messages: readonly string[] }
  | { readonly request: "entries"; readonly lists: readonly string[] }
  | { readonly request: "issue"; readonly names: EntryNames; readonly expires: number }
  | { readonly request: "claim"; readonly name: string }
  | { readonly request: "settle"; readonly claim: string; readonly state: "spent" | "issued" }
  | { readonly request: "forget"; readonly time: number }
  | { readonly request: "forgotten" }
  | { readonly request: "status" };

/** A request, and how many bytes follow its line; undefined when it states no length. */
export interface RequestLine {
  readonly request: LookupRequest;
  readonly length: number | undefined;
}

/** Parses the line of a request. @throws {Fail} `data` */
export function parseRequest(line: string): RequestLine {
  const values = new Values(line);
  const request = readRequest(values);
  const most = { judge: PREFIX_BYTES, issue: MAX_TEXT_BYTES }[request.request as string] ?? 0;
  const length = values.has("length") ? values.number("length", most) : undefined;
  if (request.request === "issue" && length === undefined) throw wrong("length is missing");
  return { request, length };
}

function readRequest(values: Values): LookupRequest {
  const request = values.text("request", 20);
  switch (request) {
    case "judge": {
      const sender = values.text("sender", MAX_ADDRESS_LENGTH);
      const recipient = values.text("recipient", MAX_ADDRESS_LENGTH);
      return { request, sender: sender === "" ? null : sender, recipient, whole: values.flag("whole", true) };
    }
    case "sent":
      return { request, names: values.names("names", HASH, MAX_HASHES) };
    case "remember":
      return {
        request,
        name: values.name("name", HASH),
        day: values.number("day", MAX_DAY),
        signed: values.flag("signed"),
      };
    case "entries":
      return values.has("lists")
        ? { request, lists: values.names("lists", HASH, MAX_NAMES) }
        : { request, messages: values.names("messages", HASH, MAX_NAMES) };
    case "issue": {
      const [first, ...others] = values.names("names", NAME, MAX_NAMES);
      if (first === undefined) throw wrong("names is empty");
      return { request, names: [first, ...others], expires: values.number("expires", MAX_DAY) };
    }
    case "claim":
      return { request, name: values.name("name", NAME) };
    case "settle": {
      const state = values.text("state", 10);
      if (state !== "spent" && state !== "issued") throw wrong('state is neither "spent" nor "issued"');
      return { request, claim: values.name("claim", CLAIM), state };
    }
    case "forget":
      return { request, time: values.number("time", Number.MAX_SAFE_INTEGER) };
    case "forgotten":
    case "status":
      return { request };
    default:
      throw wrong(`unknown request ${quote(request)}`);
  }
}

/** Longer than any address that SMTP can carry (RFC 5321 section 4.5.3.1), also where an MTA allows more. */
const MAX_ADDRESS_LENGTH = 2048;
/** The year 5000, in days. Days in the future are rejected when the request is answered. */
const MAX_DAY = 1_106_000;
const HASH = /^[0-9a-f]{32}$/;
const NAME = /^[0-9a-f]{32}-[0-9a-f]{32}$/;
/** A claim of any store; the check of the store itself is stricter. */
const CLAIM = /^[0-9a-z/.-]{1,300}$/;

const wrong = (what: string): Fail => new Fail("data", `Request is malformed: ${what}`);

/** The members of a request. Reading one that is missing or has another type throws. */
class Values {
  readonly #all: Readonly<Record<string, unknown>>;

  constructor(line: string) {
    let all: unknown;
    try {
      all = JSON.parse(line);
    } catch {
      throw wrong("it is not JSON");
    }
    if (typeof all !== "object" || all === null || Array.isArray(all)) throw wrong("it is not an object");
    this.#all = all as Record<string, unknown>;
    if (this.#all.version !== LOOKUP_VERSION) {
      throw wrong(`its version is not ${LOOKUP_VERSION}`);
    }
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#all, name);
  }

  text(name: string, most: number): string {
    const value = this.#value(name);
    if (typeof value !== "string") throw wrong(`${name} is not a string`);
    if (value.length > most) throw wrong(`${name} is too long`);
    return value;
  }

  flag(name: string, fallback?: boolean): boolean {
    const value = fallback !== undefined && !this.has(name) ? fallback : this.#value(name);
    if (typeof value !== "boolean") throw wrong(`${name} is neither true nor false`);
    return value;
  }

  number(name: string, most: number): number {
    const value = this.#value(name);
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
      throw wrong(`${name} is not a whole number`);
    }
    if (value > most) throw wrong(`${name} is greater than ${most}`);
    return value;
  }

  name(name: string, form: RegExp): string {
    const value = this.#value(name);
    if (typeof value !== "string" || !form.test(value)) throw wrong(`${name} has the wrong form`);
    return value;
  }

  names(name: string, form: RegExp, most: number): string[] {
    const value = this.#value(name);
    if (!Array.isArray(value)) throw wrong(`${name} is not a list`);
    if (value.length > most) throw wrong(`${name} has more than ${most} members`);
    if (!value.every((one) => typeof one === "string" && form.test(one))) throw wrong(`${name} has the wrong form`);
    return value;
  }

  #value(name: string): unknown {
    if (!this.has(name)) throw wrong(`${name} is missing`);
    return this.#all[name];
  }
}
