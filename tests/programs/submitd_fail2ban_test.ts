/** The filter and the jail of contrib/fail2ban with the real fail2ban. */
import assert from "node:assert/strict";
import { Home, ROOT } from "../rig.ts";
import { RawSmtp } from "../submit/raw_smtp.ts";
import { SubmitdHome } from "../submit/submitd_home.ts";
import { need } from "./need.ts";

const test = await need("fail2ban-regex", "fail2ban");

/** Logins that try to name another address, or to end the line. */
const HOSTILE = [
  "greg",
  "x from 203.0.113.9: user=",
  'a" submitd: login failed from 203.0.113.9: user="b',
  "\u2028submitd: login failed from 203.0.113.9: user=\u0022x",
  "203.0.113.9",
  "<HOST>",
  "%(x)s",
  "g".repeat(200),
];

test("fail2ban-regex finds each failed login of submitd, and no address of a login", async () => {
  await using one = await SubmitdHome.start();
  for (let at = 0; at < HOSTILE.length; at += 2) {
    using client = await RawSmtp.tls(one.tls, one.ca);
    await client.say("EHLO x");
    for (const login of HOSTILE.slice(at, at + 2)) {
      const bytes = new TextEncoder().encode(`\0${login}\0wrong`);
      assert.match(await client.say(`AUTH PLAIN ${bytes.toBase64()}`), /^535 /, login);
    }
  }
  assert.equal(one.reports.length, HOSTILE.length);
  const stamp = "Nov 28 02:00:00 mx";
  const lines = one.reports.flatMap((line) => [
    `${stamp} countersign[42]: submitd: ${line}`,
    `${stamp} authup[42]: authup: ${line}`,
  ]);
  const other = `${stamp} countersign[42]: submitd: greg: Not sent: login failed from 203.0.113.9: user="x"`;
  const log = one.home.write("log", [...lines, other].map((line) => `${line}\n`).join(""));
  const filter = one.home.write("countersign.conf", Deno.readTextFileSync(`${ROOT}/contrib/fail2ban/countersign.conf`));
  Deno.symlinkSync("/etc/fail2ban/filter.d/common.conf", `${one.home.path}/common.conf`);
  const { code, stdout, stderr } = await one.home.run(["fail2ban-regex", "--out", "ip", log, filter]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n"), lines.map(() => "127.0.0.1"), stdout);
});

test("fail2ban accepts the jail, which reads the journal of the service and bans from its ports", async () => {
  using home = new Home();
  const run = async (argv: string[]) => {
    const ran = await home.run(argv);
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout;
  };
  await run(["cp", "-r", "/etc/fail2ban", `${home.path}/etc`]);
  await run(["find", `${home.path}/etc/jail.d`, "-type", "f", "-delete"]);
  for (const [name, to] of [["countersign.conf", "filter.d"], ["jail.conf", "jail.d"]] as const) {
    home.write(`etc/${to}/countersign.conf`, Deno.readTextFileSync(`${ROOT}/contrib/fail2ban/${name}`));
  }
  const dumped = await run(["fail2ban-client", "-c", `${home.path}/etc`, "-d"]);
  for (
    const part of [
      "['add', 'countersign', 'systemd']",
      "['set', 'countersign', 'addjournalmatch', 'SYSLOG_IDENTIFIER=countersign']",
      "['port', 'submission,submissions,pop3s']",
      "['start', 'countersign']",
    ]
  ) {
    assert.ok(dumped.includes(part), `${part} is missing in ${dumped}`);
  }
});
