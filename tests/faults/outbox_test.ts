/**
 * Faults of the outbox: errors and SIGKILL at each step of a runner, full disks, missing permissions, entries that were
 * damaged by hand, and a server that is suspended in the middle of a session.
 */
import assert from "node:assert/strict";
import { letter as mail, OutboxHome, toServer } from "../outbox_home.ts";
import { oneLine, ROOT } from "../rig.ts";
import { deadPort, SILENCE, Sink } from "../smtp_sink.ts";
import type { Fault, Job } from "./driver.ts";
import { BODY, CONFIG, DENO, FaultHome, inPairs, isWhole, KEYS, letter, STATE } from "./home.ts";
import { killedAt } from "./matrix.ts";
import { mountingTest, run, STATES, WITHOUT_OVERRIDE } from "./mounts.ts";

const OK = { code: 0, stdout: "", stderr: "" };

/** A run that finds one message to this recipient. */
function runner(home: FaultHome, to: string, fault?: Job["fault"]): Job {
  const text = letter(to).replace("Subject:", "X-Msgauth: v1.k1.x\nSubject:");
  const now = new Date().toISOString();
  const entry = {
    ...{ version: 1, size: text.length, account: "", attempts: 0, unreachable: false, hold: false, report: false },
    ...{ created: now, next: now, dsn: {}, owner: "greg@example.org" },
    sender: { address: "greg@example.org", scheme: "srs" },
    recipients: [{ address: to, state: "waiting", reply: "", reported: false }],
  };
  const folder = `${STATE}/outbox/queue/${to.split("@")[0]!.toUpperCase()}`;
  return {
    program: "shim",
    args: ["-q"],
    input: "",
    files: {
      [CONFIG]: home.config("", '[outbox]\nwhen = "always"\n'),
      [KEYS]: home.keys,
      [`${folder}/message`]: text,
      [`${folder}/entry.json`]: JSON.stringify(entry),
    },
    ...(fault && { fault }),
  };
}

/** A run ten minutes later, without a fault. */
const later: Job = { program: "shim", args: ["-q"], input: "", fault: [0, "disk"], clock: Date.now() + 600_000 };

/** Asserts that the message was sent whole, and once unless the log says that it may have been sent twice. */
function assertSent(home: FaultHome, to: string, what: string): void {
  const mails = home.taken(to);
  assert.ok(mails.length >= 1, `${what}: lost`);
  assert.ok(mails.every((one) => isWhole(one)), `${what}: not whole`);
  if (mails.length === 1) return;
  assert.equal(mails.length, 2, what);
  const id = to.split("@")[0]!.toUpperCase();
  assert.match(
    home.read(`${STATE}/log`),
    new RegExp(`entry=${id} .*may be sent twice`),
    `${what}: twice without a note`,
  );
}

/** The steps of a run that sends one message. */
async function stepsOfRun(home: FaultHome): Promise<readonly string[]> {
  const { results: [first] } = await home.drive([runner(home, "first@example.net")]);
  assert.equal(first!.status, 0);
  assertSent(home, "first@example.net", "without a fault");
  return first!.steps;
}

Deno.test("errors at each step of a runner: no message is lost, and one that is sent twice is logged", async () => {
  using first = new FaultHome();
  const faults = (await stepsOfRun(first)).flatMap((step, at) => {
    const some: Fault[] = [
      "disk",
      ...(step === "write" ? ["short" as const] : []),
      ...(at % 3 ? [] : ["orphan" as const]),
    ];
    return some.map((fault) => ({ fault: [at, fault] as const, what: `${fault} at step ${at}, ${step}` }));
  });
  const batches = Array.from(
    { length: Math.ceil(faults.length / 10) },
    (_, nth) => faults.slice(nth * 10, nth * 10 + 10),
  );
  let twice = 0;
  await inPairs(batches, async (batch) => {
    using home = new FaultHome();
    const nameOf = (nth: number) => `j${nth}@example.net`;
    // A run without a fault follows each, or the next fault could hit the same entry again.
    const jobs = batch.flatMap(({ fault }, nth) => [runner(home, nameOf(nth), fault), later]);
    assert.equal((await home.drive(jobs)).results.length, jobs.length);
    for (const [nth, { what }] of batch.entries()) {
      assertSent(home, nameOf(nth), what);
      twice += home.taken(nameOf(nth)).length - 1;
    }
  });
  assert.ok(twice < faults.length / 4, `${twice} of ${faults.length} were sent twice`);
});

Deno.test("SIGKILL at each step of a runner: no message is lost, and one that is sent twice is logged", async () => {
  using first = new FaultHome();
  const steps = await stepsOfRun(first);
  await inPairs(killedAt(steps), async (at) => {
    using home = new FaultHome();
    const to = "k@example.net";
    const { end } = await home.drive([runner(home, to, [at, "kill"])]);
    assert.equal(end.signal, "SIGKILL");
    await home.quiet();
    await home.drive([later]);
    assertSent(home, to, `step ${at}, ${steps[at]}`);
  });
});

for (const [state, spoil] of Object.entries(STATES)) {
  mountingTest(
    `outbox, ${state} file system: nothing is promised that cannot be kept, and what waits is not lost`,
    async () => {
      await using sink = new Sink();
      using home = new OutboxHome();
      const folder = `${home.path}/${home.outbox}`;
      Deno.mkdirSync(folder, { recursive: true });
      assert.ok(run("/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder));
      try {
        home.serve(sink, "always");
        assert.deepEqual(await home.shim(["ann@example.net"], mail("1")), OK);
        spoil(folder);
        oneLine(await home.shim(["bob@example.net"], mail("2")), 75, /Outbox cannot be written/);
        home.serve({ port: deadPort() }, "failed");
        oneLine(await home.shim(["bob@example.net"], mail("3")), 75, /Outbox cannot be written/);
        home.serve(sink, "failed");
        assert.deepEqual(await home.shim(["carl@example.net"], mail("4")), OK, "sent at once: nothing is written");
        const { code, stderr } = await home.shim(["-q"], "");
        assert.deepEqual([code, sink.accepted.length], [0, 1], stderr);
        assert.match(stderr, /^shim: Mail waits in the outbox|^shim: Entry \w+: \S+: Outbox cannot be written/m);
        assert.equal(home.names("queue").length, 1);
        assert.ok(run("/bin/mount", "-o", "remount,rw", folder));
        if (state === "full") Deno.removeSync(`${folder}/.fill`);
        home.due();
        assert.deepEqual((await home.shim(["-q"], "")).code, 0);
        assert.deepEqual(sink.accepted.map(({ to }) => to[0]).sort(), ["ann@example.net", "carl@example.net"]);
        assert.deepEqual([home.names("queue"), home.names("tmp")], [[], []]);
      } finally {
        run("/bin/umount", folder);
      }
    },
  );
}

Deno.test("an outbox without write or read permission: deferred, and kept", async () => {
  await using sink = new Sink();
  using home = new OutboxHome();
  home.serve(sink, "always");
  assert.deepEqual(await home.shim(["ann@example.net"], mail("1")), OK);
  const shim = (args: string[], text = "") => home.run([...WITHOUT_OVERRIDE, `${ROOT}/shim/shim`, ...args], text);
  const tmp = `${home.path}/${home.outbox}/tmp`;
  const queue = `${home.path}/${home.outbox}/queue`;
  const [id] = home.names("queue");
  for (const [folder, mode] of [[queue, 0o000], [`${queue}/${id}`, 0o000], [tmp, 0o500], [queue, 0o500]] as const) {
    Deno.chmodSync(folder, mode);
    const { code } = await shim(["bob@example.net"], mail("2"));
    // The message is sent in spite of it, but its entry cannot be removed. It is not sent again.
    for (let runs = 0; runs < 2; runs++) await shim(["-q"]);
    Deno.chmodSync(folder, 0o700);
    assert.equal(code, folder.endsWith(id!) ? 0 : 75, folder);
    assert.ok(home.names("queue").includes(id!), folder);
    home.due();
  }
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual(home.names("queue"), []);
  assert.deepEqual(sink.accepted.map(({ to }) => to[0]).sort(), ["ann@example.net", "bob@example.net"]);
});

Deno.test("an entry that cannot be read is listed and reported, not overlooked, and is sent when it can be", async () => {
  await using sink = new Sink();
  using home = new OutboxHome();
  home.serve(sink, "always");
  for (const to of ["ann@example.net", "bob@example.net"]) assert.deepEqual(await home.shim([to], mail("1")), OK);
  const [id] = home.names("queue").filter((one) => home.entry(one).recipients[0].address === "ann@example.net");
  const file = `${home.path}/${home.outbox}/queue/${id}/entry.json`;
  const shim = (...args: string[]) => home.run([...WITHOUT_OVERRIDE, `${ROOT}/shim/shim`, ...args], "");
  Deno.chmodSync(file, 0o000);
  const line = new RegExp(`^shim: Entry ${id}: Entry cannot be read: Permission denied`);
  oneLine(await shim("-q"), 0, line);
  assert.deepEqual(await shim("-q"), OK, "told once a day");
  assert.match((await shim("-bp")).stderr, line);
  Deno.chmodSync(file, 0o600);
  assert.deepEqual(await shim("-q"), OK);
  assert.deepEqual(sink.accepted.map(({ to }) => to[0]), ["bob@example.net", "ann@example.net"]);
});

/** [what somebody did to the files of an entry] */
const DAMAGE: [string, (entry: string) => void][] = [
  ["entry.json is cut", (entry) => Deno.truncateSync(`${entry}/entry.json`, 40)],
  ["entry.json is empty", (entry) => Deno.truncateSync(`${entry}/entry.json`)],
  ["entry.json is gone", (entry) => Deno.removeSync(`${entry}/entry.json`)],
  ["the message is cut", (entry) => Deno.truncateSync(`${entry}/message`, 40)],
  ["the message is gone", (entry) => Deno.removeSync(`${entry}/message`)],
  ["the message is a folder", (entry) => {
    Deno.removeSync(`${entry}/message`);
    Deno.mkdirSync(`${entry}/message`);
  }],
  ["it is a file", (entry) => {
    Deno.removeSync(entry, { recursive: true });
    Deno.writeTextFileSync(entry, "hello");
  }],
];
Deno.test("damaged entries are moved aside and reported once, never deleted, and do not stop the others", async () => {
  await using sink = new Sink();
  using home = new OutboxHome();
  home.serve(sink, "always");
  for (const [what, damage] of DAMAGE) {
    for (const to of ["ann@example.net", "bob@example.net"]) assert.deepEqual(await home.shim([to], mail("1", to)), OK);
    const [id] = home.names("queue").filter((one) => home.entry(one).recipients[0].address === "ann@example.net");
    damage(`${home.path}/${home.outbox}/queue/${id}`);
    assert.match((await home.shim(["-bp"], "")).stderr, new RegExp(`^shim: Entry ${id}: `), what);
    const told = new RegExp(`^shim: An entry of the outbox is damaged and is not sent: .*/damaged/${id}$`, "m");
    oneLine(await home.shim(["-q"], ""), 0, told);
    assert.deepEqual([home.names("queue"), home.names("damaged").includes(id!)], [[], true], what);
    assert.deepEqual(await home.shim(["-q"], ""), OK, what);
  }
  assert.deepEqual([home.names("damaged").length, sink.accepted.length], [DAMAGE.length, DAMAGE.length]);
});

Deno.test("a server that is suspended in the middle of a session: the session ends, the entry stays, and is sent once", async () => {
  using home = new OutboxHome();
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/tests/faults/sink_program.ts`],
    stdout: "piped",
  }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    const port = Number((await lines.read()).value);
    home.settings(`${toServer(port, "timeout = 1\n")}[outbox]\nwhen = "failed"\n`);
    server.kill("SIGSTOP");
    assert.deepEqual(await home.shim(["ann@example.net"], mail("1", "ann@example.net", BODY)), OK);
    assert.equal(home.names("queue").length, 1);
    server.kill("SIGCONT");
    home.due();
    assert.deepEqual(await home.shim(["-q"], ""), OK);
    assert.deepEqual([(await lines.read()).value, home.names("queue")], ['["ann@example.net"]\n', []]);
  } finally {
    server.kill("SIGCONT");
    server.kill("SIGTERM");
    await server.status;
    await lines.cancel();
  }
});

Deno.test("a laptop that is suspended in the middle of a session: the server gives up, the entry stays, and is sent once", async () => {
  using home = new OutboxHome();
  let runner: Deno.ChildProcess;
  {
    await using sink = new Sink({ to: SILENCE });
    home.serve(sink, "always");
    assert.deepEqual(await home.shim(["ann@example.net"], mail("1")), OK);
    runner = new Deno.Command(`${home.path}/bin/deno`, {
      args: [...DENO, `${ROOT}/shim/main.ts`, "shim", "-q"],
      clearEnv: true,
      env: { HOME: home.path, PATH: "/usr/bin:/bin", ...home.env },
      stdin: "null",
    }).spawn();
    await sink.untilReceived(/^RCPT/);
    runner.kill("SIGSTOP");
  } // the server closes its connections
  runner.kill("SIGCONT");
  assert.equal((await runner.status).code, 0);
  assert.deepEqual(home.entry().recipients.map(({ state }: { state: string }) => state), ["waiting"]);
  await using sink = new Sink();
  home.serve(sink, "always");
  home.due();
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual([sink.accepted.length, home.names("queue")], [1, []]);
});
