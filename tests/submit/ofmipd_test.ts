/** ofmipd: what a client that has logged in sends leaves like a message from mutt. */
import assert from "node:assert/strict";
import { isThere } from "../../admin/files.ts";
import { fieldOf, Home } from "../rig.ts";
import { nothingSent, stubArguments, stubInput, stubRuns, stubTransport } from "../stub.ts";
import { CHAIN, Talk } from "./talk.ts";
import { SMUGGLED } from "./smuggled.ts";

const OFMIPD = [`${CHAIN}/ofmipd`];
const MAIL =
  "From: greg@example.org\r\nTo: ann@example.net\r\nSubject: Hi\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n";

/** A home with the stub as transport. */
function homeWith(more = "", then?: string): Home {
  const home = new Home();
  home.settings(`${stubTransport(home, then)}${more}`);
  return home;
}

/** Sends one message. @returns the reply to its content */
async function submit(talk: Talk, content: string, from = "greg@example.org"): Promise<string> {
  assert.match(await talk.say(`MAIL FROM:<${from}>`), /^250 /);
  assert.match(await talk.say("RCPT TO:<ann@example.net>"), /^250 /);
  assert.match(await talk.say("DATA"), /^354 /);
  return await talk.say(`${content}.`);
}

Deno.test("a submitted message is signed, and has a Received field above", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: "greg" });
  assert.match(await talk.reply(), /^235 /);
  assert.match(await talk.say("EHLO phone.example"), /250-PIPELINING\n250-8BITMIME/);
  assert.equal(await submit(talk, MAIL), "250 ok");
  assert.match(await talk.say("QUIT"), /^221 /);
  const { code, stderr, rest } = await talk.end();
  assert.deepEqual([code, stderr, rest], [0, "", ""]);
  const [, , sender] = stubArguments(home);
  assert.match(sender!, /^SRS0=.*=example\.org=greg@srs\.example\.org$/);
  const sent = stubInput(home);
  assert.match(sent, /^Received: \(ofmipd 192\.0\.2\.7\); .*\nFrom: greg@example\.org\n/);
  assert.match(fieldOf(sent, "X-Msgauth"), /^v1\.k1\./);
  assert.ok(sent.endsWith("\n\nHello.\n"), sent);
  assert.match(home.read(".local/state/countersign/log"), /login=greg .*result=sent/);
});

Deno.test("a signal, or a line of 20,000 bytes, ends the session; both are answered", async () => {
  for (const [end, reply] of [["signal", /^421 /], ["line", /^500 /]] as const) {
    using home = homeWith();
    await using talk = new Talk(home, OFMIPD);
    await talk.reply();
    if (end === "signal") talk.stop();
    else await talk.send("x".repeat(20_000));
    assert.match(await talk.reply(), reply);
    assert.equal((await talk.end()).code, 0);
  }
});

Deno.test("without authup, ofmipd greets with 220", async () => {
  using home = homeWith();
  home.write("control/me", "mx.example.org\n");
  await using talk = new Talk(home, OFMIPD);
  assert.equal(await talk.reply(), "220 mx.example.org ESMTP");
});

Deno.test("a client that disconnects before the final dot has sent nothing", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) await talk.say(line);
  await talk.send(MAIL);
  assert.equal((await talk.end()).code, 0);
  nothingSent(home);
});

Deno.test("several messages in one session, and a refused one between them", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  assert.equal(await submit(talk, MAIL), "250 ok");
  assert.match(await submit(talk, MAIL.replace("Hello.", "Hel\rlo.")), /^550 5\.6\.0 /);
  assert.equal(await submit(talk, MAIL), "250 ok");
  assert.equal(stubRuns(home), 2);
});

for (const [name, end, accepted] of SMUGGLED) {
  Deno.test(`smuggling by ${name}: one message, or refused`, async () => {
    using home = homeWith();
    await using talk = new Talk(home, OFMIPD);
    await talk.reply();
    const inner =
      "MAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nFrom: ceo@example.org\r\n\r\nPay.\r\n";
    const answer = await submit(talk, `${MAIL.slice(0, -2)}${end}${inner}`);
    assert.match(answer, accepted ? /^250 ok$/ : /^550 5\.6\.0 /);
    assert.match(await talk.say("NOOP"), /^250 /);
    assert.equal((await talk.end()).rest, "");
    assert.equal(stubRuns(home), accepted ? 1 : 0);
    if (accepted) assert.match(stubInput(home), /Hello\.\n\.\nMAIL FROM:<eve@example\.com>\n[^]*Pay\.\n$/);
  });
}

Deno.test("dots are removed where the client doubled them, in packets of any size", async () => {
  using home = homeWith();
  const content = `${MAIL}..\r\n..two\r\n.one\r\n${"x".repeat(200_000)}\r\n..\r\nend\r\n.\r\n`;
  for (const size of [1, 7, 4096]) {
    const part = size === 1 ? content.replace(/x+/, "x") : content;
    await using talk = new Talk(home, OFMIPD);
    await talk.reply();
    for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) await talk.say(line);
    for (let at = 0; at < part.length; at += size) await talk.send(part.slice(at, at + size));
    assert.equal(await talk.reply(), "250 ok");
    assert.match(stubInput(home), /\n\nHello\.\n\.\n\.two\none\nx+\n\.\nend\n$/, `${size}`);
  }
});

Deno.test("QUIT in the packet of the final dot", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) await talk.say(line);
  assert.equal(await talk.say(`${MAIL}.\r\nQUIT`), "250 ok");
  assert.match(await talk.reply(), /^221 /);
  assert.equal(stubRuns(home), 1);
});

const COMMANDS: [line: string, reply: RegExp][] = [
  ["RCPT TO:<ann@example.net>", /^503 /],
  ["DATA", /^503 /],
  ["MAIL greg@example.org", /^555 /],
  ["MAIL FROM:<greg@example.org> RET=HDRS", /^555 /],
  ["MAIL FROM:<greg@example.org> BODY=9BIT", /^501 /],
  ["MAIL FROM:<greg>", /^553 /],
  ["MAIL FROM:<greg@example.org> BODY=8BITMIME SMTPUTF8 SIZE=100 AUTH=<>", /^250 /],
  ["MAIL FROM:<greg@example.org>", /^503 /],
  ["RCPT TO:<>", /^55[35] /],
  ["RCPT TO:<ann@example.net> NOTIFY=NEVER", /^555 /],
  ["RCPT TO:<ann @example.net>", /^55[35] /],
  ["DATA", /^503 /],
  ["RCPT TO:<@relay.example:ann@example.net>", /^250 /],
  ["RSET", /^250 /],
  ["DATA", /^503 /],
  ["VRFY ann", /^252 /],
  ["EXPN list", /^502 /],
];
Deno.test("commands out of order, and parameters that are not supported", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  for (const [line, reply] of COMMANDS) assert.match(await talk.say(line), reply, line);
});

Deno.test("whom a login may send as: by default the identities", async () => {
  const from = (author: string) => MAIL.replace("greg@example.org", author);
  const cases: [check: string, login: string, mailFrom: string, content: string, code: RegExp][] = [
    [
      "identities",
      "greg",
      "eve@example.com",
      MAIL,
      /^550 5\.7\.1 Not sent: "eve@example\.com" is not one of your addresses/,
    ],
    ["identities", "greg", "greg@example.org", from("eve@example.com"), /^550 5\.7\.1 /],
    ["identities", "greg", "", MAIL, /^250 /],
    ["identities", "greg", "greg@example.org", `From: eve@example.com\r\n${MAIL}`, /^550 .*more than one From/],
    ["login", "greg", "greg@other.example", from("greg@other.example"), /^250 /],
    ["login", "greg@example.org", "greg@other.example", MAIL, /^550 /],
    ["login", "greg@example.org", "GREG@example.org", MAIL, /^250 /],
    ["any", "greg", "eve@example.com", from("eve@example.com"), /^250 /],
  ];
  for (const [check, login, mailFrom, content, code] of cases) {
    using home = homeWith(`[submit]\ncheck_sender = "${check}"\n`);
    await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: login });
    await talk.reply();
    assert.match(await submit(talk, content, mailFrom), code, `${check} ${login} ${mailFrom}`);
    assert.equal(stubRuns(home), code.source.startsWith("^250") ? 1 : 0);
  }
});

Deno.test("rules replace envelope sender and From by an identity", async () => {
  using home = homeWith();
  home.write(".ofmipd/rules", "# rules\ngreg@laptop.example:Greg, of Example:greg@example.org:\n");
  const send = async (...args: string[]) => {
    await using talk = new Talk(home, [...OFMIPD, ...args], { AUTHUP_USER: "greg" });
    await talk.reply();
    const answer = await submit(talk, MAIL.replace("greg@example.org", "greg@laptop.example"), "greg@laptop.example");
    return { answer, ...await talk.end() };
  };
  assert.equal((await send()).answer, "250 ok");
  assert.equal(fieldOf(stubInput(home), "From"), '"Greg, of Example" <greg@example.org>');
  assert.match(stubArguments(home)[2]!, /^SRS0=.*=greg@srs\.example\.org$/);
  // The wrapper of seed 003 passes an empty argument to a user without rules.
  assert.match((await send("")).answer, /^550 /);
  assert.equal((await send(home.write("other", "greg@laptop.example:G:greg@example.org:\n"))).answer, "250 ok");
});

Deno.test("wrong rules are reported with their line, and the client gets 451", async () => {
  for (
    const [rules, message] of [
      ["\ngreg@laptop.example:Greg\n", /rules:2: Rule is not of the form key:name:address:/],
      [
        "a@b.example:G:eve@example.com:\n",
        /rules:1: Address "eve@example\.com" does not belong to an identity: add it/,
      ],
    ] as const
  ) {
    using home = homeWith();
    home.write(".ofmipd/rules", rules);
    await using talk = new Talk(home, OFMIPD);
    await talk.reply();
    assert.match(await talk.say("MAIL FROM:<greg@example.org>"), /^451 4\.3\.5 /);
    assert.match((await talk.end()).stderr, message);
  }
});

Deno.test("failures of the transport: permanent ones are 554, others 451", async () => {
  for (const [then, code] of [["exit 65", /^554 /], ["exit 75", /^451 /], ["exit 1", /^451 /]] as const) {
    using home = homeWith("", then);
    await using talk = new Talk(home, OFMIPD);
    await talk.reply();
    assert.match(await submit(talk, MAIL), code, then);
    assert.match(await talk.say("QUIT"), /^221 /);
  }
});

Deno.test("a message with more bytes than DATABYTES, or with too many hops, is refused", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD, { DATABYTES: "10000" });
  await talk.reply();
  assert.match(await talk.say("EHLO me"), /250 SIZE 10000$/);
  assert.match(await talk.say("MAIL FROM:<greg@example.org> SIZE=10001"), /^552 /);
  assert.match(await submit(talk, MAIL + "x".repeat(10_000) + "\r\n"), /^552 5\.3\.4 /);
  assert.match(await submit(talk, `${"Received: x; y\r\n".repeat(101)}${MAIL}`), /^554 5\.4\.6 /);
  nothingSent(home);
});

Deno.test("a user without settings sends unsigned if the site says so, and only as the login if it says that, too", async () => {
  for (const [check, code] of [["identities", /^250 ok$/], ["login", /^550 5\.7\.1 /]] as const) {
    using home = new Home();
    const config = home.write(
      "site.toml",
      `unconfigured = "pass"\n${stubTransport(home)}[submit]\ncheck_sender = "${check}"\n`,
    );
    await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: "eve", COUNTERSIGN_CONFIG: config });
    assert.match(await talk.reply(), /^235 /);
    assert.match(await submit(talk, MAIL), code, check);
    if (check === "identities") {
      assert.deepEqual([stubArguments(home)[2], fieldOf(stubInput(home), "X-Msgauth")], ["greg@example.org", ""]);
    } else nothingSent(home);
  }
});

Deno.test("without usable settings a login gets 451, and the reason is logged, not told", async () => {
  using home = homeWith();
  Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644);
  await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: "greg" });
  await talk.reply();
  const answer = await submit(talk, MAIL);
  assert.equal(answer, "451 4.3.0 The message cannot be sent now, try again later");
  assert.match((await talk.end()).stderr, /Key file is readable by others/);
  nothingSent(home);
});

Deno.test("the Received fields of webmail do not prevent signing; a message that was delivered before is not signed", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: "greg" });
  await talk.reply();
  for (
    const [before, signs] of [
      ["Received: from webmail; now\r\n", true],
      ["Delivered-To: greg@example.org\r\nResent-From: greg@example.org\r\n", false],
    ] as const
  ) {
    assert.equal(await submit(talk, before + MAIL), "250 ok");
    assert.equal(fieldOf(stubInput(home), "X-Msgauth") !== "", signs, before);
    assert.ok(stubInput(home).includes(before.replaceAll("\r\n", "\n")));
  }
});

Deno.test("a phone's message and mutt's have the same form", async () => {
  using home = homeWith();
  const comparable = (text: string) =>
    text.replace(/^(?:Received: \(ofmipd|Date:) .*\n/gm, "").replace(/(?<=^X-Msgauth: v1\.k1\.\d+\.).*$/m, "NONCE.MAC");
  await home.shim(["-f", "greg@example.org", "--", "ann@example.net"], MAIL.replaceAll("\r\n", "\n"));
  const byMutt = [stubArguments(home), comparable(stubInput(home))];
  await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: "greg" });
  await talk.reply();
  assert.equal(await submit(talk, MAIL.replace("To:", "Bcc: bob@example.net\r\nTo:")), "250 ok");
  assert.deepEqual([stubArguments(home), comparable(stubInput(home))], byMutt);
  assert.match(comparable(stubInput(home)), /^X-Msgauth: v1\.k1\.\d+\.NONCE\.MAC$/m);
});

Deno.test("commands may end with a bare LF, as the ofmipd of mess822 accepts; content that needs CRLF may not", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  await talk.send("MAIL FROM:<greg@example.org>\nRCPT TO:<ann@example.net>\nDATA\n");
  for (const code of [/^250 /, /^250 /, /^354 /]) assert.match(await talk.reply(), code);
  await talk.send(MAIL.replaceAll("\r\n", "\n") + "\r\n");
  assert.equal(await talk.say("."), "250 ok");
});

Deno.test("a large message reaches the injector only when it is complete, even if ofmipd is killed", async () => {
  using home = homeWith();
  const content = MAIL + "line of the body\r\n".repeat(20_000);
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) await talk.say(line);
  await talk.send(content);
  const spooled = () => home.read("stub.runs") === "" && isThere(`${home.path}/.local/state/countersign/spool`);
  for (let left = 200; !spooled() && left > 0; left--) await new Promise((done) => setTimeout(done, 20));
  assert.ok(spooled());
  nothingSent(home);
  await talk.kill();
  nothingSent(home);

  await using again = new Talk(home, OFMIPD);
  await again.reply();
  assert.equal(await submit(again, content), "250 ok");
  assert.deepEqual([stubRuns(home), stubInput(home).split("\n").length], [1, content.split("\n").length + 3]);
});
