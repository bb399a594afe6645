/** Results that are kept with an object. */
import assert from "node:assert/strict";
import { memoize } from "../../lib/memoize.ts";

Deno.test("a result is computed once for each object, also if it is undefined", () => {
  let computed = 0;
  const count = memoize((_: object) => ++computed);
  const nothing = memoize((_: object) => void computed++);
  const [one, other] = [{ a: 1 }, new Uint8Array(1)];
  assert.deepEqual([count(one), count(other), count(one), count(other)], [1, 2, 1, 2]);
  assert.deepEqual([nothing(one), nothing(one), computed], [undefined, undefined, 3]);
});

Deno.test("a copy of an object does not have its result, and the result is not visible", () => {
  let computed = 0;
  const count = memoize((_: object) => ++computed);
  const object = { a: 1 };
  count(object);
  assert.deepEqual(Reflect.ownKeys(object), ["a"]);
  assert.deepEqual([count({ ...object }), count(structuredClone(object))], [2, 3]);
});

Deno.test("an error is not kept", () => {
  let computed = 0;
  const fail = memoize((_: object) => {
    if (computed++ === 0) throw new Error("once");
    return computed;
  });
  const object = {};
  assert.throws(() => fail(object), /once/);
  assert.equal(fail(object), 2);
});
