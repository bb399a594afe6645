/** The sign socket of a real Postfix, with the files of contrib/postfix/milter: whose mail is signed, and how. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { needPostfix, smtp } from "./postfix.ts";
import { installOnce, isPlain, isSigned, letter, MilterHost, names } from "./postfix_milter.ts";
import { ANN, GREG, srs } from "./site.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;

test("the sign socket of Postfix signs only the mail of its logins", async (t) => {
  const installed = await installOnce();
  // The programs that Postfix runs chrooted in Debian's configuration.
  await using host = await MilterHost.start(installed, {
    shared: false,
    chroot: true,
  });
  let count = 0;
  const next = async () => await host.sent(++count);
  const sent = async (login: string | undefined, sender: string, mail: string) => {
    assert.match(await host.submit(login, sender, mail), /^250/, host.trouble());
    return await next();
  };

  let signed = "";
  await t.step("greg is signed: sender, and the tag directly below the Message-ID", async () => {
    const one = await sent(GREG, plain, letter(GREG, "1", "Date: Fri, 20 Nov 2026 10:00:00 +0000\n"));
    isSigned(one);
    assert.deepEqual(names(one.mail), ["From", "To", "Message-ID", "X-Msgauth", "Date", "Subject"]);
    signed = one.mail;
  });

  await t.step("missing fields are added, an invalid tag is replaced", async () => {
    const bare = `X-Msgauth: v1.k1.20000.aaaaaaaa.${"a".repeat(26)}\nFrom: ${plain}\nSubject: Bare\n\nHi\n`;
    const one = await sent(GREG, plain, bare);
    assert.deepEqual(names(one.mail), ["From", "Subject", "Date", "Message-ID", "X-Msgauth"]);
    isSigned(one);
  });

  await t.step("a long field, an empty field and a field without a space are unchanged", async () => {
    const odd = `Empty:\nTight:one\nLong: a\n\tb\n  c\nReceived: from phone by webmail; ${"x".repeat(900)}\n`;
    const one = await sent(GREG, plain, odd + letter(GREG, "odd"));
    isSigned(one);
    for (const line of odd.split("\n")) assert.ok(one.mail.includes(line), `${line} in ${one.mail}`);
    assert.match(one.mail, /^Message-ID: <odd@example\.org>\nX-Msgauth: /m);
  });

  await t.step("a large message with 8-bit text and dots arrives unchanged", async () => {
    const body = `Grüße\n.\n..\n.end\n\n${"Zeile mit ö und Text\n".repeat(200_000)}`;
    const mail = letter(GREG, "large").replace(/^Subject: .*\n[^]*/m, `Subject: Grüße aus Köln\n\n${body}`);
    const one = await sent(GREG, plain, mail);
    isSigned(one);
    assert.equal(fieldOf(one.mail, "Subject"), "Grüße aus Köln");
    assert.ok(one.mail.endsWith(`\n\n${body}`), "the body is unchanged");
  });

  await t.step("mail that is already signed keeps its tag and sender", async () => {
    const sender = srs(GREG);
    const again = signed.replace(/^Received:.*\n(?:[ \t].*\n)*/gm, "");
    const one = await sent(GREG, sender, again);
    assert.equal(one.from, sender);
    assert.equal(fieldOf(one.mail, "X-Msgauth"), fieldOf(signed, "X-Msgauth"));
    isSigned(one);
  });

  await t.step("mail of ann as greg is not signed, nor is mail without a login", async () => {
    for (const login of [ANN, undefined]) isPlain(await sent(login, plain, letter(GREG, `other-${login}`)));
    isPlain(await sent(ANN, `${ANN}@example.org`, letter(GREG, "header")), `${ANN}@example.org`);
    isSigned(await sent(ANN, `${ANN}@example.org`, letter(ANN, "2")), ANN);
  });

  await t.step("RET, ENVID, NOTIFY and ORCPT are preserved", async () => {
    const to = "jo@far.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Jo@far.example";
    assert.match(await host.submit(GREG, `${plain}> RET=HDRS ENVID=abc+2B`, letter(GREG, "3"), to), /^250/);
    const one = await next();
    isSigned(one);
    assert.deepEqual(one.fromParameters.split(" ").filter((word) => /^(?:RET|ENVID)/.test(word)).sort(), [
      "ENVID=abc+2B",
      "RET=HDRS",
    ]);
    assert.deepEqual(one.toParameters, ["ORCPT=rfc822;Jo@far.example NOTIFY=SUCCESS,DELAY"]);
  });

  const sendmail = async (id: string, user = "root", more = "") => {
    const argv = ["/usr/sbin/sendmail", "-f", plain, "jo@far.example"];
    const ran = await host.run(user, argv, letter(GREG, id, more));
    assert.deepEqual([ran.code, ran.stderr], [0, ""], host.trouble());
    return await next();
  };
  await t.step("mail of sendmail(1) is not signed for any user without sign_local", async () => {
    for (const user of ["root", GREG, "www-data"]) isPlain(await sendmail(`local-${user}`, user));
  });

  await t.step("sign_local signs mail of sendmail(1) unless it was relayed to this machine", async () => {
    await host.engine.change((text) => `${text}sign_local = true\n`);
    const one = await sendmail("local-2", GREG);
    isSigned(one);
    assert.match(one.mail, /^Message-ID: .*\nX-Msgauth: /m);
    isPlain(await sendmail("relayed", GREG, "Received: by elsewhere; Fri, 20 Nov 2026 10:00:00 +0000\n"));
    isPlain(await sendmail("delivered", GREG, "Delivered-To: greg@example.org\n"));
    isPlain(await sent(undefined, plain, letter(GREG, "network"))); // mail by SMTP is not local
    // With sign_local every account may sign, as SECURITY.md states; authorized_submit_users limits who may submit.
    isSigned(await sendmail("local-3", "www-data"));
  });

  await t.step("invalid settings leave the previous ones in use", async () => {
    const good = host.home.read("site/config.toml");
    host.engine.settings("nonsense = [");
    await host.engine.reload("kept");
    isSigned(await sendmail("local-4", GREG));
    host.engine.settings(good);
  });

  await t.step("without serve, submission is deferred, and mail of sendmail(1) stays queued", async () => {
    assert.equal(await host.engine.stop(), 0);
    assert.match(await host.submit(GREG, plain, letter(GREG, "4")), /^451/);
    const argv = ["/usr/sbin/sendmail", "-f", plain, "jo@far.example"];
    assert.equal((await host.run(GREG, argv, letter(GREG, "waits"))).code, 0);
    await host.engine.start();
    await host.postfix.flush();
    const one = await next();
    assert.equal(fieldOf(one.mail, "Message-ID"), "<waits@example.org>");
    isSigned(one);
  });
});

test("authorized_submit_users keeps www-data from sending with sign_local", async () => {
  const installed = await installOnce();
  await using host = await MilterHost.start(installed, {
    // Without the macro v, Postfix is not recognized.
    main: "authorized_submit_users = !www-data, static:all\nmilter_connect_macros = j {daemon_name} {daemon_addr} _",
    edit: (name, text) => name === "config" ? `${text}sign_local = true\n` : text,
  });
  const argv = ["/usr/sbin/sendmail", "-f", plain, "jo@far.example"];
  const ran = await host.run("www-data", argv, letter(GREG, "web"));
  assert.notEqual(ran.code, 0);
  assert.equal((await host.run(GREG, argv, letter(GREG, "user"))).code, 0);
  isSigned(await host.sent(1));
  assert.equal(fieldOf(host.sink.accepted[0]!.mail, "Message-ID"), "<user@example.org>");
  // Mail of an outsider as greg on port 25 passes the door, which never signs.
  assert.match(await smtp(host.postfix.port, plain, "jo@far.example", letter(GREG, "outside")), /^250/);
  isPlain(await host.sent(2));

  // A Postfix without the macro v is treated as Sendmail: the tag is near the top.
  const marked = `X-Msgauth: v1.k1.20000.aaaaaaaa.${"a".repeat(26)}\n`;
  const bare = `X: 1\n${marked}From: ${plain}\n${marked}Subject: Bare\n\nHi\n`;
  assert.match(await host.submit(GREG, plain, bare), /^250/);
  const one = await host.sent(3);
  isSigned(one);
  assert.deepEqual(names(one.mail), ["X", "X-Msgauth", "From", "Subject", "Date", "Message-ID"]);
});
