/** Time limits that are set repeatedly. */
import assert from "node:assert/strict";
import { Deadline } from "../../../serve/sockets/deadline.ts";

const wait = (ms: number) => new Promise((next) => setTimeout(next, ms));

/** A limit, and when it expired. */
function started(): { deadline: Deadline; ended: () => number | undefined } {
  const begun = performance.now();
  let at: number | undefined;
  return { deadline: new Deadline(() => at = performance.now() - begun), ended: () => at };
}

Deno.test("a limit calls its function once, when it expires", async () => {
  const { deadline, ended } = started();
  deadline.set(60);
  assert.ok(deadline.runs(60) && !deadline.runs(61));
  await wait(30);
  assert.deepEqual([deadline.passed, ended()], [false, undefined]);
  await wait(100);
  assert.equal(deadline.passed, true);
  assert.ok(ended()! >= 59);
  deadline.close();
});

Deno.test("a limit that is set again starts anew; a shorter one expires earlier", async () => {
  const { deadline, ended } = started();
  deadline.set(60);
  await wait(40);
  deadline.set(80);
  await wait(40);
  assert.equal(ended(), undefined, "the first timer has fired");
  deadline.set(100_000);
  deadline.set(30);
  await wait(100);
  assert.ok(ended()! >= 109, `${ended()}`);
  deadline.close();
});

Deno.test("a cleared limit does not expire, and can be set again", async () => {
  const { deadline, ended } = started();
  deadline.set(20);
  deadline.clear();
  assert.equal(deadline.runs(20), false);
  await wait(60);
  assert.deepEqual([deadline.passed, ended()], [false, undefined]);
  deadline.set(20);
  await wait(60);
  assert.equal(deadline.passed, true);
  deadline.close();
});

Deno.test("a closed limit leaves no timer", () => {
  const { deadline } = started();
  deadline.set(1000);
  deadline.close(); // otherwise the test runner reports a leaked timer
});
