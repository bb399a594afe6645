/** doctor and the outbox: something must run it, and nothing must stay in it. */
import assert from "node:assert/strict";
import { hasRunner } from "../../admin/doctor/outbox.ts";
import { letter, OutboxHome, toServer } from "../outbox_home.ts";
import { deadPort } from "../smtp_sink.ts";
import { ROOT } from "../rig.ts";
import { countersign } from "./run.ts";

/** The findings about the outbox. */
async function findings(home: OutboxHome): Promise<{ what: string; why: string; fix: string }[]> {
  const { stdout } = await countersign(home, ["doctor", "--json"]);
  const all: { what: string; why: string; fix: string }[] = JSON.parse(stdout).findings;
  return all.filter(({ what }) => /outbox|wait/i.test(what));
}

const whats = async (home: OutboxHome) => (await findings(home)).map(({ what }) => what);

Deno.test("doctor requires a runner: one that ran recently, or a timer", async () => {
  using home = new OutboxHome();
  home.serve({ port: deadPort() }, "failed");
  assert.deepEqual(await whats(home), ["Nothing has run the outbox yet"]);
  assert.equal((await home.shim(["-q"], "")).code, 0);
  assert.deepEqual(await whats(home), []);
  const before = new Date(Date.now() - 3_600_000);
  Deno.utimeSync(`${home.path}/${home.outbox}/last-run`, before, before);
  assert.match((await whats(home)).join("\n"), /^Nothing has run the outbox since \d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
  home.write(".config/systemd/user/timers.target.wants/countersign-outbox.timer", "");
  assert.deepEqual(await whats(home), []);
});

Deno.test("a crontab that runs the outbox", () => {
  assert.equal(hasRunner(Deno.readTextFileSync(`${ROOT}/contrib/outbox/crontab`)), true);
  assert.equal(hasRunner("*/5 * * * * /usr/local/bin/shim -q\n"), true);
  assert.equal(hasRunner("MAILTO=greg\n# * * * * * countersign outbox run\n* * * * * countersign expire\n"), false);
});

Deno.test("doctor names old, damaged and undelivered messages", async () => {
  using home = new OutboxHome();
  home.serve({ port: deadPort() }, "failed");
  assert.equal((await home.shim(["ann@example.net"], letter("1"))).code, 0);
  assert.equal((await home.shim(["-q"], "")).code, 0);
  assert.deepEqual(await whats(home), []);
  home.change({ created: new Date(Date.now() - 25 * 3_600_000).toISOString() });
  const [id] = home.names("queue");
  const [old] = await findings(home);
  assert.equal(old!.what, "A message to ann@example.net has been in the outbox for 25 hours");
  assert.match(old!.why, /cannot be used/);
  assert.equal(old!.fix, `countersign outbox flush ${id}`);
  home.change({ hold: true });
  assert.equal((await findings(home))[0]!.fix, `countersign outbox release ${id}`);
  home.write(`${home.outbox}/damaged/X/message`, "?");
  home.write(`${home.outbox}/undelivered/Y/message`, "?");
  assert.deepEqual((await whats(home)).slice(1), [
    "1 message of the outbox: damaged",
    "1 message of the outbox: undelivered",
  ]);
  home.settings(toServer(deadPort()));
  assert.equal((await whats(home))[0], '1 message waits in the outbox, and outbox.when is "never"');
});
