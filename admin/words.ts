/** Single words of a command line: dates, choices, addresses that must be ours. */
import { parseDay } from "../lib/date.ts";
import { Fail, quote } from "../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../lib/settings/identity.ts";
import type { Arguments } from "./arguments.ts";

/** The one operand, which `what` names. @throws {Fail} `usage` */
export function operand({ operands, rest = [] }: Arguments, what: string): string {
  const [one, over] = [...operands, ...rest];
  if (one === undefined) throw new Fail("usage", `${what} is missing`);
  if (over !== undefined) throw new Fail("usage", `Unknown argument ${quote(over)}`);
  return one;
}

/** The value of an option, one of these words. @throws {Fail} `usage` */
export function choice<Word extends string>(
  given: Arguments,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const value = given.value(name);
  const found = words.find((word) => word === value);
  if (value === undefined || found !== undefined) return found;
  throw new Fail("usage", `Option --${name} is ${quote(value)}, not one of: ${words.join(", ")}`);
}

/** The time that an option gives, `2026-11-20` or with a time behind it; else the clock's. @throws {Fail} `usage` */
export function time(given: Arguments, name: string): Date {
  const value = given.value(name);
  if (value === undefined) return new Date();
  const date = new Date(value);
  if (parseDay(value.slice(0, 10)) !== undefined && !Number.isNaN(date.getTime())) return date;
  throw new Fail("usage", `Option --${name} is ${quote(value)}, not a date such as 2026-11-20 or 2026-11-20T12:00Z`);
}

/** The day that an option gives; undefined without it. @throws {Fail} `usage` */
export function day(given: Arguments, name: string): number | undefined {
  const value = given.value(name);
  const found = value === undefined ? undefined : parseDay(value);
  if (value === undefined || found !== undefined) return found;
  throw new Fail("usage", `Option --${name} is ${quote(value)}, not a date such as 2026-11-20`);
}

/** The identity that is meant; without a word the only one. @throws {Fail} `usage` */
export function identityMeant(identities: readonly Identity[], text: string | undefined): Identity {
  const names = identities.map(canonicalAddress).join(", ");
  if (text === undefined && identities.length > 1) {
    throw new Fail("usage", "There are several identities", { fix: `choose one with --address: ${names}` });
  }
  const found = text === undefined ? identities[0] : identityOf(identities, text);
  if (found === undefined) {
    throw new Fail("usage", `Address ${quote(text!)} is not an identity`, { fix: `use one of ${names}` });
  }
  return found;
}
