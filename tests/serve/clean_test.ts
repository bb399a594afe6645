/** serve removes expired state, because no other program may be using its folder. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { noteForgotten, remembersAll } from "../../io/state/forgotten.ts";
import { rememberSent } from "../../io/state/sent.ts";
import { cleanHourly } from "../../serve/clean.ts";
import { filesBelow, modeOf } from "../rig.ts";
import { until } from "../programs/postfix.ts";
import { EngineHome } from "./engine.ts";

Deno.test("what the door looks for in each bounce exists, so that it is found quickly, and says that nothing was forgotten", async () => {
  using home = new EngineHome();
  const state = `${home.path}/state`;
  const exist = () => ["sent", "forgotten"].every((name) => existsSync(`${state}/${name}`));
  assert.equal(exist(), false);
  const stop = cleanHourly(() => home.engine.loaded.settings);
  await until("the state of the day", () => existsSync(`${state}/daily/serve`));
  stop();
  assert.ok(exist());
  for (const name of ["sent", "forgotten"]) assert.equal(modeOf(`${state}/${name}`), name === "sent" ? "700" : "600");
  assert.equal(remembersAll(state, new Date()), true);
});

Deno.test("when the state is deleted, serve no longer knows that it remembers everything", async () => {
  const rows: [string, (clean: () => void, all: () => boolean) => void][] = [
    ["a bounce arrives first", (_clean, all) => all()],
    ["what exists is prepared again first", (clean) => clean()],
  ];
  for (const [what, first] of rows) {
    using home = new EngineHome();
    const state = `${home.path}/state`;
    const all = () => remembersAll(state, new Date());
    const clean = () => cleanHourly(() => home.engine.loaded.settings)();
    clean();
    await until("the state of the day", () => existsSync(`${state}/daily/serve`));
    assert.equal(all(), true, what);
    Deno.removeSync(state, { recursive: true });
    first(clean, all);
    rememberSent(`${state}/sent`, home.identity("greg"), "<1@x>", true, new Date());
    clean();
    assert.equal(all(), false, what);
    assert.ok(Date.now() - Deno.statSync(`${state}/forgotten`).mtime!.getTime() < 60_000, "and the next process knows");
  }
});

Deno.test("a note that could not be written is written later, at the latest when serve stops", async () => {
  using home = new EngineHome();
  const state = `${home.path}/state`;
  const stop = cleanHourly(() => home.engine.loaded.settings);
  await until("the state of the day", () => existsSync(`${state}/daily/serve`));
  Deno.renameSync(state, `${state}.away`);
  home.write("state", ""); // no folder can be created
  noteForgotten(state, new Date());
  Deno.removeSync(state);
  Deno.renameSync(`${state}.away`, state);
  const written = () => Deno.statSync(`${state}/forgotten`).mtime!.getTime();
  assert.equal(written(), 0);
  stop();
  assert.ok(Date.now() - written() < 60_000);
});

Deno.test("expired state is removed at startup and then once a day", async () => {
  using home = new EngineHome();
  const state = `${home.path}/state`;
  const sent = () => filesBelow(`${state}/sent`).length;
  const add = () => rememberSent(`${state}/sent`, home.identity("greg"), "<1@x>", true, new Date(Date.now() - 1e10));
  add();
  const stop = cleanHourly(() => home.engine.loaded.settings, 10);
  await until("the first time", () => sent() === 0);
  add();
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(sent(), 1, "once a day");
  Deno.removeSync(`${state}/daily/serve`);
  await until("the next day", () => sent() === 0);
  stop();
});
