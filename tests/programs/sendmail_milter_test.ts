/** Debian's Sendmail with contrib/sendmail/milter: what the door rejects, whose mail is signed, what is delivered. */
import assert from "node:assert/strict";
import { fieldOf, qsbmf } from "../rig.ts";
import { REFUSED } from "../smtp_sink.ts";
import { smtp, until } from "./postfix.ts";
import { installOnce, isPlain, isSigned, letter, names } from "./postfix_milter.ts";
import { ANN, GREG, LETTER, LIE, returning, srs } from "./site.ts";
import { lacking, tests } from "./need.ts";
import { OpenDkim } from "./opendkim.ts";
import { PASSWORDS, sendmail, SendmailHost } from "./sendmail_milter.ts";
import { Client } from "./smtp_session.ts";

const { test, unpack } = await sendmail();
const testWithDkim = (await lacking("opendkim")) === "" ? test : tests("opendkim is not here: install opendkim");
const plain = `${GREG}@example.org`;

test("Sendmail with a role for each port", async (t) => {
  const installed = await installOnce();
  await using root = await unpack();
  await using host = await SendmailHost.start(installed, root);
  let count = 0;
  const sent = async (login: string | undefined, sender: string, mail: string, recipient?: string) => {
    assert.match(await host.submit(login, sender, mail, recipient), /^250/, host.trouble());
    return await host.sent(++count);
  };

  await t.step("an SRS address with a bad hash is rejected at RCPT", async () => {
    for (const sender of ["", "jo@far.example"]) {
      const address = srs(GREG, new Date(), "mallory");
      // Sendmail puts the address in front of the first line.
      assert.equal(
        await smtp(host.port, sender, address, LETTER),
        `550-5.1.1 <${address}>... No such address\r\n550 5.1.1 Contact: https://example.org/mail\r\n`,
      );
    }
  });

  await t.step("a genuine bounce reaches the mailbox by way of the hook", async () => {
    assert.match(await smtp(host.port, "", srs(GREG), qsbmf("x", LIE)), /^250/);
    await until("the bounce", () => host.inbox().length === 1, host.trouble);
    assert.match(fieldOf(host.inbox()[0]!, "X-Countersign"), /^genuine; check=signed-recipient;/);
    await until("the log", () => / sender=<> /.test(host.site.log(GREG)), host.trouble);
  });

  await t.step("at the end of the data only a forged bounce is rejected", async () => {
    assert.match(
      await smtp(host.port, "", plain, qsbmf(plain, LIE)),
      /^550-5\.7\.1 This is a bounce of a message that was not sent from here\r\n550 5\.7\.1 Contact: /,
    );
    assert.match(await smtp(host.port, "", plain, returning(GREG)), /^250/);
    await until("the mailbox", () => host.mbox().includes("X-Msgauth"), host.trouble);
    assert.doesNotMatch(host.mbox(), /lie@spam\.example/);
  });

  await t.step("a second recipient of a bounce is deferred, and the client sends the message again", async () => {
    using client = await Client.open(host.port);
    await client.say("MAIL FROM:<>");
    assert.match(await client.say(`RCPT TO:<${plain}>`), /^250/);
    assert.match(
      await client.say(`RCPT TO:<${ANN}@example.org>`),
      /^452 4\.5\.3 .*Bounces are accepted for one recipient at a time/,
    );
  });

  await t.step("each message of a session has the login of the session", async () => {
    using client = await Client.open(host.submission);
    const secret = new TextEncoder().encode(`\0${GREG}\0${PASSWORDS[GREG]}`).toBase64();
    assert.match(await client.say(`AUTH PLAIN ${secret}`), /^235/);
    for (const id of ["session-1", "session-2"]) {
      for (const line of [`MAIL FROM:<${plain}>`, "RCPT TO:<jo@far.example>", "DATA"]) {
        assert.match(await client.say(line), /^[23]/);
      }
      assert.match(await client.say(`${letter(GREG, id).replaceAll("\n", "\r\n")}.`), /^250/);
      isSigned(await host.sent(++count));
    }
  });

  await t.step("postmaster and abuse pass", async () => {
    for (const [nth, role] of ["postmaster", "abuse"].entries()) {
      assert.match(await smtp(host.port, "", `${role}@srs.example.org`, LETTER), /^250/);
      await until(role, () => host.inbox().length === 2 + nth, host.trouble);
    }
  });

  await t.step("an outsider who writes as greg on port 25 is not signed", async () => {
    const again = `${ANN}@example.org`;
    assert.match(await smtp(host.port, plain, again, letter(GREG, "outside")), /^250/);
    await until("ann's mailbox", () => host.mbox(ANN).includes("<outside@example.org>"), host.trouble);
    assert.doesNotMatch(host.mbox(ANN), /X-Msgauth/);
  });

  await t.step("greg is signed: sender, and the tag above the fields of the message", async () => {
    const one = await sent(GREG, plain, letter(GREG, "1", "Date: Fri, 20 Nov 2026 10:00:00 +0000\n"));
    isSigned(one);
    assert.deepEqual(names(one.mail), ["X-Msgauth", "From", "To", "Message-ID", "Date", "Subject"]);
  });

  await t.step("missing fields are added, an invalid tag is replaced", async () => {
    const bare = `X-Msgauth: v1.k1.20000.aaaaaaaa.${"a".repeat(26)}\nFrom: ${plain}\nSubject: Bare\n\nHi\n`;
    const one = await sent(GREG, plain, bare);
    isSigned(one);
    assert.deepEqual(names(one.mail), ["X-Msgauth", "Date", "Message-Id", "From", "Subject"]);
  });

  await t.step("the Received field of webmail and the order of the fields are preserved", async () => {
    const odd = `Received: from phone by webmail\n\tfor jo; ${"x".repeat(700)}\nTight:one\nLong: a\n\tb\n  c\n`;
    const one = await sent(GREG, plain, odd + letter(GREG, "odd"));
    isSigned(one);
    for (const line of ["Received: from phone by webmail\n\tfor jo;", "Long: a\n\tb\n  c\n"]) {
      assert.ok(one.mail.includes(line), one.mail);
    }
    assert.deepEqual(names(one.mail), ["X-Msgauth", "Date", "Tight", "Long", "From", "To", "Message-ID", "Subject"]);
  });

  await t.step("mail that is already signed keeps its tag and sender", async () => {
    const first = await sent(GREG, plain, letter(GREG, "twice", "Date: Fri, 20 Nov 2026 10:00:00 +0000\n"));
    const again = first.mail.replace(/^Received:.*\n(?:[ \t].*\n)*/gm, "");
    const second = await sent(GREG, first.from, again);
    isSigned(second);
    assert.equal(second.from, first.from);
    assert.equal(fieldOf(second.mail, "X-Msgauth"), fieldOf(first.mail, "X-Msgauth"));
  });

  await t.step("mail of ann as greg is not signed, and mail without a login is rejected", async () => {
    isPlain(await sent(ANN, plain, letter(GREG, "other")));
    isPlain(await sent(ANN, `${ANN}@example.org`, letter(GREG, "header")), `${ANN}@example.org`);
    isSigned(await sent(ANN, `${ANN}@example.org`, letter(ANN, "own")), ANN);
    assert.match(await host.submit(undefined, plain, letter(GREG, "nobody")), /^530 /);
  });

  await t.step("RET, ENVID, NOTIFY and ORCPT are preserved", async () => {
    const to = "jo@far.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Jo@far.example";
    const one = await sent(GREG, `${plain}> RET=HDRS ENVID=abc+2B`, letter(GREG, "dsn"), to);
    isSigned(one);
    const dsn = one.fromParameters.split(" ").filter((word) => /^(?:RET|ENVID)/.test(word)).sort();
    assert.deepEqual(dsn, ["ENVID=abc+2B", "RET=HDRS"]);
    assert.deepEqual(one.toParameters.map((text) => text.split(" ").sort()), [
      ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Jo@far.example"],
    ]);
  });

  await t.step("a bounce of Sendmail itself is delivered through the hook", async () => {
    host.sink.answers = { to: (one) => one.startsWith("nobody@") ? REFUSED : undefined };
    const before = host.inbox().length;
    assert.match(await host.submit(GREG, plain, letter(GREG, "bounces"), "nobody@far.example"), /^250/);
    await until("the bounce", () => host.inbox().length > before, host.trouble);
    const mail = host.inbox().find((one) => one.includes("<bounces@example.org>"))!;
    assert.match(fieldOf(mail, "X-Countersign"), /^genuine; check=signed-recipient;/);
    assert.match(mail, /Nobody here by that name/);
    assert.match(mail, /^X-Msgauth: /m);
  });

  await t.step("without serve, port 25 accepts, and submission is deferred", async () => {
    assert.equal(await host.engine.stop(), 0);
    assert.match(
      await host.submit(GREG, plain, letter(GREG, "down")),
      /^4\d\d /,
      host.trouble().split("\n").slice(-30).join("\n"),
    );
    assert.match(await smtp(host.port, "", srs(GREG, new Date(), "mallory"), qsbmf("x", LIE)), /^250/);
    const spam = () => host.site.mails(GREG, "Maildir/.Spam").length;
    await until("the hook", () => spam() === 1, host.trouble);
    await host.engine.start();
    isSigned(await sent(GREG, plain, letter(GREG, "up")));
    assert.equal(host.sink.accepted.length, count);
  });
});

testWithDkim("opendkim after countersign in Sendmail: its signature covers the tag", async () => {
  const installed = await installOnce();
  await using root = await unpack();
  await using dkim = await OpenDkim.start();
  await using host = await SendmailHost.start(installed, root, dkim.port);
  const mails = [
    letter(GREG, "dkim", "Date: Fri, 20 Nov 2026 10:00:00 +0000\n"),
    `From: ${plain}\nSubject: Bare\n\nHi\n`,
  ];
  for (const [nth, mail] of mails.entries()) {
    assert.match(await host.submit(GREG, plain, mail), /^250/, host.trouble());
    const one = await host.sent(nth + 1);
    isSigned(one);
    const covered = dkim.verify(one.data).map((name) => name.toLowerCase());
    for (const name of ["from", "date", "message-id", "x-msgauth"]) assert.ok(covered.includes(name), `${covered}`);
  }
});
