/** The real mutt and msmtp with an outbox: offline, then online. */
import assert from "node:assert/strict";
import { letter, OutboxHome } from "../outbox_home.ts";
import { fieldOf, ROOT } from "../rig.ts";
import { deadPort, LATER, Sink } from "../smtp_sink.ts";
import { need } from "./need.ts";
import { until } from "./postfix.ts";

const OK = { code: 0, stdout: "", stderr: "" };
const mutt = await need("mutt");
const systemd = await need("systemd-analyze", "systemd");
const msmtp = await need("msmtp");

mutt(
  "mutt offline: sent as far as mutt can tell, mailq lists the message, and it is delivered exactly once",
  async () => {
    using home = new OutboxHome();
    const port = deadPort();
    home.serve({ port }, "failed");
    home.write(
      ".muttrc",
      `set sendmail="${ROOT}/shim/shim" from="greg@example.org" realname="Greg" use_from=yes\n` +
        `set copy=yes record="${home.path}/sent"\n`,
    );
    const argv = ["mutt", "-n", "-F", `${home.path}/.muttrc`, "-s", "Lunch?", "--", "ann@example.net"];
    assert.deepEqual(await home.run(argv, "At one?\n", { LC_ALL: "C.UTF-8", USER: "greg" }), OK);
    assert.match(home.read("sent"), /^Subject: Lunch\?$/m, "mutt keeps its copy");

    const mailq = `${home.path}/bin/mailq`;
    Deno.symlinkSync(`${ROOT}/shim/shim`, mailq);
    const listed = await home.run([mailq]);
    assert.equal(listed.code, 0);
    assert.match(listed.stdout, /greg@example\.org\n\(127\.0\.0\.1:\d+ cannot be used: .*\)\n +ann@example\.net\n/);
    assert.match(listed.stdout, /^-- 1 Kbytes in 1 Request\.$/m);

    await using sink = new Sink();
    home.serve(sink, "failed");
    home.due();
    // Several runners at once, and one after them.
    const runs = await Promise.all([home.shim(["-q"], ""), home.shim(["-q"], ""), home.shim(["-q"], "")]);
    assert.deepEqual([...runs, await home.shim(["-q"], "")], [OK, OK, OK, OK]);
    assert.equal(sink.accepted.length, 1);
    const [{ mail, to }] = sink.accepted as [typeof sink.accepted[0]];
    assert.deepEqual(to, ["ann@example.net"]);
    assert.ok(mail.endsWith("\n\nAt one?\n"));
    assert.equal(fieldOf(mail, "Message-ID"), fieldOf(home.read("sent").replace(/^From .*\n/, ""), "Message-ID"));
    assert.equal((await home.run([mailq])).stdout, "Mail queue is empty\n");
  },
);

msmtp("msmtp behind the outbox: offline and 4xx are kept, and sent once later", async () => {
  await using sink = new Sink({ to: LATER });
  using home = new OutboxHome();
  const settings = (port: number) => {
    home.write(
      ".msmtprc",
      `account default\nhost 127.0.0.1\nport ${port}\ntls off\nauth off\nfrom greg@example.org\n`,
      0o600,
    );
  };
  home.settings(`[transport]\npreset = "msmtp"\n[outbox]\nwhen = "failed"\n`);
  settings(deadPort());
  assert.deepEqual(await home.shim(["ann@example.net"], letter("1")), OK);
  settings(sink.port);
  assert.deepEqual(await home.shim(["ann@example.net"], letter("2")), OK);
  assert.equal(home.names("queue").length, 2);
  const { stdout } = await home.shim(["-bp"], "");
  assert.match(stdout, /^\(.* exited with status 75: msmtp: cannot connect to .*; msmtp: could not send mail/m);
  assert.match(stdout, /^\(.* exited with status 69: .*; msmtp: server message: 450 .*; msmtp: could not/m);
  sink.answers = {};
  home.due();
  assert.deepEqual(await home.shim(["-q"], ""), OK);
  assert.deepEqual(sink.accepted.map(({ mail }) => fieldOf(mail, "Message-ID")).sort(), [
    "<1@example.org>",
    "<2@example.org>",
  ]);
  assert.deepEqual(home.names("queue"), []);
});

Deno.test("NetworkManager's dispatcher sends at once when the network is up, and does not wait", async () => {
  using home = new OutboxHome();
  const script = Deno.readTextFileSync(`${ROOT}/contrib/outbox/dispatcher`);
  assert.ok(script.includes(" /usr/local/bin/countersign "));
  const dispatcher = home.write("dispatcher", script, 0o755);
  home.write("ran", "");
  home.write("bin/runuser", `#!/bin/sh\nexec >&- 2>&-\nsleep 0.2; echo "$*" >>'${home.path}/ran'\n`, 0o755);
  for (const [action, runs] of [["down", 0], ["up", 1], ["vpn-up", 2], ["hostname", 2]] as const) {
    const ran = await home.run([dispatcher, "eth0", action], "", { PATH: `${home.path}/bin:/usr/bin:/bin` });
    assert.deepEqual(ran, OK, action);
    const lines = Array(runs).fill("-u greg -- /usr/local/bin/countersign outbox flush\n").join("");
    await until(action, () => home.read("ran") === lines);
  }
});

systemd("systemd accepts the units of contrib/outbox and contrib/report", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-units-" });
  try {
    const units = [
      ...["countersign-outbox.service", "countersign-outbox.timer", "countersign-outbox.path"],
      ...["countersign-report.service", "countersign-report.timer"],
    ];
    for (const name of units) {
      const text = Deno.readTextFileSync(`${ROOT}/contrib/${/-(\w+)\./.exec(name)![1]}/${name}`);
      Deno.writeTextFileSync(`${folder}/${name}`, text.replace("/usr/local/bin/countersign", "/bin/true"));
    }
    for (const name of units) {
      const args = ["verify", "--user", "--man=no", `${folder}/${name}`];
      const env = { XDG_RUNTIME_DIR: folder, HOME: folder };
      const ran = await new Deno.Command("systemd-analyze", { args, env }).output();
      const text = new TextDecoder().decode(ran.stdout) + new TextDecoder().decode(ran.stderr);
      assert.deepEqual([ran.code, text], [0, ""], name);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
