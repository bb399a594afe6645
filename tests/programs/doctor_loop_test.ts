/**
 * `countersign doctor --loop` with real servers: the shim, Postfix, another Postfix that rejects, its DSN, the hook.
 */
import assert from "node:assert/strict";
import type { Finding } from "../../admin/doctor/finding.ts";
import { needPostfix } from "./postfix.ts";
import { chown, GREG } from "./site.ts";
import { TwoServers } from "./two_servers.ts";

const test = await needPostfix();
const CONFIG = ".config/countersign/config.toml";

/** Runs the installed doctor. */
async function doctor(
  servers: TwoServers,
  ...args: string[]
): Promise<{ code: number; findings: Finding[]; notes: string[] }> {
  const program = servers.installed.shim.replace(/shim$/, "countersign");
  const postconf = ["main.cf", "master.cf"].map((name) => `--postconf=${servers.near.config}/${name}`);
  const ran = await servers.home.run([program, "doctor", "--json", ...postconf, "--loop", ...args]);
  assert.equal(ran.stderr, "", servers.trouble());
  return { code: ran.code, ...JSON.parse(ran.stdout) };
}

const ADDRESS = `${GREG}@example.org`;
const returnedNotes = (notes: readonly string[]) =>
  notes.filter((note) => note.includes(`from ${ADDRESS} returned after`)).length;

test("doctor --loop: the bounce of another server returns, but not with a broken hook", async (t) => {
  await using servers = await TwoServers.start();
  const { home, site } = servers;
  const state = `${site.folder}/${GREG}/state`;
  // The test reads greg's state as root. The hook, which runs as greg, must be able to write there.
  Deno.mkdirSync(state, { mode: 0o700 });
  chown(GREG, state);
  home.write(CONFIG, `since = "2026-01-01"\nstate.folder = "${state}"\n${home.read(CONFIG)}`);

  await t.step("a recipient that is rejected at RCPT, and one that is rejected later", async () => {
    for (const to of ["nobody@far.example", "late@far.example"]) {
      const before = servers.inbox().length;
      const { code, findings, notes } = await doctor(servers, "--to", to, "--wait", "30");
      assert.deepEqual([code, findings, returnedNotes(notes)], [0, [], 1], servers.trouble());
      const [, ...more] = site.log(GREG).matchAll(/ original=<doctor\./g);
      assert.equal(more.length, to.startsWith("late") ? 1 : 0);
      // The bounce was not only logged but also delivered.
      assert.equal(servers.inbox().length, before + 1);
    }
  });

  await t.step("a domain that does not exist", async () => {
    const { code, findings, notes } = await doctor(servers, "--wait", "30");
    assert.deepEqual([code, findings, returnedNotes(notes)], [0, [], 1], servers.trouble());
  });

  await t.step(
    "greg's hook cannot read its keys: the bounce is deferred, and the finding refers to the log",
    async () => {
      const keys = `${site.folder}/${GREG}/.config/countersign/keys`;
      Deno.chmodSync(keys, 0o644);
      const { code, findings, notes } = await doctor(servers, "--to", "nobody@far.example", "--wait", "3");
      Deno.chmodSync(keys, 0o600);
      assert.deepEqual([code, findings.length, returnedNotes(notes)], [1, 1, 0], JSON.stringify(findings));
      const [{ what, where, fix }] = findings as [Finding];
      assert.equal(what, `The bounce to ${ADDRESS} reached the hook, which deferred it: permission`);
      assert.deepEqual(where, { file: `${state}/log` });
      assert.match(fix, /^Fix the error that the hook reported in the mail log; its own log line has <doctor\./);
      assert.equal(await servers.near.queued(), 1);
    },
  );

  await t.step(
    "greg's hook cannot read its settings: the bounce does not return, and the fix mentions the queue",
    async () => {
      const settings = `${site.folder}/${GREG}/${CONFIG}`;
      Deno.chmodSync(settings, 0);
      const { code, findings, notes } = await doctor(servers, "--to", "nobody@far.example", "--wait", "3");
      Deno.chmodSync(settings, 0o600);
      assert.deepEqual([code, findings.length, returnedNotes(notes)], [1, 1, 0], JSON.stringify(findings));
      const [{ what, where, fix }] = findings as [Finding];
      assert.equal(what, `The bounce of a message from ${ADDRESS} to nobody@far.example did not return within 3 s`);
      const line = home.read(CONFIG).split("\n").indexOf("[[identity]]") + 1;
      assert.deepEqual(where, { file: `${home.path}/${CONFIG}`, line });
      assert.match(fix, /^Is the message or its bounce still queued\? mailq; .*MX of srs\.example\.org/);
      assert.equal(await servers.near.queued(), 2);
    },
  );

  await t.step("a broken hook of --hook is reported", async () => {
    const hook = home.write("bin/incoming", "#!/bin/sh\necho Broken >&2\nexit 75\n", 0o755);
    const { findings } = await doctor(servers, "--to", "nobody@far.example", "--wait", "30", "--hook", hook);
    assert.deepEqual(findings.map(({ what, where }) => [what, where.file]), [
      [`The hook fails to judge a bounce to ${ADDRESS}: Broken`, hook],
    ]);
  });
});
