/** Arbitrary untrusted texts, and a check of the errors they may cause. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Address } from "../../lib/address.ts";
import { Fail, type Kind } from "../../lib/fail.ts";

/** Any text, including control characters, lone surrogates and long texts. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((codes) => String.fromCharCode(...codes)),
  fc.tuple(fc.constantFrom("\0", "\r\n", "\xff", '"', "\\", "=", "."), fc.nat(5000)).map(([one, n]) => one.repeat(n)),
);

/** Any bytes, as a binary string. */
export const anyBytes: fc.Arbitrary<string> = fc.array(fc.nat(255), { maxLength: 80 })
  .map((codes) => String.fromCharCode(...codes));

/** A text composed of these pieces and, less often, of any other text. */
export function piecesOf(pieces: readonly string[], maxLength = 16): fc.Arbitrary<string> {
  const one = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...pieces) }, { weight: 1, arbitrary: anyText });
  return fc.array(one, { maxLength }).map((parts) => parts.join(""));
}

// Characters that no word may contain, and characters that are special outside quotes.
// deno-lint-ignore no-control-regex
const UNUSED = /[\x00-\x1f\x7f-\x9f\ufffd]/gu;
const SPECIAL = /[ ()<>[\]:;@\\,".]/g;
/** Words of a display name. */
export const words: fc.Arbitrary<string> = fc.string({ unit: "binary", minLength: 1, maxLength: 20 })
  .map((text) => text.replace(UNUSED, ""));
const atoms = words.map((text) => text.replace(SPECIAL, "")).filter((text) => text !== "");
const dotAtoms = fc.array(atoms, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
const quoted = words.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`);
const literals = fc.oneof(fc.ipV4().map((ip) => `[${ip}]`), fc.ipV6().map((ip) => `[IPv6:${ip}]`));

/** Well-formed addresses. */
export const addresses: fc.Arbitrary<Address> = fc.record({
  local: fc.oneof(dotAtoms, quoted),
  domain: fc.oneof(dotAtoms, fc.domain(), literals),
}, { noNullPrototype: true });

/** Returns the result, or undefined after a Fail of one of these kinds, whose message must be one short line. */
export function orFail<T>(run: () => T, ...kinds: Kind[]): T | undefined {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof Fail, `not a Fail: ${(error as Error)?.stack ?? error}`);
    assert.ok(kinds.includes(error.kind), `${error.kind}: ${error.message}`);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error.message, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
    assert.ok(error.message.length < 2000, error.message);
    return undefined;
  }
}

/**
 * A small edit: a character replaced, inserted, deleted or changed in case, neighbours swapped, text cut or doubled.
 */
export interface Touch {
  readonly kind: "replace" | "insert" | "delete" | "case" | "swap" | "cut" | "double";
  readonly at: number;
  readonly by: string;
}
export const touches: fc.Arbitrary<Touch> = fc.record({
  kind: fc.constantFrom("replace", "insert", "delete", "case", "swap", "cut", "double"),
  at: fc.nat(10_000),
  by: fc.oneof(fc.constantFrom(...'=+-_./@<>0aAZ2,;:"\\ \t\r\n\0'), fc.nat(0xffff).map((c) => String.fromCharCode(c))),
}, { noNullPrototype: true });

/** Applies the edit; the result may be unchanged. */
export function touched(text: string, { kind, at, by }: Touch): string {
  const here = at % (text.length || 1);
  const [front, one, back] = [text.slice(0, here), text[here] ?? "", text.slice(here + 1)];
  if (kind === "replace") return front + by + back;
  if (kind === "insert") return front + by + one + back;
  if (kind === "delete") return front + back;
  if (kind === "case") return front + (one === one.toUpperCase() ? one.toLowerCase() : one.toUpperCase()) + back;
  if (kind === "swap") return front + back.slice(0, 1) + one + back.slice(1);
  return kind === "cut" ? front : front + one + text.slice(here);
}
