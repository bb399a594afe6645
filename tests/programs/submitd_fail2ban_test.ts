/** The filter of contrib/fail2ban with the real fail2ban-regex. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
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
