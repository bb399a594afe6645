/** The note that sent mail could not be remembered: it counts for 30 days, and also when it cannot be read. */
import assert from "node:assert/strict";
import { expireDaily } from "../../../io/state/expire.ts";
import {
  lastForgotten,
  noteForgotten,
  prepareForgotten,
  remembersAll,
  remembersAllLately,
} from "../../../io/state/forgotten.ts";
import { modeOf, TempFolder } from "../../rig.ts";

const now = new Date("2026-11-26T12:00:00Z");
const later = (days: number) => new Date(now.getTime() + days * 86_400_000);

Deno.test("a note counts for 30 days, also for other processes", () => {
  using folder = new TempFolder();
  const [state, link] = [`${folder.path}/state`, `${folder.path}/link`];
  Deno.symlinkSync(state, link); // Under another path this process behaves like another one.
  for (const path of [state, link]) assert.equal(remembersAll(path, now), true);
  noteForgotten(state, now);
  for (const path of [state, link]) {
    assert.deepEqual([0, 29, 31].map((days) => remembersAll(path, later(days))), [false, false, true]);
  }
  noteForgotten(state, later(31));
  assert.equal(remembersAll(link, later(32)), false, "the file exists already");
});

Deno.test("a note of another process is seen within a second, one of this process at once", () => {
  using folder = new TempFolder();
  const [state, link] = [`${folder.path}/state`, `${folder.path}/link`];
  Deno.symlinkSync(state, link);
  const soon = (ms: number) => new Date(now.getTime() + ms);
  for (const path of [state, link]) assert.equal(remembersAllLately(path, now), true);
  noteForgotten(state, now);
  assert.equal(remembersAllLately(state, now), false);
  assert.equal(remembersAllLately(link, soon(999)), true);
  assert.equal(remembersAll(link, soon(999)), false);
  assert.equal(remembersAllLately(link, soon(1000)), false);
  assert.equal(remembersAllLately(link, soon(-60_000)), false, "the clock was set back");
});

Deno.test("a prepared file is not a note, becomes one, and never replaces one", () => {
  using folder = new TempFolder();
  const [state, link] = [`${folder.path}/state`, `${folder.path}/link`];
  Deno.symlinkSync(state, link);
  prepareForgotten(state);
  assert.deepEqual([...Deno.readDirSync(state)].map(({ name }) => name), ["forgotten"]);
  assert.equal(modeOf(`${state}/forgotten`), "600");
  assert.deepEqual([lastForgotten(link), remembersAll(link, now)], [undefined, true]);
  noteForgotten(state, now);
  assert.equal(lastForgotten(link), now.getTime());
  prepareForgotten(link);
  assert.equal(lastForgotten(link), now.getTime());

  Deno.removeSync(`${state}/forgotten`);
  const other = `${folder.path}/other`; // this process has not seen the file by this name
  Deno.symlinkSync(state, other);
  const { linkSync } = Deno;
  Deno.linkSync = (...paths) => {
    noteForgotten(state, later(1)); // by another process, at the worst time
    return linkSync(...paths);
  };
  try {
    prepareForgotten(other);
  } finally {
    Deno.linkSync = linkSync;
  }
  assert.equal(lastForgotten(other), later(1).getTime());
  assert.deepEqual([...Deno.readDirSync(state)].map(({ name }) => name), ["forgotten"]);
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  prepareForgotten(`${folder.path}/file`); // it cannot be created
});

Deno.test("a note that cannot be written is remembered by the process; one that cannot be read counts", () => {
  using folder = new TempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  noteForgotten(`${folder.path}/file`, now);
  assert.equal(remembersAll(`${folder.path}/file`, now), false);
  Deno.symlinkSync("loop", `${folder.path}/loop`);
  assert.equal(remembersAll(`${folder.path}/loop`, now), false);
});

Deno.test("what was removed while the clock was ahead is noted as forgotten, once the clock is right again", async () => {
  using folder = new TempFolder();
  const state = folder.path;
  const expire = (days: number) => expireDaily(state, "shim", later(days), () => {});
  await expire(0);
  Deno.mkdirSync(`${state}/sent/${Math.floor(now.getTime() / 86_400_000 / 30)}`, { recursive: true });
  await expire(1);
  assert.equal(remembersAll(state, later(1)), true);
  await expire(80);
  assert.deepEqual([...Deno.readDirSync(`${state}/sent`)], [], "removed too early");
  await expire(2);
  assert.deepEqual([2, 33].map((days) => remembersAll(state, later(days))), [false, true]);
  await expire(32);
  assert.equal(remembersAll(state, later(33)), true, "noted only once");
});
