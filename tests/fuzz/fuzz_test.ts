/** The hunt itself: it finds, shrinks, keeps, and finds again. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { hunt, keeping, names, readKept } from "./fuzz.ts";

const numbers = fc.nat(1_000_000);
const small = (value: number) => assert.ok(value < 1000);
const wanted = { kept: [], seed: 1, seconds: 0, batch: 100 };

Deno.test("A hunt finds the smallest case, and the same one with the same seed", async () => {
  const found = await hunt(numbers, small, wanted);
  assert.equal(found?.value, 1000);
  assert.match(found.report, /FUZZ_SEED=1\n[^]*seed: 1, path: "[\d:]+"/);
  const again = await hunt(numbers, small, wanted);
  const path = (report?: string) => /path: "[\d:]+"/.exec(report ?? "")?.[0];
  assert.deepEqual([again?.value, path(again?.report)], [1000, path(found.report)]);
  assert.match(found.report, /\nAssertionError/);
  // In a later batch, too: its own seed is told, and finds it in the first.
  let calls = 0;
  const late = await hunt(numbers, (value) => assert.ok(++calls <= 100 || value < 1000), { ...wanted, seconds: 30 });
  assert.match(late!.report, /FUZZ_SEED=2\n/);
});

Deno.test("A hunt without time tries one batch, and no more", async () => {
  let calls = 0;
  assert.equal(await hunt(numbers, () => void calls++, { ...wanted, batch: 7 }), undefined);
  assert.equal(calls, 7);
});

Deno.test("Kept cases come first, as they are", async () => {
  const seen: number[] = [];
  await hunt(numbers, (value) => void seen.push(value), { ...wanted, kept: [-1, -2], batch: 1 });
  assert.deepEqual(seen.slice(0, 2), [-1, -2]);
  const found = await hunt(numbers, small, { ...wanted, kept: [5000] });
  assert.equal(found?.value, 5000);
  assert.match(found.report, /^A kept case fails again: 5000/);
});

Deno.test("A case is kept once, and only if it comes back from JSON as it was", () => {
  const one = keeping({}, "a", ["\0\ud800"]);
  assert.deepEqual(JSON.parse(JSON.stringify(one)), { a: [["\0\ud800"]] });
  assert.deepEqual(keeping(one, "a", ["\0\ud800"]), one);
  assert.deepEqual(keeping(one, "a", 1), { a: [["\0\ud800"], 1] });
  for (const value of [undefined, NaN, new Date(0), new Uint8Array(1), { a: undefined }]) {
    assert.throws(() => keeping({}, "a", value), /JSON cannot hold/);
  }
});

Deno.test("Every property has a name of its own, and every kept case a property", () => {
  const all = names();
  assert.ok(all.length > 10);
  assert.deepEqual(all.filter((name, at) => all.indexOf(name) !== at), []);
  assert.deepEqual(Object.keys(readKept()).filter((name) => !all.includes(name)), []);
});
