/**
 * The door of a real Postfix, with the files of contrib/postfix/milter: what is rejected, and what reaches the hook.
 */
import assert from "node:assert/strict";
import { fieldOf, qsbmf } from "../rig.ts";
import { REFUSED } from "../smtp_sink.ts";
import { freePort, needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, isPlain, isSigned, letter, MilterHost } from "./postfix_milter.ts";
import { Client } from "./smtp_session.ts";
import { ANN, GREG, LETTER, LIE, plainSnippet, returning, srs } from "./site.ts";
import { startFar } from "./two_servers.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;
const forged = qsbmf(plain, LIE);

/** A receipt (RFC 8098) for a message that this site has not sent. */
const RECEIPT = `From: Jo <jo@far.example>
To: ${plain}
Subject: Read: Lunch?
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary=b

--b

Your message was displayed.
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; jo@far.example
Original-Message-ID: <unknown@example.org>
Disposition: manual-action/MDN-sent-manually; displayed

--b--
`;

test("the door of Postfix rejects forged mail, and what it cannot reject reaches the hook", async (t) => {
  const installed = await installOnce();
  const near = freePort();
  await using far = await startFar(near, "minimal_backoff_time = 1s\nqueue_run_delay = 1s\n");
  await using host = await MilterHost.start(installed, {
    port: near,
    transports: `away.example=smtp:[127.0.0.1]:${far.port}`,
  });
  let count = 0;
  const arrives = async (result: string) => {
    await until("the message", () => host.inbox().length > count, host.trouble);
    count++;
    assert.equal(host.inbox().length, count);
    const last = host.inbox().at(-1)!;
    assert.equal(fieldOf(last, "X-Countersign").replace(/;.*/, ""), result);
    return last;
  };

  await t.step("an SRS address with a bad hash is rejected at RCPT", async () => {
    for (const sender of ["", "jo@far.example"]) {
      const answer = await smtp(near, sender, srs(GREG, new Date(), "mallory"), LETTER);
      assert.equal(answer, "550-5.1.1 No such address\r\n550 5.1.1 Contact: https://example.org/mail\r\n");
    }
    assert.match(host.log(), / direction=in at=rcpt sender=<> result=forged check=signed-recipient outcome=refused /);
  });

  await t.step("a genuine bounce of another Postfix reaches the mailbox by way of the hook", async () => {
    assert.match(await host.submit(GREG, plain, letter(GREG, "away"), "nobody@away.example"), /^250/);
    const mail = await arrives("genuine");
    assert.match(fieldOf(mail, "X-Countersign"), /^genuine; check=signed-recipient;/);
    assert.match(fieldOf(mail, "From"), /MAILER-DAEMON@mx\.far\.example/);
    assert.match(mail, /^X-Msgauth: /m, "it returns the header that was signed");
  });

  await t.step("a bounce that this host generates is delivered, although Postfix passes it to no milter", async () => {
    host.sink.answers = { to: (one) => one.startsWith("nobody@") ? REFUSED : undefined };
    assert.match(await host.submit(GREG, plain, letter(GREG, "own"), "nobody@far.example"), /^250/);
    assert.match(await arrives("genuine"), /Nobody here by that name/);
  });

  await t.step("at the end of the data only a forged bounce is rejected", async () => {
    assert.match(
      await smtp(near, "", plain, forged),
      /^550-5\.7\.1 This is a bounce of a message that was not sent from here\r\n550 5\.7\.1 Contact: /,
    );
    assert.match(host.log(), / at=data .* result=forged check=forged outcome=refused /);
    assert.match(await smtp(near, "", plain, returning(GREG)), /^250/);
    await arrives("genuine");
    assert.match(await smtp(near, "", plain, RECEIPT), /^250/);
    await arrives("unsolicited");
  });

  await t.step("postmaster and abuse pass through door and hook", async () => {
    for (const role of ["postmaster", "abuse", "Postmaster"]) {
      assert.match(await smtp(near, "", `${role}@srs.example.org`, forged), /^250/);
      await until(role, () => host.inbox().length > count, host.trouble);
      count++;
    }
    assert.deepEqual(host.site.mails(GREG, "Maildir/.Spam"), []);
  });

  await t.step("two recipients from the null sender: the client sends the message twice", async () => {
    const argv = ["/usr/sbin/sendmail", "-C", far.config, "-f", "<>", plain, `${ANN}@example.org`];
    assert.deepEqual(await host.home.run(argv, `To: both@example.org\n${RECEIPT}`), {
      code: 0,
      stdout: "",
      stderr: "",
    });
    await until("greg's", () => host.inbox().length > count, () => host.trouble() + far.log);
    await until("ann's", () => host.inbox(ANN).length === 1, () => host.trouble() + far.log);
    count++;
    assert.match(far.log, /452 4\.5\.3 Bounces are accepted for one recipient at a time/);
    await until("the end", async () => await far.queued() === 0, () => far.log);
    assert.deepEqual([host.inbox().length, host.inbox(ANN).length], [count, 1]);
  });

  await t.step("many recipients from the null sender: Postfix does not end the session", async () => {
    using client = await Client.open(near);
    await client.say("MAIL FROM:<>");
    const replies: string[] = [];
    for (let nth = 0; nth < 30; nth++) replies.push((await client.say(`RCPT TO:<${plain}>`)).slice(0, 3));
    assert.deepEqual(replies.slice(0, 5), ["250", "452", "452", "452", "250"]);
    assert.equal(replies.filter((one) => one === "250").length, 27);
  });

  await t.step("an outsider who writes as greg on port 25 is not signed", async () => {
    assert.match(await smtp(near, plain, "jo@far.example", letter(GREG, "outside")), /^250/);
    isPlain(await host.sent(1));
  });

  const passes = async (what: string, edit: (text: string) => string) => {
    const before = host.engine.home.read("site/config.toml");
    const spam = host.site.mails(GREG, "Maildir/.Spam").length;
    await host.engine.change(edit);
    assert.match(await smtp(near, "", plain, forged), /^250/, what);
    await until("the hook", () => host.site.mails(GREG, "Maildir/.Spam").length === spam + 1, host.trouble);
    await host.engine.change(() => before);
    assert.match(await smtp(near, "", plain, forged), /^550/, what);
  };
  await t.step(
    "a host that does not share the state leaves it to the hook",
    () => passes("not shared", (text) => text.replace("shared = true", "shared = false")),
  );
  await t.step(
    "within the grace period too",
    () => passes("grace", (text) => `since = ${new Date().toISOString().slice(0, 10)}\n${text}`),
  );
  await t.step("with incoming.forged = spam nothing is rejected", async () => {
    await passes("spam", (text) => text.replace('forged = "refuse"', 'forged = "spam"'));
    await host.engine.change((text) => text.replace('forged = "refuse"', 'forged = "spam"'));
    assert.match(await smtp(near, "", srs(GREG, new Date(), "mallory"), forged), /^250/);
  });
});

test("two users share an SRS domain, whose addresses Postfix routes by a map", async () => {
  const installed = await installOnce();
  const maps = `${installed.home.path}/countersign.regexp`;
  Deno.writeTextFileSync(maps, plainSnippet("site/countersign.regexp"));
  const incoming = plainSnippet("site/main.cf").replace("/etc/postfix/countersign.regexp", maps);
  await using host = await MilterHost.start(installed, { incoming });
  for (const [user, other] of [[GREG, ANN], [ANN, GREG]] as const) {
    assert.match(await smtp(host.postfix.port, "", srs(user), qsbmf("x", LIE)), /^250/);
    await until(user, () => host.inbox(user).length === 1, host.trouble);
    assert.match(fieldOf(host.inbox(user)[0]!, "X-Countersign"), /^genuine; check=signed-recipient;/);
    const wrong = srs(user, new Date(), `${other} not a real secret, for tests only`);
    assert.match(await smtp(host.postfix.port, "", wrong, qsbmf("x", LIE)), /^550-5\.1\.1 /);
    assert.match(await host.submit(user, `${user}@example.org`, letter(user, user)), /^250/);
  }
  isSigned(await host.sent(1), GREG);
  isSigned(await host.sent(2), ANN);
});
