/** doctor: whether fetched mail is still judged by sweep. */
import assert from "node:assert/strict";
import { filesBelow } from "../rig.ts";
import { countersign } from "./run.ts";
import { Laptop } from "./sweep.ts";

Deno.test("doctor says that sweep judges the mail, and reports when it has stopped", async () => {
  using home = new Laptop();
  const doctor = () => countersign(home, ["doctor"]);
  assert.match((await doctor()).stdout, /^Note: No mail filter found here calls the hook/m);
  await home.sweep();
  const today = new Date().toISOString().slice(0, 10);
  const ran = await doctor();
  assert.match(ran.stdout, new RegExp(`^Note: Mail is judged by countersign sweep, last on ${today}$`, "m"));
  assert.equal(ran.code, 0, ran.stdout);

  const [lock] = filesBelow(`${home.path}/.local/state/countersign/sweep`).filter((path) => path.endsWith("/lock"));
  const past = new Date("2026-01-02T12:00:00Z");
  Deno.utimeSync(lock!, past, past);
  const stopped = await doctor();
  assert.equal(stopped.code, 1);
  assert.match(stopped.stdout, /^countersign sweep last ran on 2026-01-02 \[sweep-stopped\]$/m);
  await home.sweep();
  assert.equal((await doctor()).code, 0);
});
