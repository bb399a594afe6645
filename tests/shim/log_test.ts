/** What the shim logs, which addresses it includes, and that log problems never stop mail. */
import assert from "node:assert/strict";
import { fieldOf, Home, oneLine } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { nothingSent, stubArguments, stubInput, stubRuns, stubTransport } from "../stub.ts";

const LOG = ".local/state/countersign/log";
const MAIL = "From: greg@example.org\nTo: ann@example.net\nSubject: a secret plan\n\nThe body.\n";
const mode = (path: string) => (Deno.statSync(path).mode! & 0o777).toString(8);

/** Sends a message to these recipients. @returns the only line of the log */
async function logLine(home: Home, recipients: string[], status = 0, mail = MAIL): Promise<string> {
  const ran = await home.shim(["--", ...recipients], mail);
  assert.equal(ran.code, status, ran.stderr);
  const lines = home.read(LOG).split("\n");
  assert.equal(lines.length, 2, "one line per message");
  return lines[0]!;
}

Deno.test("a sent message is logged with identity, scheme, recipients and program, without subject or body", async () => {
  using home = new Home();
  home.settings(stubTransport(home));
  const line = await logLine(home, ["ann@example.net", "bob@victim.example"]);
  const sender = stubArguments(home)[stubArguments(home).indexOf("-f") + 1]!;
  assert.match(sender, /^SRS0=/);
  const id = fieldOf(stubInput(home), "Message-ID");
  assert.match(id, /^<.+@example\.org>$/);
  const rest =
    `direction=out id=${id} identity=greg@example.org scheme=srs sender=${sender} to=@example.net,@victim.example ` +
    `recipients=2 route=${home.path}/stub result=sent`;
  assert.equal(line.replace(/^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /, ""), rest);
});

Deno.test("other people's addresses are logged in full only with log_addresses", async () => {
  for (const logAddresses of [false, true]) {
    using home = new Home();
    home.settings(stubTransport(home), logAddresses ? "log_addresses = true" : "");
    const stranger = MAIL.replace("greg@example.org", "carl@other.example");
    const ran = await home.shim(["-f", "carl@other.example", "--", "ann@example.net"], stranger);
    assert.equal(ran.code, 0, ran.stderr);
    const [sender, to] = logAddresses ? ["carl@other.example", "ann@example.net"] : ["@other.example", "@example.net"];
    assert.match(
      home.read(LOG),
      new RegExp(` scheme=none sender=${sender} to=${to} recipients=1 .*why="the author is not an identity"$`, "m"),
    );
    assert.equal(/carl|ann/.test(home.read(LOG)), logAddresses);
  }
});

Deno.test("at most twenty recipients are listed, but all are counted", async () => {
  using home = new Home();
  const recipients = Array.from({ length: 25 }, (_, at) => `x@d${at}.example`);
  const line = await logLine(home, recipients);
  assert.match(line, new RegExp(` to=${recipients.slice(0, 20).map((one) => one.slice(1)).join(",")} recipients=25 `));
});

Deno.test("the note explains an unexpected choice of scheme", async (t) => {
  await t.step("recipients that disagree", async () => {
    using home = new Home();
    home.settings(`${stubTransport(home)}\n[[rule]]\nto = ["*@lists.example.com"]\nsender = "plain"\n`);
    const line = await logLine(home, ["ann@example.net", "all@lists.example.com"]);
    assert.match(
      line,
      / scheme=plain sender=greg@example\.org .* note="recipients match different schemes \(plain, srs\): plain" /,
    );
    assert.equal(stubArguments(home)[stubArguments(home).indexOf("-f") + 1], "greg@example.org");
  });
  await t.step("a local part over 64 octets", async () => {
    using home = new Home();
    // SRS adds this many octets to the local part. At 65 octets the sender stays plain, at 64 it is signed.
    const added = "SRS0=12345678=AB=long.example.org=".length;
    for (const [over, scheme] of [[0, "srs"], [1, "plain"]] as const) {
      const address = `${"x".repeat(64 - added + over)}@long.example.org`;
      const settings = `[[identity]]\naddress = "${address}"\nsrs_domain = "srs.example.org"\n${stubTransport(home)}`;
      home.write(".config/countersign/config.toml", settings);
      home.write(LOG, "", 0o600);
      const line = await logLine(home, ["ann@example.net"], 0, `From: ${address}\n\n`);
      assert.match(line, new RegExp(` scheme=${scheme} `));
      assert.equal(line.includes(`note="srs local part would have 65 octets; prvs.receive is off"`), over === 1);
      const sender = stubArguments(home)[stubArguments(home).indexOf("-f") + 1]!;
      assert.equal(sender === address, over === 1, sender);
      assert.match(fieldOf(stubInput(home), "X-Msgauth"), /^v1\.k1\./, "the tag is added in either case");
    }
  });
});

Deno.test("a program's error message about other people is not logged by default", async () => {
  const rows = [[69, "status 69"], [100, "status 100"], [1, "status 1"]] as const;
  for (const [status, why] of rows) {
    for (const logAddresses of [false, true]) {
      using home = new Home();
      const transport = stubTransport(home, `echo '550 bob@victim.example is unknown' >&2; exit ${status}`);
      home.settings(transport, logAddresses ? "log_addresses = true" : "");
      const ran = await home.shim(["bob@victim.example"], MAIL);
      oneLine(ran, { 69: 69, 100: 69, 1: 75 }[status], /: 550 bob@victim\.example is unknown$/m);
      const errorText = `${home.path}/stub exited with status ${status}: 550 bob@victim.example is unknown`;
      assert.ok(home.read(LOG).endsWith(` result=failed why="${logAddresses ? errorText : why}"\n`), home.read(LOG));
      assert.equal(home.read(LOG).includes("bob"), logAddresses);
    }
  }
  using home = new Home();
  home.settings('[transport]\npreset = "sendmail"\ncommand = ["/nonexistent/bob@victim.example"]\n');
  oneLine(await home.shim(["ann@example.net"], MAIL), 71, /cannot be run/);
  assert.match(home.read(LOG), / result=failed why=system\n$/);
});

Deno.test("what a program writes to standard error reaches the user, and its last line the log", async () => {
  const words =
    "echo 'server message: 550 5.1.1 bob: who is\x1b[31m that?' >&2; echo 'could not send to bob@victim.example' >&2";
  const said = (line: string) => / said="([^"]*)"/.exec(line)?.[1];
  const first = "server message: 550 5.1.1 bob: who is\ufffd[31m that?\n";
  const rows = [["sendmail", 69, 69], ["qmail-inject", 100, 69], ["qmail-inject", 111, 75], [
    "sendmail",
    0,
    0,
  ]] as const;
  for (const [preset, status, code] of rows) {
    for (const logAddresses of [false, true]) {
      using home = new Home();
      const transport = stubTransport(home, `${words}; exit ${status}`).replace('"sendmail"', `"${preset}"`);
      home.settings(transport, logAddresses ? "log_addresses = true" : "");
      const ran = await home.shim(["bob@victim.example"], MAIL);
      assert.equal(ran.code, code, ran.stderr);
      const line = `${
        status === 0 ? "" : `shim: ${home.path}/stub exited with status ${status}: `
      }could not send to bob@victim.example\n`;
      assert.equal(ran.stderr, first + line);
      assert.equal(said(home.read(LOG)), `could not send to ${logAddresses ? "bob" : ""}@victim.example`);
    }
  }
});

Deno.test("the server's reply and queue ID are logged, without addresses", async () => {
  await using sink = new Sink({ end: "250 2.0.0 Ok: queued as 4XyZ12" });
  using home = new Home();
  const server = `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${sink.port}\nsecurity = "none"\n`;
  home.settings(server);
  const line = await logLine(home, ["ann@example.net"]);
  assert.match(line, / queue=4XyZ12 reply="250 2\.0\.0 Ok: queued as 4XyZ12" result=sent$/);
  sink.answers = { to: "550 5.1.1 <ann@example.net>: no user ann here" };
  for (const whole of [false, true]) {
    home.write(LOG, "");
    home.settings(server, whole ? "log_addresses = true" : "");
    const masked = whole ? "<ann@example.net>: no user ann here" : "<@example.net>: no user … here";
    assert.ok((await logLine(home, ["ann@example.net"], 69)).includes(` reply="550 5.1.1 ${masked}" result=failed `));
  }
});

Deno.test("only the owner may read the log and its folder", async () => {
  using home = new Home();
  await logLine(home, ["ann@example.net"]);
  assert.equal(mode(`${home.path}/${LOG}`), "600");
  assert.equal(mode(`${home.path}/.local/state/countersign`), "700");
});

Deno.test("a second message adds a second line", async () => {
  using home = new Home();
  await logLine(home, ["ann@example.net"]);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  assert.equal(home.read(LOG).split("\n").length, 3);
});

// Logs that cannot be written, or block the program that opens them.
const broken: Record<string, (home: Home) => void> = {
  "the log is a FIFO": (home) => {
    Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
    assert.ok(new Deno.Command("mkfifo", { args: [`${home.path}/${LOG}`] }).outputSync().success);
  },
  "the log is a folder": (home) => Deno.mkdirSync(`${home.path}/${LOG}`, { recursive: true }),
  "the log is a link to a FIFO": (home) => {
    Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
    assert.ok(new Deno.Command("mkfifo", { args: [`${home.path}/fifo`] }).outputSync().success);
    Deno.symlinkSync(`${home.path}/fifo`, `${home.path}/${LOG}`);
  },
  "the state folder cannot be made": (home) => void home.write(".local/state", "a file"),
  "the state folder is a file": (home) => void home.write(".local/state/countersign", "a file"),
};
for (const [what, breakIt] of Object.entries(broken)) {
  Deno.test(`${what}: the shim sends and the hook delivers`, async () => {
    using home = new Home();
    home.settings(stubTransport(home));
    breakIt(home);
    assert.deepEqual(await home.shim(["ann@example.net"], MAIL), { code: 0, stdout: "", stderr: "" });
    assert.equal(stubRuns(home), 1);
    const env = { SENDER: "ann@example.net", RECIPIENT: "greg@example.org" };
    const ran = await home.hook(["--maildir", `${home.path}/Maildir`], MAIL, env);
    assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
    assert.equal(home.mails("Maildir").length, 1);
  });
  Deno.test(`${what}: failures keep their exit status`, async () => {
    using home = new Home();
    home.settings(stubTransport(home, "exit 67"));
    breakIt(home);
    oneLine(await home.shim(["ann@example.net"], MAIL), 67, /status 67$/m);
    assert.equal(stubRuns(home), 1);
    Deno.removeSync(`${home.path}/stub.runs`);
    oneLine(await home.shim(["-Z"], MAIL), 64, /"-Z"/);
    nothingSent(home);
  });
}
