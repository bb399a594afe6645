/** The outbox, with the real shim and runner. */
import assert from "node:assert/strict";
import { letter, OutboxHome, toServer } from "../outbox_home.ts";
import { deadPort, HANG_UP, LATER, REFUSED, SILENCE, Sink } from "../smtp_sink.ts";
import { fieldOf, filesBelow, oneLine, ROOT } from "../rig.ts";

const OK = { code: 0, stdout: "", stderr: "" };
const SIGNED = /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org$/;

Deno.test("always: the shim keeps the message, a runner sends it once", async () => {
  await using sink = new Sink();
  using home = new OutboxHome();
  home.serve(sink, "always");
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  assert.equal(sink.lines.length, 0, "the shim did not connect");
  const [id, ...more] = home.names("queue");
  assert.deepEqual([more, home.names("tmp")], [[], []]);
  const { code, stdout } = await home.shim(["-bp"], "");
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^${id} .* greg@example\\.org\n +ann@example\\.net\n`, "m"));
  assert.match(stdout, /^-- 1 Kbytes in 1 Request\.$/m);

  assert.deepEqual(await home.shim(["-q"], ""), OK);
  const [mail, ...others] = sink.accepted;
  assert.equal(others.length, 0);
  assert.deepEqual([mail!.to, SIGNED.test(mail!.from)], [["ann@example.net"], true]);
  assert.equal(fieldOf(mail!.mail, "Message-ID"), "<1@example.org>");
  assert.match(fieldOf(mail!.mail, "X-Msgauth"), /^v1\.k1\./);
  assert.deepEqual([home.names("queue"), home.names("tmp")], [[], []]);
  assert.deepEqual(await home.shim(["-bp"], ""), { ...OK, stdout: "Mail queue is empty\n" });
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.equal(sink.accepted.length, 1);
});

Deno.test("failed: what can be sent is sent at once, and never written", async () => {
  await using sink = new Sink();
  using home = new OutboxHome();
  home.serve(sink, "failed");
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  assert.equal(sink.accepted.length, 1);
  assert.deepEqual([home.names("queue"), home.names("tmp")], [[], []]);
});

Deno.test("failed, without network: exit 0, kept, and sent later", async () => {
  using home = new OutboxHome();
  home.serve({ port: deadPort() }, "failed");
  const body = "A line.\n".repeat(20_000); // more than is read before the message is sent
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  assert.deepEqual(await home.shim(["bob@example.net"], letter("2", "bob@example.net", body)), OK);
  assert.equal(home.names("queue").length, 2);
  const { attempts, unreachable, recipients } = home.entry();
  assert.deepEqual([attempts, unreachable, recipients[0].state], [1, true, "waiting"]);
  await using sink = new Sink();
  home.serve(sink, "failed");
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.equal(sink.accepted.length, 0, "not due yet");
  home.due();
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual(sink.accepted.map(({ to }) => to).sort(), [["ann@example.net"], ["bob@example.net"]]);
  assert.ok(sink.accepted.some(({ mail }) => mail.endsWith(body)));
  assert.deepEqual([home.names("queue"), home.names("tmp")], [[], []]);
});

Deno.test("failed, 4xx for one recipient and 5xx for another: one copy each, a report, and the rest later", async () => {
  await using sink = new Sink({
    to: (to) => to.startsWith("later") ? LATER : to.startsWith("no") ? REFUSED : undefined,
  });
  using home = new OutboxHome();
  home.serve(sink, "failed");
  const to = ["ann@example.net", "later@example.net", "nobody@example.net"];
  assert.deepEqual(await home.shim(to, letter("1")), OK);
  assert.deepEqual(sink.accepted.map((one) => one.to), [["ann@example.net"]]);
  assert.equal(home.names("queue").length, 2, "the message, and the report");

  assert.deepEqual(await home.shim(["-q"], ""), OK);
  const [, report, ...more] = sink.accepted;
  assert.deepEqual([report!.from, report!.to, more], ["", ["greg@example.org"], []]);
  assert.match(report!.mail, /^Final-Recipient: rfc822; nobody@example\.net\nAction: failed\nStatus: 5\.1\.1$/m);
  assert.doesNotMatch(report!.mail, /later@/);
  sink.answers = {};
  home.due();
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual(sink.accepted.map((one) => one.to).slice(2), [["later@example.net"]]);
  assert.deepEqual(home.names("queue"), []);
});

Deno.test("failed, every recipient refused: the server's words, exit 69, nothing kept", async () => {
  await using sink = new Sink({ to: REFUSED });
  using home = new OutboxHome();
  home.serve(sink, "failed");
  oneLine(
    await home.shim(["ann@example.net"], letter("1")),
    69,
    /"ann@example\.net": "550 5\.1\.1 Nobody here by that name"/,
  );
  sink.answers = { from: "554 5.7.1 No" };
  const fix = 'set sender = "plain" if this server accepts only your own address';
  const rejected = new RegExp(`rejected the sender "SRS0=[^"]+": "554 5\\.7\\.1 No": ${fix}$`, "m");
  oneLine(await home.shim(["ann@example.net"], letter("2")), 69, rejected);
  assert.deepEqual([home.names("queue"), home.names("tmp"), sink.accepted.length], [[], [], 0]);
});

Deno.test("errors of settings and arguments are reported at once, and nothing is kept", async () => {
  await using sink = new Sink();
  using home = new OutboxHome();
  for (const when of ["failed", "always"] as const) {
    home.serve(sink, when);
    oneLine(await home.shim(["-Z", "ann@example.net"], letter("1")), 64, /Unknown option "-Z"/);
    oneLine(await home.shim([], letter("1")), 64, /No recipients given/);
    const stranger = letter("1").replace("greg@example.org", "jo@other.example");
    oneLine(await home.shim(["ann@example.net"], stranger), 64, /Envelope sender unknown: set it with -f/);
    home.settings(`${toServer(sink.port, 'ca = "missing.pem"\n')}[outbox]\nwhen = "${when}"\n`);
    oneLine(await home.shim(["ann@example.net"], letter("1")), 78, /missing\.pem: CA file does not exist/);
    home.serve(sink, when);
    home.write(
      ".config/countersign/config.sandbox",
      home.read(".config/countersign/config.sandbox").replace(/^.*-net=.*\n/m, ""),
    );
    oneLine(
      await home.shim(["ann@example.net"], letter("1")),
      78,
      /No permission to connect to 127\.0\.0\.1:\d+: countersign sandbox/,
    );
    const program = home.write("bin/injector", "#!/bin/sh\nexit 0\n", 0o755);
    for (
      const [transport, status, missing] of [
        [`preset = "sendmail"\ncommand = ["${program}"]\n`, 71, `"${program}" cannot be run: `],
        [
          `via = "smtp"\nhost = "smtp.example.net"\nuser = "greg"\npassword_command = ["${program}"]\n`,
          78,
          "transport.password_command cannot be run: ",
        ],
      ] as const
    ) {
      home.settings(`[transport]\n${transport}[outbox]\nwhen = "${when}"\n`);
      const sandbox = ".config/countersign/config.sandbox";
      const whole = home.read(sandbox);
      home.write(sandbox, whole.replaceAll(/^shim --allow-run=.*\/injector\n/gm, ""));
      const denied = new RegExp(`${missing}\\S+ is not permitted: countersign sandbox$`, "m");
      oneLine(await home.shim(["ann@example.net"], letter("1")), 78, denied);
      home.write(sandbox, whole);
      Deno.chmodSync(program, 0o644);
      oneLine(await home.shim(["ann@example.net"], letter("1")), status, new RegExp(`${missing}.*executable`));
      Deno.removeSync(program);
      oneLine(await home.shim(["ann@example.net"], letter("1")), status, new RegExp(`${missing}.*No such file`));
      home.write("bin/injector", "#!/bin/sh\nexit 0\n", 0o755);
    }
    home.settings(`[transport]\npreset = "dma"\n[outbox]\nwhen = "${when}"\n`);
    oneLine(await home.shim(["-f", "<>", "ann@example.net"], letter("1")), 69, /dma does not support the null sender/);
  }
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["/nonexistent"]\n[outbox]\nwhen = "failed"\n`);
  oneLine(await home.shim(["ann@example.net"], letter("1")), 71, /cannot be run/);
  for (const [status, expected] of [[64, 64], [78, 78], [69, 69], [65, 65]]) {
    const command = home.write("bin/injector", `#!/bin/sh\ncat >/dev/null\nexit ${status}\n`, 0o755);
    home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${command}"]\n[outbox]\nwhen = "failed"\n`);
    oneLine(await home.shim(["ann@example.net"], letter("1")), expected!, new RegExp(`exited with status ${status}`));
  }
  assert.deepEqual([home.names("queue"), home.names("tmp"), sink.accepted.length], [[], [], 0]);
});

Deno.test("a sandbox that does not permit the program any more: kept, and a run says what to do", async () => {
  using home = new OutboxHome();
  const program = home.write("bin/injector", "#!/bin/sh\nexit 75\n", 0o755);
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${program}"]\n[outbox]\nwhen = "always"\n`);
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  const sandbox = ".config/countersign/config.sandbox";
  home.write(sandbox, home.read(sandbox).replaceAll(/^shim --allow-run=.*\/injector\n/gm, ""));
  const { code, stderr } = await home.shim(["-q"], "");
  assert.equal(code, 0);
  assert.match(stderr, /^shim: Mail waits in the outbox: .* is not permitted: countersign sandbox$/m);
  assert.equal(home.names("queue").length, 1);
});

Deno.test("a program that fails temporarily, or times out: kept, and sent once later", async () => {
  using home = new OutboxHome();
  const program = (script: string) => {
    const command = home.write("bin/injector", `#!/bin/sh\n${script}\n`, 0o755);
    home.settings(
      `[transport]\npreset = "sendmail"\ncommand = ["${command}"]\ntimeout = 1\n[outbox]\nwhen = "failed"\n`,
    );
  };
  for (const script of ["cat >/dev/null; exit 75", "exit 1", "cat >/dev/null; kill -9 $$", "exec sleep 9"]) {
    program(script);
    assert.deepEqual(
      await home.shim(["ann@example.net"], letter("1", "ann@example.net", `${"x".repeat(100_000)}\n`)),
      OK,
      script,
    );
  }
  // One that was killed, or took too long, may have sent the message.
  const states = home.names("queue").map((id) => home.entry(id).recipients[0].state).sort();
  assert.deepEqual(states, ["sending", "sending", "waiting", "waiting"]);
  program('cat >>"$HOME/taken"; echo >>"$HOME/count"');
  home.due();
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual([home.read("count"), home.names("queue"), home.names("tmp")], ["\n\n\n\n", [], []]);
  assert.equal(home.read("taken").match(/^x{100000}$/gm)?.length, 4);
  assert.equal(home.log().filter((line) => line.includes("may be sent twice")).length, 2);
});

Deno.test("a program that cannot log in for one message may be able to for the next: each is tried", async () => {
  using home = new OutboxHome();
  const script = 'cat >"$HOME/mail"; grep -q "^To: work" "$HOME/mail" && exit 77; echo >>"$HOME/count"';
  const command = home.write("bin/injector", `#!/bin/sh\n${script}\n`, 0o755);
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${command}"]\n[outbox]\nwhen = "failed"\n`);
  for (const to of ["work@example.net", "ann@example.net"]) {
    assert.deepEqual(await home.shim([to], letter("1", to)), OK);
  }
  assert.deepEqual([home.read("count"), home.names("queue").length], ["\n", 1]);
});

Deno.test("without an outbox -q and -bp are those of the real program; -bs always is", async () => {
  using home = new OutboxHome();
  const real = home.write("bin/real", `#!/bin/sh\necho "real $*"\n`, 0o755);
  home.settings(`${toServer(deadPort(), `real = ["${real}"]\n`)}`);
  for (const flag of ["-bp", "-q"]) assert.equal((await home.shim([flag], "")).stdout, `real ${flag}\n`);
  home.settings(`${toServer(deadPort(), `real = ["${real}"]\n`)}[outbox]\nwhen = "failed"\n`);
  assert.equal((await home.shim(["-bp"], "")).stdout, "Mail queue is empty\n");
  assert.equal((await home.shim(["-bs"], "")).stdout, "real -bs\n");
});

Deno.test("failed, the message is rejected after some recipients: what that means for each, in every mixture", async (t) => {
  const [DOT, DOT_NO] = ["451 4.3.0 Not now", "554 5.7.1 Spam"];
  /** Replies to ann and bob, to DATA or the final dot; then the status, and what is kept. */
  const table: [ann: string | undefined, bob: string, message: string, status: number, kept: string[]][] = [
    [undefined, LATER, DOT, 0, ["waiting", "waiting"]],
    [LATER, LATER, DOT, 0, ["waiting", "waiting"]],
    [undefined, REFUSED, DOT, 69, []],
    [LATER, REFUSED, DOT, 69, []],
    [undefined, LATER, DOT_NO, 69, []],
    [undefined, REFUSED, DOT_NO, 69, []],
  ];
  for (const [ann, bob, message, status, kept] of table) {
    for (const step of ["data", "end"] as const) {
      await t.step(`${ann ?? "250"}, ${bob}, ${step}: ${message}`, async () => {
        await using sink = new Sink({ to: (to) => to.startsWith("ann") ? ann : bob, [step]: message });
        using home = new OutboxHome();
        home.serve(sink, "failed");
        const ran = await home.shim(["ann@example.net", "bob@example.net"], letter("1"));
        if (status === 0) assert.deepEqual(ran, OK);
        else {
          oneLine(ran, status, new RegExp(`"bob@example\\.net": "${bob}"`));
          if (ann === undefined) assert.match(ran.stderr, new RegExp(`rejected the message: "${message}"`));
        }
        assert.deepEqual(
          home.names("queue").flatMap((id) => home.entry(id).recipients).map(({ state }) => state),
          kept,
        );
        assert.deepEqual([home.names("tmp"), sink.accepted.length], [[], 0]);
      });
    }
  }
});

Deno.test("failed, the disk fails after the final dot was noted: kept and exit 0, or it would be sent twice", async () => {
  using home = new OutboxHome();
  const block = () =>
    Deno.mkdirSync(`${home.path}/${home.outbox}/queue/${home.names("queue")[0]}/entry.json.new/x`, { recursive: true });
  await using sink = new Sink({ to: (to) => to.startsWith("bob") ? LATER : undefined, end: LATER, hold: block });
  home.serve(sink, "failed");
  assert.deepEqual(await home.shim(["ann@example.net", "bob@example.net"], letter("1")), OK);
  assert.deepEqual(home.entry().recipients.map(({ state }: { state: string }) => state), ["sending", "waiting"]);
});

Deno.test("failed, the server takes the message and says nothing: exit 0, sent again under the same Message-ID", async () => {
  await using sink = new Sink({ end: HANG_UP });
  using home = new OutboxHome();
  home.serve(sink, "failed");
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  assert.deepEqual(home.entry().recipients.map(({ state }: { state: string }) => state), ["sending"]);
  sink.answers = {};
  home.due();
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual(sink.accepted.map((one) => fieldOf(one.mail, "Message-ID")), ["<1@example.org>"]);
  assert.match(home.log().at(-1)!, /note="an earlier attempt was not confirmed: may be sent twice"/);
});

Deno.test("failed, SIGTERM while the server is slow: exit 75, nothing is kept", async () => {
  await using sink = new Sink({ to: SILENCE });
  using home = new OutboxHome();
  home.serve(sink, "failed");
  const child = new Deno.Command(`${ROOT}/shim/shim`, {
    args: ["ann@example.net"],
    clearEnv: true,
    env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env },
    stdin: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(letter("1")));
  await writer.close();
  await sink.untilReceived(/^RCPT/);
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 75);
  assert.deepEqual([home.names("queue"), home.names("tmp"), sink.accepted.length], [[], [], 0]);
});

Deno.test("the record of sent mail has one entry for a message, however often it is tried", async () => {
  using home = new OutboxHome();
  home.serve({ port: deadPort() }, "failed");
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  const sizes = () =>
    filesBelow(`${home.path}/.local/state/countersign/sent`).reduce((sum, file) => sum + Deno.statSync(file).size, 0);
  assert.equal(sizes(), 20);
  await using sink = new Sink({ to: LATER });
  home.serve(sink, "failed");
  for (let nth = 0; nth < 3; nth++) {
    home.due();
    assert.deepEqual(await home.shim(["-q"], ""), OK);
  }
  assert.equal(sizes(), 20);
});
