/** Names of the user do not appear in redacted output, and equal names remain equal. */
import assert from "node:assert/strict";
import { redactor } from "../../admin/redact.ts";
import { CREATED, Home, ROOT, SECRET } from "../rig.ts";
import { conforms } from "./json.ts";

/** [text, redacted], by one redactor in this order */
const ROWS: [string, string][] = [
  ["greg@wooledge.org", "user1@host1.example"],
  ["<Greg@Wooledge.org> and ann@wooledge.org", "<user1@host1.example> and user2@host1.example"],
  ["srs.wooledge.org is below wooledge.org", "srs.host1.example is below host1.example"],
  ["pc7.wooledge.org, pc7.wooledge.org", "sub1.host1.example, sub1.host1.example"],
  [
    "SRS0=uPox6ec7=JR=wooledge.org=greg@srs.wooledge.org",
    "SRS0=HASH=JR=host1.example=user1@srs.host1.example",
  ],
  ["prvs=4711abcdef=greg@wooledge.org", "prvs=TAG=user1@host1.example"],
  ["<20261128.7@pc7.wooledge.org>", "<user3@sub1.host1.example>"],
  ["mailer-daemon@wooledge.org", "mailer-daemon@host1.example"],
  ["/home/greg/.config/countersign/config.toml:3", "~/.config/countersign/config.toml:3"],
  ["/home/greg/Maildir/.Project-X/new", "~/Maildir/name1/new"],
  ["chmod 600 /home/greg/.qmail-lovers", "chmod 600 ~/name2"],
  ["/home/ann/.forward", "/home/user2/.forward"],
  ["/etc/postfix/main.cf: main.cf, incoming.forged, countersign-lookup.socket, README.md", ""],
  ['transport.command = ["/usr/sbin/sendmail"]', ""],
  ["203.0.113.9 and 2001:db8:1::9, 203.0.113.9, 127.0.0.1", "192.0.2.1 and 2001:db8::1, 192.0.2.1, 127.0.0.1"],
  ["time 05:42:01 on 2026-11-28T05:42:01Z", ""],
  ["X-Msgauth: v1.k1.20800.YWJj.ZGVm", "X-Msgauth: v1.(tag)"],
  ["login gwool of mail.isp.co.uk", "login user4 of mail.host2.example"],
  ["polish.example.pl", "sub2.host3.example"],
  [
    "MAIL FROM:<greg@wooledge.org> 550 5.7.1 rejected by mx.isp.co.uk",
    "MAIL FROM:<user1@host1.example> 550 5.7.1 rejected by mx.host2.example",
  ],
];

/** [text, redacted], by one redactor in this order: what hid names from earlier versions. */
const HIDDEN: [string, string][] = [
  ['"ann smith"@wooledge.org and ann@[203.0.113.9]', "user1@host1.example and user2@[192.0.2.1]"],
  ["smtp://smtp.wooledge.org:587, https://wooledge.org/x", "smtp://smtp.host1.example:587, https://host1.example/x"],
  ["greg@bücher.example, bücher.example", "user3@host2.example, host2.example"],
  ["xn--e1afmkfd.xn--p1ai, пример.рф", "host3.example, host4.example"],
  ["'ann'@wooledge.org", "'ann'@host1.example"],
  ["client=203.0.113.9, /203.0.113.9/, at 203.0.113.9.", "client=192.0.2.1, /192.0.2.1/, at 192.0.2.1."],
  ["2a01::1, ::ffff:203.0.113.9, ::1, Mail::SRS", "2001:db8::1, ::ffff:192.0.2.1, ::1, Mail::SRS"],
  ["/etc/mail/gwool.net/x, /mx\\.gwool\\.net$/", "/etc/mail/host5.example/x, /mx.host5.example$/"],
  ["/etc/mail/other.net/x, /usr/lib/x.so", ""],
];

Deno.test("names in quotes, URLs, other scripts, file names and regular expressions are replaced", () => {
  const redact = redactor("/home/greg", [], ["gwool.net", "localhost"]);
  for (const [text, expected] of HIDDEN) assert.equal(redact(text), expected === "" ? text : expected);
});

Deno.test("names are replaced consistently, and other words are kept", () => {
  const redact = redactor("/home/greg", ["gwool", "root"]);
  for (const [text, expected] of ROWS) assert.equal(redact(text), expected === "" ? text : expected);
});

const NAMES = /wooledge|greg|pc7|countersign-[0-9a-f]{8}/i;

Deno.test("doctor and explain --redact name nobody, as text and as JSON", async () => {
  using home = new Home();
  const identity =
    `[[identity]]\naddress = "greg@wooledge.org"\nsrs_domain = "srs.wooledge.org"\nlogins = ["gregory"]\n`;
  home.write(
    ".config/countersign/config.toml",
    `${identity}[transport]\npreset = "sendmail"\ncommand = ["${home.path}/pc7"]\n`,
  );
  home.write(".config/countersign/keys", `k1 ${CREATED} ${SECRET}\n`, 0o644);
  home.write(".forward", '"|/home/greg/countersign/incomin"\n');
  home.write("none.cf", "");
  const mail = home.write(
    "mail",
    "Return-Path: <>\nDelivered-To: greg@wooledge.org\nFrom: mailer-daemon@pc7.example\n" +
      "To: greg@wooledge.org\nSubject: failure\n\nHi. This is the qmail-send program at pc7.wooledge.org.\n",
  );
  const deno = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, "countersign"];
  const run = async (...args: string[]) => {
    const { stdout, stderr, code } = await home.run([...deno, ...args]);
    assert.ok(stderr === "" && [0, 1].includes(code), `${code} ${stderr}${stdout}`);
    return stdout;
  };
  const doctor = ["doctor", "--hook", "/bin/no", "--postconf", "none.cf"];
  assert.match(await run(...doctor), NAMES);
  const text = await run(...doctor, "--redact");
  assert.doesNotMatch(text, NAMES);
  assert.match(text, /^ {2}fix {4}chmod 600 ~\/\.config\/countersign\/keys$/m);
  const report = await run(...doctor, "--redact", "--json");
  assert.doesNotMatch(report, NAMES);
  conforms("doctor --json", JSON.parse(report));

  Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o600);
  assert.match(await run("explain", mail), NAMES);
  for (const more of [[], ["--json"]]) {
    const explained = await run("explain", mail, "--redact", ...more);
    assert.doesNotMatch(explained, NAMES);
    assert.match(explained, /user1@host1\.example/);
    if (more.length > 0) conforms("explain --json", JSON.parse(explained));
  }
});
