/** The socket `lookup`: requests in any pieces, and anything else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { RequestReader } from "../../serve/lookup/reader.ts";
import { fuzz } from "./fuzz.ts";

/** What a reader makes of these pieces: a line for each request, and how it ended. */
function readAll(pieces: readonly Uint8Array[]): string[] {
  const reader = new RequestReader();
  const out: string[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let received; (received = reader.next()) !== undefined;) {
        out.push(`${JSON.stringify(received.request)} ${received.payload?.toHex()}`);
      }
    }
    return [...out, reader.partial ? "partial" : "end"];
  } catch (error) {
    assert.ok(error instanceof Fail && error.kind === "data", String(error));
    return [...out, error.message];
  }
}

const hash = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
const name = fc.tuple(hash, hash).map((both) => both.join("-"));
const payload = fc.uint8Array({ maxLength: 300 });
const address = fc.string({ unit: "grapheme", maxLength: 60 });

/** A request and the bytes behind it; `more` stands for members that are not known. */
const requests = fc.oneof(
  fc.record({ request: fc.constant("judge"), sender: address, recipient: address, bytes: payload }),
  fc.record({ request: fc.constant("judge"), sender: address, recipient: address, whole: fc.boolean() }),
  fc.record({ request: fc.constant("sent"), names: fc.array(hash, { maxLength: 60 }) }),
  fc.record({ request: fc.constant("claim"), name, more: fc.jsonValue() }),
  fc.record({ request: fc.constant("issue"), names: fc.tuple(name), expires: fc.nat(99_999), bytes: payload }),
);

function printed(given: { readonly request: string; readonly bytes?: Uint8Array }): Uint8Array {
  const { bytes, ...values } = given;
  const length = bytes === undefined ? {} : { length: bytes.length };
  return concat(utf8(`${JSON.stringify({ version: 1, ...values, ...length })}\n`), bytes ?? new Uint8Array());
}

/** Splits bytes at these places. */
function split(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, nth) => bytes.subarray(sorted[nth], end));
}

fuzz(
  "requests are read alike in whatever pieces they arrive",
  fc.record({ all: fc.array(requests, { maxLength: 5 }), places: fc.array(fc.nat(100_000), { maxLength: 20 }) }),
  ({ all, places }) => {
    const bytes = concat(...all.map(printed));
    const whole = readAll([bytes]);
    assert.equal(whole.length, all.length + 1);
    assert.equal(whole.at(-1), "end");
    assert.deepEqual(readAll(split(bytes, places)), whole);
    for (const [nth, one] of all.entries()) {
      if ("bytes" in one) assert.ok(whole[nth]!.endsWith(` ${one.bytes.toHex()}`));
    }
  },
);

fuzz(
  "anything else is an error about the request, wherever it is split",
  fc.record({
    one: requests,
    change: fc.nat(100_000),
    bit: fc.nat(7),
    junk: fc.uint8Array({ maxLength: 40 }),
    places: fc.array(fc.nat(100_000), { maxLength: 10 }),
  }),
  ({ one, change, bit, junk, places }) => {
    const bytes = Uint8Array.from(concat(printed(one), junk));
    bytes[change % bytes.length]! ^= 1 << bit;
    assert.deepEqual(readAll(split(bytes, places)), readAll([bytes]));
  },
);
