/** Timers: when they call, and what they hold. */
import assert from "node:assert/strict";
import { after, alarm } from "../../../io/system/timer.ts";
import { ROOT } from "../../rig.ts";

const once = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("timers call in the order in which they are due, and each once", async () => {
  const called: string[] = [];
  const begun = performance.now();
  for (const [name, ms] of [["c", 60], ["a", 20], ["b", 40], ["d", 60], ["now", 0]] as const) {
    alarm(ms, () => called.push(name));
  }
  await after(80);
  assert.ok(performance.now() - begun >= 79);
  assert.deepEqual(called, ["now", "a", "b", "c", "d"]);
});

Deno.test("a cleared timer does not call, whether it is the next one or not", async () => {
  const called: string[] = [];
  const [first, second, third] = ["1", "2", "3"].map((name, nth) => alarm(10 * (nth + 1), () => called.push(name)));
  first!();
  third!();
  await after(60);
  assert.deepEqual(called, ["2"]);
  second!(); // afterwards
  assert.deepEqual(called, ["2"]);
});

Deno.test("a timer may set another one, and clear one that is due at the same time", async () => {
  const called: string[] = [];
  alarm(10, () => {
    called.push("first");
    clear();
    alarm(0, () => called.push("next"));
  });
  const clear = alarm(10, () => called.push("cleared"));
  await once(60);
  assert.deepEqual(called, ["first", "next"]);
});

Deno.test("a cleared timer holds nothing, although its time is not over", async () => {
  const script = `
    import { alarm } from ${JSON.stringify(`file://${ROOT}/io/system/timer.ts`)};
    const refs = [];
    for (let nth = 0; nth < 100; nth++) {
      const held = { bytes: new Uint8Array(1000) };
      refs.push(new WeakRef(held));
      alarm(60_000 + nth, () => held.bytes)();
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
    gc();
    console.log(refs.filter((ref) => ref.deref() !== undefined).length);
    Deno.exit();
  `;
  const args = ["eval", "--v8-flags=--expose-gc", script];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.ok(Number(new TextDecoder().decode(stdout).trim()) <= 1);
});
