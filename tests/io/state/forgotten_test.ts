/** The note that sent mail could not be remembered: it counts for 30 days, and also when it cannot be read. */
import assert from "node:assert/strict";
import { noteForgotten, remembersAll } from "../../../io/state/forgotten.ts";

const now = new Date("2026-11-26T12:00:00Z");
const later = (days: number) => new Date(now.getTime() + days * 86_400_000);

Deno.test("a note counts for 30 days, also for other processes", () => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  const [state, link] = [`${folder}/state`, `${folder}/link`];
  Deno.symlinkSync(state, link); // Under another path this process behaves like another one.
  try {
    for (const path of [state, link]) assert.equal(remembersAll(path, now), true);
    noteForgotten(state, now);
    for (const path of [state, link]) {
      assert.deepEqual([0, 29, 31].map((days) => remembersAll(path, later(days))), [false, false, true]);
    }
    noteForgotten(state, later(31));
    assert.equal(remembersAll(link, later(32)), false, "the file exists already");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a note that cannot be written is remembered by the process; one that cannot be read counts", () => {
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
