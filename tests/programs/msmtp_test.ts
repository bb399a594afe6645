/** The real msmtp with contrib/msmtp. */
import assert from "node:assert/strict";
import { type Home, oneLine, ROOT } from "../rig.ts";
import { type Answers, deadPort, LATER, REFUSED, Sink } from "../smtp_sink.ts";
import { arrived, carries, injectorHome, sent, signed, write } from "./injectors.ts";
import { need } from "./need.ts";

const test = await need("msmtp");

const CONFIG = `${ROOT}/contrib/msmtp/config.toml`;

/** greg's home as contrib/msmtp says. The server is the sink, which knows neither TLS nor passwords. */
function msmtpHome(port: number, transport = (text: string) => text): Home {
  const home = injectorHome(() => transport(Deno.readTextFileSync(CONFIG)));
  let text = Deno.readTextFileSync(`${ROOT}/contrib/msmtp/msmtprc`);
  const here = {
    "smtp.example.org": "127.0.0.1",
    "port 587": `port ${port}`,
    "tls on": "tls off",
    "auth on": "auth off",
  };
  for (const [from, to] of Object.entries(here)) {
    assert.ok(text.includes(from), from);
    text = text.replaceAll(from, to);
  }
  home.write(".msmtprc", text, 0o600);
  return home;
}

test("msmtp: what arrives", async (t) => {
  await using sink = new Sink();
  using home = msmtpHome(sink.port);
  await carries(t, { home, sink }, {
    quoted: false,
    dash: true,
    nullSender: true,
    nul: true,
    dsn: { from: /^(?!.*ENVID).*RET=HDRS/, to: /^NOTIFY=FAILURE,DELAY$/ },
  });
});

/** [what, the server's answers, what msmtp ends with, what the shim makes of it] */
const ANSWERS: [string, Answers, number, number][] = [
  ["the sender", { from: REFUSED }, 65, 65],
  ["a recipient", { to: REFUSED }, 65, 65],
  ["one of two recipients", { to: (one) => one.startsWith("copy@") ? REFUSED : undefined }, 65, 65],
  ["the data", { data: REFUSED }, 65, 65],
  // From here on permanent and temporary look alike.
  ["the message", { end: REFUSED }, 69, 75],
  ["the sender for now", { from: LATER }, 69, 75],
  ["a recipient for now", { to: LATER }, 69, 75],
  ["the data for now", { data: LATER }, 69, 75],
  ["the message for now", { end: LATER }, 69, 75],
  ["to talk", { greeting: "554 No" }, 76, 75],
  ["to talk for now", { greeting: "421 Busy" }, 76, 75],
];

test("msmtp: the server refuses, and the shim says so", async (t) => {
  await using sink = new Sink();
  using home = msmtpHome(sink.port);
  for (const [what, answers, msmtp, shim] of ANSWERS) {
    await t.step(`${what}: ${msmtp} becomes ${shim}`, async () => {
      sink.answers = answers;
      const ran = await write(home, "nobody@mx.example.net", "copy@mx.example.net");
      oneLine(ran, shim, new RegExp(`^shim: /usr/bin/msmtp exited with status ${msmtp}: `));
      assert.deepEqual(sink.taken, [], "nobody got it");
    });
  }
});

test("msmtp: no server, no name, no configuration", async (t) => {
  await t.step("nobody listens: 75", async () => {
    using home = msmtpHome(deadPort());
    oneLine(await write(home, "nobody@mx.example.net"), 75, /exited with status 75: /);
  });
  await t.step("the name is unknown, as without a network: 68 becomes 75", async () => {
    using home = msmtpHome(0);
    const name = home.read(".msmtprc").replace("127.0.0.1", "nowhere.invalid").replace("port 0", "port 25");
    home.write(".msmtprc", name, 0o600);
    oneLine(await write(home, "nobody@mx.example.net"), 75, /exited with status 68: /);
  });
  await t.step("no configuration: 78", async () => {
    using home = msmtpHome(0);
    home.write(".msmtprc", "", 0o600);
    oneLine(await write(home, "nobody@mx.example.net"), 78, /exited with status 78: /);
  });
});

test("msmtp: which account sends", async (t) => {
  const accounts = (from: string, port: number) =>
    `account work\nfrom ${from}\nhost 127.0.0.1\nport ${port}\ndomain work.example\n` +
    `account default\nhost 127.0.0.1\nport ${port}\ndomain default.example\n`;
  const command = (text: string) => text.replace('"/usr/bin/msmtp"', '"/usr/bin/msmtp", "-a", "work"');
  const as = (text: string) => text;
  const table: [what: string, from: string, transport: (text: string) => string, account: string][] = [
    ["the pitfall: the signed sender is not the account's", "greg@example.org", as, "default"],
    ["a pattern knows it", "SRS0=*=example.org=greg@srs.example.org", as, "work"],
    ["-a in the command, whatever the account says", "greg@example.org", command, "work"],
  ];
  for (const [what, from, transport, account] of table) {
    await t.step(what, async () => {
      await using sink = new Sink();
      using home = msmtpHome(sink.port, transport);
      home.write(".msmtprc", accounts(from, sink.port), 0o600);
      sent(await write(home, "nobody@mx.example.net"));
      assert.equal(sink.lines[0], `EHLO ${account}.example`);
      assert.equal((await arrived(sink, 1))[0]!.from, signed(home), "and the sender stays the shim's");
    });
  }
});
