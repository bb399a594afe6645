/** `countersign doctor --loop` with real servers: the shim, Postfix, another Postfix that refuses, its DSN, the hook. */
import assert from "node:assert/strict";
import type { Finding } from "../../admin/doctor/finding.ts";
import { needPostfix } from "./postfix.ts";
import { GREG, own } from "./site.ts";
import { Two } from "./two.ts";

const test = await needPostfix();
const CONFIG = ".config/countersign/config.toml";

/** What the installed doctor finds, with the log of the hook in place of that of the sender's home. */
async function doctor(two: Two, ...args: string[]): Promise<{ code: number; findings: Finding[]; notes: string[] }> {
  const program = two.installed.shim.replace(/shim$/, "countersign");
  const postconf = ["main.cf", "master.cf"].map((name) => `--postconf=${two.near.config}/${name}`);
  const ran = await two.home.run([program, "doctor", "--json", ...postconf, "--loop", ...args]);
  assert.equal(ran.stderr, "", two.trouble());
  return { code: ran.code, ...JSON.parse(ran.stdout) };
}

const GREGS = `${GREG}@example.org`;
const cameHome = (notes: readonly string[]) =>
  notes.filter((note) => note.includes(`from ${GREGS} returned after`)).length;

test("doctor --loop: the bounce of another server comes home; and with a broken hook it does not", async (t) => {
  await using two = await Two.start();
  const { home, site } = two;
  const state = `${site.folder}/${GREG}/state`;
  // As root we look into greg's state; the hook, which is greg, must be able to write there, whoever was first.
  Deno.mkdirSync(state, { mode: 0o700 });
  own(GREG, state);
  home.write(CONFIG, `since = "2026-01-01"\nstate.folder = "${state}"\n${home.read(CONFIG)}`);

  await t.step("refused while SMTP talks, and only later", async () => {
    for (const to of ["nobody@far.example", "late@far.example"]) {
      const before = two.inbox().length;
      const { code, findings, notes } = await doctor(two, "--to", to, "--wait", "30");
      assert.deepEqual([code, findings, cameHome(notes)], [0, [], 1], two.trouble());
      const [, ...more] = site.log(GREG).matchAll(/ original=<loop\./g);
      assert.equal(more.length, to.startsWith("late") ? 1 : 0);
      // Not the log alone says so.
      assert.equal(two.inbox().length, before + 1);
    }
  });

  await t.step("a domain that does not exist", async () => {
    const { code, findings, notes } = await doctor(two, "--wait", "30");
    assert.deepEqual([code, findings, cameHome(notes)], [0, [], 1], two.trouble());
  });

  await t.step("greg's hook cannot read its keys: the bounce is deferred, and the log is named", async () => {
    const keys = `${site.folder}/${GREG}/.config/countersign/keys`;
    Deno.chmodSync(keys, 0o644);
    const { code, findings, notes } = await doctor(two, "--to", "nobody@far.example", "--wait", "3");
    Deno.chmodSync(keys, 0o600);
    assert.deepEqual([code, findings.length, cameHome(notes)], [1, 1, 0], JSON.stringify(findings));
    const [{ what, where, fix }] = findings as [Finding];
    assert.equal(what, `The bounce to ${GREGS} reached the hook, which deferred it: permission`);
    assert.deepEqual(where, { file: `${state}/log` });
    assert.match(fix, /^Fix the error that the hook reported in the mail log; its own log line has <loop\./);
    assert.equal(await two.near.queued(), 1);
  });

  await t.step("greg's hook cannot read its settings: nothing comes home, and the queue is named", async () => {
    const settings = `${site.folder}/${GREG}/${CONFIG}`;
    Deno.chmodSync(settings, 0);
    const { code, findings, notes } = await doctor(two, "--to", "nobody@far.example", "--wait", "3");
    Deno.chmodSync(settings, 0o600);
    assert.deepEqual([code, findings.length, cameHome(notes)], [1, 1, 0], JSON.stringify(findings));
    const [{ what, where, fix }] = findings as [Finding];
    assert.equal(what, `The bounce of a message from ${GREGS} to nobody@far.example did not return within 3 s`);
    const line = home.read(CONFIG).split("\n").indexOf("[[identity]]") + 1;
    assert.deepEqual(where, { file: `${home.path}/${CONFIG}`, line });
    assert.match(fix, /^Is the message or its bounce still queued\? mailq; .*MX of srs\.example\.org/);
    assert.equal(await two.near.queued(), 2);
  });

  await t.step("the hook that doctor is shown is broken: that is named, too", async () => {
    const hook = home.write("bin/incoming", "#!/bin/sh\necho Broken >&2\nexit 75\n", 0o755);
    const { findings } = await doctor(two, "--to", "nobody@far.example", "--wait", "30", "--hook", hook);
    assert.deepEqual(findings.map(({ what, where }) => [what, where.file]), [
      [`The hook fails to judge a bounce to ${GREGS}: Broken`, hook],
    ]);
  });
});
