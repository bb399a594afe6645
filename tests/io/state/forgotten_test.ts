/** Sent mail that was not remembered is known for 30 days, and what cannot be looked at is not trusted. */
import assert from "node:assert/strict";
import { noteForgotten, remembersAll } from "../../../io/state/forgotten.ts";

const now = new Date("2026-11-26T12:00:00Z");
const later = (days: number) => new Date(now.getTime() + days * 86_400_000);

Deno.test("what was forgotten counts for 30 days, also for other processes", () => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  const [ours, link] = [`${folder}/state`, `${folder}/link`];
  Deno.symlinkSync(ours, link); // another name: what this process remembers itself does not count for it
  try {
    for (const state of [ours, link]) assert.equal(remembersAll(state, now), true);
    noteForgotten(ours, now);
    for (const state of [ours, link]) {
      assert.deepEqual([0, 29, 31].map((days) => remembersAll(state, later(days))), [false, false, true]);
    }
    noteForgotten(ours, later(31));
    assert.equal(remembersAll(link, later(32)), false, "the file exists already");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a file that cannot be written is remembered by the process; one that cannot be looked at counts", () => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    Deno.writeTextFileSync(`${folder}/file`, "");
    noteForgotten(`${folder}/file`, now);
    assert.equal(remembersAll(`${folder}/file`, now), false);
    Deno.symlinkSync("loop", `${folder}/loop`);
    assert.equal(remembersAll(`${folder}/loop`, now), false);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
