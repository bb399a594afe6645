/** A short soak; `deno task soak` runs the long one. */
import assert from "node:assert/strict";
import { seededRandom } from "./random.ts";
import { soak } from "./soak.ts";
import { soakOutbox } from "./soak_outbox.ts";

for (const spool of [false, true]) {
  Deno.test(`messages by two callers with random kills, spool = ${spool}: none lost, none duplicated`, async () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const { messages, attempts, sigkill, lost, wrong, parts } = await soak(30, spool, seed);
    const what = `seed ${seed}`;
    assert.deepEqual({ messages, lost, wrong }, { messages: 30, lost: 0, wrong: 0 }, what);
    assert.ok(attempts >= messages + sigkill, what);
    if (spool) assert.equal(parts, 0, what);
  });
}

for (const via of ["smtp", "command"] as const) {
  Deno.test(`messages through the outbox, via = ${via}, two runners, random kills: none lost, and what is sent twice is logged`, async () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const { messages, lost, wrong, unannounced, left } = await soakOutbox(24, seed, via);
    const expected = { messages: 24, lost: 0, wrong: 0, unannounced: 0, left: 0 };
    assert.deepEqual({ messages, lost, wrong, unannounced, left }, expected, `seed ${seed}`);
  });
}

Deno.test("a seed determines the random numbers", () => {
  const [one, two, other] = [seededRandom(1), seededRandom(1), seededRandom(2)];
  const numbers = Array.from({ length: 1000 }, one);
  assert.deepEqual(Array.from({ length: 1000 }, two), numbers);
  assert.notDeepEqual(Array.from({ length: 1000 }, other), numbers);
  assert.ok(numbers.every((n) => n >= 0 && n < 1) && Math.abs(numbers.reduce((a, b) => a + b) / 1000 - 0.5) < 0.05);
});
