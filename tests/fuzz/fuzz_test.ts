/** The search for failing cases itself. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { names, readKept, search, withCase } from "./fuzz.ts";

const numbers = fc.nat(1_000_000);
const small = (value: number) => assert.ok(value < 1000);
const options = { kept: [], seed: 1, seconds: 0, batch: 100 };

Deno.test("A search finds the smallest failing case, and the same one with the same seed", async () => {
  const found = await search(numbers, small, options);
  assert.equal(found?.value, 1000);
  assert.match(found.report, /FUZZ_SEED=1\n[^]*seed: 1, path: "[\d:]+"/);
  const again = await search(numbers, small, options);
  const path = (report?: string) => /path: "[\d:]+"/.exec(report ?? "")?.[0];
  assert.deepEqual([again?.value, path(again?.report)], [1000, path(found.report)]);
  assert.match(found.report, /\nAssertionError/);
  // In a later batch the report names the seed of that batch.
  let calls = 0;
  const late = await search(numbers, (value) => assert.ok(++calls <= 100 || value < 1000), { ...options, seconds: 30 });
  assert.match(late!.report, /FUZZ_SEED=2\n/);
});

Deno.test("A search without time tries exactly one batch", async () => {
  let calls = 0;
  assert.equal(await search(numbers, () => void calls++, { ...options, batch: 7 }), undefined);
  assert.equal(calls, 7);
});

Deno.test("Kept cases are tried first, unchanged", async () => {
  const seen: number[] = [];
  await search(numbers, (value) => void seen.push(value), { ...options, kept: [-1, -2], batch: 1 });
  assert.deepEqual(seen.slice(0, 2), [-1, -2]);
  const found = await search(numbers, small, { ...options, kept: [5000] });
  assert.equal(found?.value, 5000);
  assert.match(found.report, /^A kept case fails again: 5000/);
});

Deno.test("A case is kept once, and only if JSON preserves it", () => {
  const one = withCase({}, "a", ["\0\ud800"]);
  assert.deepEqual(JSON.parse(JSON.stringify(one)), { a: [["\0\ud800"]] });
  assert.deepEqual(withCase(one, "a", ["\0\ud800"]), one);
  assert.deepEqual(withCase(one, "a", 1), { a: [["\0\ud800"], 1] });
  for (const value of [undefined, NaN, new Date(0), new Uint8Array(1), { a: undefined }]) {
    assert.throws(() => withCase({}, "a", value), /JSON cannot represent/);
  }
});

Deno.test("The names of properties are unique, and every kept case belongs to a property", () => {
  const all = names();
  assert.ok(all.length > 10);
  assert.deepEqual(all.filter((name, at) => all.indexOf(name) !== at), []);
  assert.deepEqual(Object.keys(readKept()).filter((name) => !all.includes(name)), []);
});
