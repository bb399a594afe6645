/** What smtp-server leaves open, tried on raw sockets. */
import assert from "node:assert/strict";
import { utf8, utf8ToLatin1 } from "../../lib/bytes.ts";
import { holdFailure } from "../../submit/auth/hold.ts";
import { nothingSent, stubArguments, stubInput, stubRuns } from "../stub.ts";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { SubmitdHome } from "./submitd_home.ts";
import { SMUGGLED } from "./smuggled.ts";

Deno.test("without TLS there is neither AUTH nor mail", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.open(one.port, one.ca);
  assert.doesNotMatch(await client.say("EHLO phone.example"), /AUTH/);
  assert.match(await client.logIn("greg", "secret"), /^500 /);
  assert.match(await client.say("AUTH LOGIN"), /^500 /);
  assert.match(await client.say("MAIL FROM:<greg@example.org>"), /^530 /);
  assert.match(await client.say("RCPT TO:<ann@example.net>"), /^503 /);
  assert.match(await client.say("DATA"), /^503 /);
  nothingSent(one.home);
});

Deno.test("with TLS, but without a login, there is no mail", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.open(one.port, one.ca);
  await client.say("EHLO phone.example");
  await client.startTls();
  await client.say("EHLO phone.example");
  for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) {
    assert.match(await client.say(line), /^530 /, line);
  }
  nothingSent(one.home);
});

Deno.test("commands in the packet of STARTTLS leave nothing", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.open(one.port, one.ca);
  await client.say("EHLO phone.example");
  await client.send("STARTTLS\r\nEHLO x\r\nAUTH PLAIN AGdyZWcAc2VjcmV0\r\nMAIL FROM:<greg@example.org>\r\n");
  assert.match(await client.reply(), /^220 /);
  await client.handshake();
  assert.match(await client.say("NOOP"), /^250 /);
  assert.match(await client.say("MAIL FROM:<greg@example.org>"), /^503 /, "no EHLO, no login");
  await client.say("EHLO phone.example");
  assert.match(await client.say("RCPT TO:<ann@example.net>"), /^530 /);
});

Deno.test("a connection is closed after three failed logins, whatever the mechanism", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO phone.example");
  assert.match(await client.logIn("greg", "wrong"), /^535 /);
  assert.match(await client.say("AUTH LOGIN"), /^334 /);
  assert.match(await client.say(btoa("nobody")), /^334 /);
  assert.match(await client.say(btoa("secret")), /^535 /);
  assert.match(await client.logIn("root", "secret"), /^421 /);
  assert.match(await client.reply(), /\(closed\)$/);
  assert.deepEqual(one.reports, [
    'login failed from 127.0.0.1: user="greg" tries=1',
    'login failed from 127.0.0.1: user="nobody" tries=2',
    'login failed from 127.0.0.1: user="root" tries=3',
  ]);
});

Deno.test("malformed and cancelled logins", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO phone.example");
  for (
    const lines of [
      ["AUTH PLAIN", "*"],
      ["AUTH LOGIN", "*"],
      ["AUTH LOGIN", btoa("greg"), "*"],
      ["AUTH PLAIN !!!!"],
      [`AUTH PLAIN ${btoa("greg\0secret")}`],
      [`AUTH PLAIN ${btoa("\0greg\n\0secret")}`],
    ]
  ) {
    let reply = "";
    for (const line of lines) reply = await client.say(line);
    assert.match(reply, /^501 /, lines.join(" "));
  }
  assert.match(await client.say("AUTH CRAM-MD5"), /^504 /);
  assert.match(await client.logIn("greg", "secret"), /^235 /);
  assert.match(await client.logIn("greg", "secret"), /^503 /);
});

Deno.test("failed logins take equally long: a wrong password, an unknown login, root with the right one", async () => {
  await using one = await SubmitdHome.start();
  const times: number[] = [];
  for (const [user, password] of [["greg", "wrong"], ["nobody", "secret"], ["root", "secret"], ["0", "secret"]]) {
    using client = await RawSmtp.tls(one.tls, one.ca);
    await client.say("EHLO phone.example");
    const begun = Date.now();
    assert.match(await client.logIn(user!, password!), /^535 /);
    times.push(Date.now() - begun);
  }
  for (const time of times) assert.ok(time >= 1000, times.join(" "));
});

Deno.test("a failure is held to a whole number of seconds, whatever the check took", async () => {
  for (const spent of [0, 300, 1700]) {
    const now = Date.now();
    await holdFailure(now - spent);
    const waited = Date.now() - now;
    assert.ok(waited >= 1000 - spent % 1000 - 5, `${spent}: ${waited}`);
    assert.ok(waited < 1000 - spent % 1000 + 900, `${spent}: ${waited}`);
  }
});

Deno.test("commands of smtp-server that have no place here", async () => {
  await using one = await SubmitdHome.start();
  for (const client of [await RawSmtp.open(one.port, one.ca), await RawSmtp.greg(one.tls, one.ca)]) {
    using open = client;
    for (const line of ["WIZ x", "SHELL", "KILL", "XCLIENT ADDR=192.0.2.1", "XFORWARD NAME=x", "BDAT 1"]) {
      assert.match(await open.say(line), /^500 /, line);
    }
  }
});

Deno.test("EHLO offers what is supported, and no DSN: clients use its parameters only where it is offered", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.tls(one.tls, one.ca);
  assert.deepEqual((await client.say("EHLO phone.example")).split("\n").map((line) => line.slice(4)), [
    ...["mx.example.org", "PIPELINING", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN", "SIZE 50000000"],
  ]);
});

Deno.test("parameters of MAIL and RCPT", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  for (
    const [parameters, code] of [
      ["FUTURERELEASE=60", 555],
      ["RET=HDRS", 555],
      ["ENVID=1", 555],
      ["REQUIRETLS", 555],
      ["SIZE=50000001", 552],
      ["SIZE=x", 501],
      ["BODY=BINARYMIME", 501],
      ["BODY=8BITMIME SIZE=10 AUTH=<> SMTPUTF8", 250],
    ]
  ) {
    assert.match(
      await client.say(`MAIL FROM:<greg@example.org> ${parameters}`),
      new RegExp(`^${code} `),
      `${parameters}`,
    );
  }
  for (const parameter of ["NOTIFY=NEVER", "ORCPT=rfc822;ann@example.net"]) {
    assert.match(await client.say(`RCPT TO:<ann@example.net> ${parameter}`), /^555 /, parameter);
  }
  assert.match(await client.say("RCPT TO:<ann@example.net>"), /^250 /);
});

Deno.test("addresses beyond ASCII", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  const umlaut = utf8ToLatin1("jürgen@example.net");
  assert.match(await client.say("MAIL FROM:<greg@example.org>"), /^250 /);
  assert.match(await client.say(`RCPT TO:<${umlaut}>`), /^553 5\.6\.7 /);
  assert.match(await client.say("RCPT TO:<j\xfcrgen@example.net>"), /^553 /, "not UTF-8");
  assert.match(await client.say("RCPT TO:<ann@xn--bcher-kva.example>"), /^250 /);
  assert.match(await client.say('RCPT TO:<"ann b"@example.net>'), /^501 /);
  assert.match(await client.say("RCPT TO:<postmaster>"), /^553 /);
  assert.match(await client.say("DATA"), /^354 /);
  assert.match(await client.say(`${MAIL}.`), /^250 /);
  assert.ok(stubArguments(one.home).includes("ann@xn--bcher-kva.example"), stubArguments(one.home).join(" "));
  assert.match(await client.say("MAIL FROM:<greg@example.org> SMTPUTF8"), /^250 /);
  assert.match(await client.say(`RCPT TO:<${umlaut}>`), /^250 /);
  assert.equal(utf8("ü").length, 2);
});

Deno.test("smuggling: one message, or refused", async (t) => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  const inner =
    "MAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nFrom: ceo@example.org\r\n\r\nPay.\r\n";
  let sent = 0;
  for (const [name, end, accepted] of SMUGGLED) {
    await t.step(name, async () => {
      const answer = await client.submit(`${MAIL.slice(0, -2)}${end}${inner}`);
      assert.match(answer, accepted ? /^250 / : /^550 5\.6\.0 /);
      assert.match(await client.say("NOOP"), /^250 /);
      assert.equal(stubRuns(one.home), sent += accepted ? 1 : 0);
      if (accepted) assert.match(stubInput(one.home), /Hello\.\n\.\nMAIL FROM:<eve@example\.com>\n[^]*Pay\.\n$/);
    });
  }
});

Deno.test("dots are removed where the client doubled them, in packets of any size", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  const content = `${MAIL}..\r\n..two\r\n.one\r\n${"x".repeat(20_000)}\r\n..\r\nend\r\n.\r\n`;
  for (const size of [1, 7, 4096]) {
    const part = size === 1 ? content.replace(/x+/, "x") : content;
    await client.begin();
    for (let at = 0; at < part.length; at += size) await client.send(part.slice(at, at + size));
    assert.match(await client.reply(), /^250 /);
    // RFC 5321 section 4.5.2 wants the dot of ".one" removed as well, which smtp-server does not do.
    assert.match(stubInput(one.home), /\n\nHello\.\n\.\n\.two\n\.?one\nx+\n\.\nend\n$/, `${size}`);
  }
});

Deno.test("commands in the packet of the final dot", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  await client.begin();
  assert.match(await client.say(`${MAIL}.\r\nNOOP`), /^250 2\.0\.0 Ok/);
  assert.match(await client.reply(), /^250 OK/);
  await client.begin();
  assert.match(await client.say(`${MAIL}.\r\nQUIT`), /^250 2\.0\.0 Ok/);
  assert.match(await client.reply(), /^221 /);
  assert.equal(stubRuns(one.home), 2);
});

Deno.test("long messages, lines and commands", async () => {
  await using one = await SubmitdHome.start({ submit: "max_message = 11_000_000" });
  using client = await RawSmtp.greg(one.tls, one.ca);
  const line = "x".repeat(10_000_000);
  assert.match(await client.submit(`${MAIL}${line}\r\n`), /^250 /, one.reports.join("\n"));
  assert.ok(stubInput(one.home).endsWith(`Hello.\n${line}\n`));
  assert.match(await client.submit(`${MAIL}${line}${line}\r\n`), /^552 /);
  assert.match(await client.say("NOOP"), /^250 /);
  assert.equal(stubRuns(one.home), 1);
  await client.send(`NOOP ${"x".repeat(20_000)}\r\n`);
  assert.match(await client.reply(), /^421 /);
});

Deno.test("connections of one address are limited, and are counted down again", async () => {
  await using one = await SubmitdHome.start({ submit: "max_per_address = 3" });
  for (let round = 0; round < 3; round++) {
    const clients = [
      await RawSmtp.open(one.port, one.ca),
      await RawSmtp.tls(one.tls, one.ca),
      await RawSmtp.open(one.port, one.ca),
    ];
    await clients[2]!.say("EHLO x");
    await clients[2]!.startTls(); // which removes smtp-server's and our listeners from the socket
    await assert.rejects(() => RawSmtp.open(one.port, one.ca));
    for (const client of clients) client[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
});

Deno.test("SIGHUP: new connections get the new certificate, and an invalid one changes nothing", async () => {
  await using one = await SubmitdHome.start();
  const { Authority } = await import("../certificates.ts");
  using other = await Authority.make();
  const { cert, key } = await other.leaf("DNS:localhost,IP:127.0.0.1");
  using before = await RawSmtp.greg(one.tls, one.ca);
  one.home.write("key.pem", key, 0o644);
  assert.throws(() => one.server.reload(one.settings()), /readable by others/);
  one.home.write("cert.pem", cert);
  one.home.write("key.pem", key, 0o600);
  one.server.reload(one.settings());
  await assert.rejects(() => RawSmtp.tls(one.tls, one.ca));
  using after = await RawSmtp.tls(one.tls, other.ca);
  using starttls = await RawSmtp.open(one.port, other.ca);
  await starttls.say("EHLO x");
  await starttls.startTls();
  assert.match(await after.say("NOOP"), /^250 /);
  assert.match(await before.submit(MAIL), /^250 /, "the session before goes on");
});
