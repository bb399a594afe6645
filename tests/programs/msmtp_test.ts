/** The real msmtp with contrib/msmtp. */
import assert from "node:assert/strict";
import { fields } from "../../admin/log/line.ts";
import { type Home, lastLine, ROOT } from "../rig.ts";
import { type Answers, deadPort, LATER, REFUSED, Sink } from "../smtp_sink.ts";
import { arrived, assertSucceeded, injectorHome, sendLetter, signed, testDelivery } from "./injectors.ts";
import { need } from "./need.ts";

const test = await need("msmtp");

const CONFIG = `${ROOT}/contrib/msmtp/config.toml`;

/** greg's home with contrib/msmtp. The server is the sink, which supports neither TLS nor logins. */
function msmtpHome(port: number, transport = (text: string) => text): Home {
  const home = injectorHome(() => transport(Deno.readTextFileSync(CONFIG)));
  let text = Deno.readTextFileSync(`${ROOT}/contrib/msmtp/msmtprc`);
  const replacements = {
    "smtp.example.org": "127.0.0.1",
    "port 587": `port ${port}`,
    "tls on": "tls off",
    "auth on": "auth off",
  };
  for (const [from, to] of Object.entries(replacements)) {
    assert.ok(text.includes(from), from);
    text = text.replaceAll(from, to);
  }
  home.write(".msmtprc", text, 0o600);
  return home;
}

test("msmtp: delivery", async (t) => {
  await using sink = new Sink();
  using home = msmtpHome(sink.port);
  await testDelivery(t, { home, sink }, {
    quoted: false,
    dash: true,
    nullSender: true,
    nul: true,
    dsn: { from: /^(?!.*ENVID).*RET=HDRS/, to: /^NOTIFY=FAILURE,DELAY$/ },
  });
});

/** Replies of the server, and the resulting exit statuses. */
const ANSWERS: [what: string, answers: Answers, msmtpStatus: number, shimStatus: number][] = [
  ["the sender", { from: REFUSED }, 65, 65],
  ["a recipient", { to: REFUSED }, 65, 65],
  ["one of two recipients", { to: (recipient) => recipient.startsWith("copy@") ? REFUSED : undefined }, 65, 65],
  ["the data", { data: REFUSED }, 65, 65],
  // msmtp's status for these is the same for permanent and temporary errors.
  ["the message", { end: REFUSED }, 69, 75],
  ["the sender, temporarily", { from: LATER }, 69, 75],
  ["a recipient, temporarily", { to: LATER }, 69, 75],
  ["the data, temporarily", { data: LATER }, 69, 75],
  ["the message, temporarily", { end: LATER }, 69, 75],
  ["the connection", { greeting: "554 No" }, 76, 75],
  ["the connection, temporarily", { greeting: "421 Busy" }, 76, 75],
];

test("msmtp: what the server rejects, and the shim's exit status", async (t) => {
  await using sink = new Sink();
  using home = msmtpHome(sink.port);
  for (const [what, answers, msmtp, shim] of ANSWERS) {
    await t.step(`${what}: ${msmtp} becomes ${shim}`, async () => {
      sink.answers = answers;
      const ran = await sendLetter(home, "nobody@mx.example.net", "copy@mx.example.net");
      lastLine(ran, shim, new RegExp(`^shim: /usr/bin/msmtp exited with status ${msmtp}: `));
      assert.deepEqual(sink.accepted, [], "nothing is sent");
    });
  }
});

test("msmtp: the user sees everything that it prints, and the log has its last line", async () => {
  await using sink = new Sink({ to: (recipient) => recipient.startsWith("nobody@") ? REFUSED : undefined });
  using home = msmtpHome(sink.port);
  const before = lastLine(
    await sendLetter(home, "ann@mx.example.net", "nobody@mx.example.net"),
    65,
    /^shim: \/usr\/bin\/msmtp exited with status 65: msmtp: could not send mail \(account default from \S+\)$/,
  );
  assert.deepEqual(before, [
    "msmtp: recipient address nobody@mx.example.net not accepted by the server",
    `msmtp: server message: ${REFUSED}`,
  ]);
  const line = fields(home.read(".local/state/countersign/log").trimEnd());
  assert.match(line["said"]!, /^msmtp: could not send mail /);
});

test("msmtp: with -v the log has the server's reply and queue ID", async () => {
  await using sink = new Sink({ end: "250 2.0.0 Ok: queued as 4XyZ12" });
  const verbose = (text: string) => text.replace('"/usr/bin/msmtp"', '"/usr/bin/msmtp", "-v"');
  using home = msmtpHome(sink.port, verbose);
  assertSucceeded(await sendLetter(home, "ann@mx.example.net"));
  const line = fields(home.read(".local/state/countersign/log").trimEnd());
  assert.deepEqual([line["queue"], line["reply"]], ["4XyZ12", "250 2.0.0 Ok: queued as 4XyZ12"]);
});

test("msmtp: server down, unknown host, no configuration", async (t) => {
  await t.step("the server is down: 75", async () => {
    using home = msmtpHome(deadPort());
    lastLine(await sendLetter(home, "nobody@mx.example.net"), 75, /exited with status 75: /);
  });
  await t.step("the host name is unknown, as without a network: 68 becomes 75", async () => {
    using home = msmtpHome(0);
    const name = home.read(".msmtprc").replace("127.0.0.1", "nowhere.invalid").replace("port 0", "port 25");
    home.write(".msmtprc", name, 0o600);
    lastLine(await sendLetter(home, "nobody@mx.example.net"), 75, /exited with status 68: /);
  });
  await t.step("no configuration: 78", async () => {
    using home = msmtpHome(0);
    home.write(".msmtprc", "", 0o600);
    lastLine(await sendLetter(home, "nobody@mx.example.net"), 78, /exited with status 78: /);
  });
});

test("msmtp: the choice of the account", async (t) => {
  const accounts = (from: string, port: number) =>
    `account work\nfrom ${from}\nhost 127.0.0.1\nport ${port}\ndomain work.example\n` +
    `account default\nhost 127.0.0.1\nport ${port}\ndomain default.example\n`;
  const command = (text: string) => text.replace('"/usr/bin/msmtp"', '"/usr/bin/msmtp", "-a", "work"');
  const unchanged = (text: string) => text;
  const table: [what: string, from: string, transport: (text: string) => string, account: string][] = [
    ["the pitfall: the signed sender does not match the account", "greg@example.org", unchanged, "default"],
    ["a pattern that matches it", "SRS0=*=example.org=greg@srs.example.org", unchanged, "work"],
    ["-a in the command selects the account", "greg@example.org", command, "work"],
  ];
  for (const [what, from, transport, account] of table) {
    await t.step(what, async () => {
      await using sink = new Sink();
      using home = msmtpHome(sink.port, transport);
      home.write(".msmtprc", accounts(from, sink.port), 0o600);
      assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
      assert.equal(sink.lines[0], `EHLO ${account}.example`);
      assert.equal((await arrived(sink, 1))[0]!.from, signed(home), "the sender is the shim's");
    });
  }
});
