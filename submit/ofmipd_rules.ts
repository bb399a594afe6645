/**
 * The rules of a user for envelope sender and From field: the text file from which ofmipname(1) makes a CDB. A line
 * `key:name:address:` says that a message with the envelope sender `key` is sent by `name <address>`.
 */
import { type Address, canonical, formatMailbox, parseAddress } from "../lib/address.ts";
import { Fail, isRejection, quote } from "../lib/fail.ts";
import { field, type Header, named, without } from "../lib/message.ts";
import { type Identity, identityOf } from "../lib/settings/identity.ts";

/** What the envelope sender becomes, and the name for From. */
export interface NameRule {
  readonly name: string;
  readonly address: Address;
}

/** The rules, by key in lower case. */
export type NameRules = ReadonlyMap<string, NameRule>;

/**
 * Parses the rules.
 *
 * @param identities the addresses that rules may name; a user without identities may name any
 * @throws {Fail} `config`, with the line
 */
export function parseNameRules(text: string, file: string, identities: readonly Identity[]): NameRules {
  const rules = new Map<string, NameRule>();
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const at = { file, line: index + 1 };
    const [key = "", name, address, ...more] = line.replace(/[ \t\r]+$/, "").replace(/:$/, "").split(":");
    if (name === undefined || address === undefined || more.length > 0 || key === "") {
      throw new Fail("config", "Rule is not of the form key:name:address:", at);
    }
    const parsed = readAddress(address, at);
    if (identities.length > 0 && identityOf(identities, parsed) === undefined) {
      throw new Fail("config", `Address ${quote(address)} does not belong to an identity`, {
        ...at,
        fix: "add it to [[identity]]",
      });
    }
    // cdbget finds the first of several equal keys.
    if (!rules.has(key.toLowerCase())) rules.set(key.toLowerCase(), { name, address: parsed });
  }
  return rules;
}

function readAddress(text: string, at: { file: string; line: number }): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    if (isRejection(error)) throw new Fail("config", error.message, at);
    throw error;
  }
}

/** Returns the rule for an envelope sender; undefined if there is none. */
export function ruleFor(rules: NameRules, sender: Address | null): NameRule | undefined {
  return sender === null ? undefined : rules.get(canonical(sender));
}

/** Replaces the From fields of a message. */
export function withFrom(header: Header, { name, address }: NameRule): Header {
  const at = header.findIndex((one) => named(one, "From"));
  const rest = without(header, "From");
  return rest.toSpliced(at < 0 ? rest.length : at, 0, field("From", formatMailbox(name, address)));
}
