/** serve removes expired state, because no other program may be using its folder. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { cleanHourly } from "../../serve/clean.ts";
import { filesBelow } from "../rig.ts";
import { until } from "../programs/postfix.ts";
import { EngineHome } from "./engine.ts";

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
