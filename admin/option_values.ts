/** Parses the values of options and operands: dates, choices, and addresses that must be identities. */
import { parseDay } from "../lib/date.ts";
import { Fail, quote } from "../lib/fail.ts";
import { canonicalAddress, type Identity, identityOf } from "../lib/settings/identity.ts";
import type { Arguments } from "./arguments.ts";

/** Returns the only operand; `what` is its name in error messages. @throws {Fail} `usage` */
export function operand({ operands, rest = [] }: Arguments, what: string): string {
  const [one, extra] = [...operands, ...rest];
  if (one === undefined) throw new Fail("usage", `${what} is missing`);
  if (extra !== undefined) throw new Fail("usage", `Unknown argument ${quote(extra)}`);
  return one;
}

/** Returns the value of an option that must be one of `words`; undefined without it. @throws {Fail} `usage` */
export function choice<Word extends string>(
  options: Arguments,
  name: string,
  words: readonly Word[],
): Word | undefined {
  return choices(options, name, words).at(-1);
}

/** Returns the values of an option that may be repeated; each must be one of `words`. @throws {Fail} `usage` */
export function choices<Word extends string>(options: Arguments, name: string, words: readonly Word[]): Word[] {
  return options.values(name).map((value) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    throw new Fail("usage", `Option --${name} is ${quote(value)}, not one of: ${words.join(", ")}`);
  });
}

/** Returns the date, with or without a time, that an option gives; without it, now. @throws {Fail} `usage` */
export function time(options: Arguments, name: string): Date {
  const value = options.value(name);
  if (value === undefined) return new Date();
  const date = new Date(value);
  if (parseDay(value.slice(0, 10)) !== undefined && !Number.isNaN(date.getTime())) return date;
  throw new Fail("usage", `Option --${name} is ${quote(value)}, not a date such as 2026-11-20 or 2026-11-20T12:00Z`);
}

/** Returns the day that an option gives; undefined without it. @throws {Fail} `usage` */
export function day(options: Arguments, name: string): number | undefined {
  const value = options.value(name);
  const found = value === undefined ? undefined : parseDay(value);
  if (value === undefined || found !== undefined) return found;
  throw new Fail("usage", `Option --${name} is ${quote(value)}, not a date such as 2026-11-20`);
}

/** Returns the identity with this address; without an address, the only one. @throws {Fail} `usage` */
export function selectIdentity(identities: readonly Identity[], text: string | undefined): Identity {
  const names = identities.map(canonicalAddress).join(", ");
  if (text === undefined && identities.length > 1) {
    throw new Fail("usage", "There are several identities", { fix: `choose one with --address: ${names}` });
  }
  const found = text === undefined ? identities[0] : identityOf(identities, text);
  if (found === undefined) {
    const fix = `use one of ${names}, or add an [[identity]] with this address to the settings`;
    throw new Fail("usage", `Address ${quote(text!)} is not an identity`, { fix });
  }
  return found;
}
