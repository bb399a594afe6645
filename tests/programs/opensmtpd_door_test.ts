/** The real OpenSMTPD with the filter of contrib/opensmtpd, and the socket `lookup` of an engine. */
import assert from "node:assert/strict";
import { qsbmf } from "../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs, tagged } from "../serve/at_door.ts";
import { Sink } from "../smtp_sink.ts";
import { LookupEngine, sendDuringRestarts } from "./at_lookup.ts";
import { OpenSmtpd, opensmtpd, SMTPD } from "./opensmtpd.ts";
import { Installed } from "./installation.ts";
import { smtp, until } from "./postfix.ts";
import { Client, dotted } from "./smtp_session.ts";

const { test, unpack } = await opensmtpd();
const CONTACT = 'joe ("postmaster"), joe@example.org | x';

const refused = (status: string, text: string) => `550 ${status} ${text}. Contact: ${CONTACT}\r\n`;
const forged = refused("5.7.1", "This is a bounce of a message that was not sent from here");
const noAddress = refused("5.1.1", "No such address");
const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));

const crlf = (mail: string) => mail.replaceAll("\n", "\r\n");

/** The part of a relayed message that the client sent: OpenSMTPD adds a Received field. */
const sentPart = (data: string) => data.replace(/^Received:.*\r\n(?:[ \t].*\r\n)*/, "");

test("OpenSMTPD rejects what the door would reject, and passes the rest", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using installed = await Installed.make();
  await using server = new OpenSmtpd(root, installed);
  await using engine = new LookupEngine(server.socket, SMTPD, CONTACT);
  await engine.start();
  // Without the limit, smtpd opens a new connection after 100 messages, and waits before it does.
  await server.start(`mta limit session-mail-max 1000
filter "countersign" proc-exec "${server.filter}"
listen on 127.0.0.1 port ${server.port} filter "countersign"
action "relay" relay host "smtp://127.0.0.1:${sink.port}"
match from any for any rcpt-to "nobody@site.example" reject
match from any for any action "relay"
`);
  const rows: [what: string, sender: string, recipient: string, mail: string, expected: string | RegExp][] = [
    ["a bad hash", "", srs("greg", "mallory"), FORGED, noAddress],
    ["a bad hash, from a person", "jo@b.example", srs("greg", "mallory"), LETTER, noAddress],
    ["a forged bounce to the plain address", "", PLAIN, FORGED, forged],
    ["a forged bounce with a source route", "", `@relay.example:${PLAIN}`, FORGED, forged],
    ["a forged bounce with lines that begin with dots", "", PLAIN, `${FORGED}.\n..\n.x\n`, forged],
    [
      "an address that has moved",
      "jo@b.example",
      "ann@example.org",
      LETTER,
      `551 5.1.6 The address has changed, please write to <ann@example.net>. Contact: ${CONTACT}\r\n`,
    ],
    ["a valid signed address", "", srs(), FORGED, /^250 /],
    ["a bounce that returns a valid tag", "", PLAIN, tagged(), /^250 /],
    ["a bounce of a remembered message", "", PLAIN, known, /^250 /],
    ["a person", "jo@b.example", PLAIN, LETTER, /^250 /],
    ["parameters of MAIL and RCPT", "jo@b.example> BODY=8BITMIME", `${PLAIN}> NOTIFY=NEVER`, LETTER, /^250 /],
    ["an unrelated recipient", "", "joe@b.example", FORGED, /^250 /],
  ];
  for (const [what, sender, recipient, mail, expected] of rows) {
    await t.step(what, async () => {
      const reply = await smtp(server.port, sender, recipient, mail);
      if (typeof expected === "string") assert.equal(reply, expected, server.log());
      else assert.match(reply, expected, server.log());
    });
  }

  await t.step("a bounce is accepted for one recipient at a time, and the session continues", async () => {
    using client = await Client.open(server.port);
    const said = [];
    for (
      const line of [
        ...["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`, "RCPT TO:<joe@b.example>"],
        ...["RSET", "MAIL FROM:<>", "RCPT TO:<joe@b.example>", `RCPT TO:<${PLAIN}>`],
        // smtpd rejects nobody after it has asked the filter.
        ...["RSET", "MAIL FROM:<>", "RCPT TO:<nobody@site.example>", `RCPT TO:<${PLAIN}>`, "RCPT TO:<joe@b.example>"],
        ...["RSET", "MAIL FROM:<jo@b.example>", `RCPT TO:<${PLAIN}>`, "RCPT TO:<joe@b.example>"],
      ]
    ) said.push((await client.say(line)).slice(0, 3));
    assert.equal(said.join(" "), "250 250 452 250 250 250 452 250 250 550 250 452 250 250 250 250");
    await client.say("DATA");
    assert.match(await client.say(`${dotted(LETTER)}.`), /^250 /);
  });

  await t.step("where no message may be rejected, no recipient is deferred", async () => {
    engine.share(false);
    using client = await Client.open(server.port);
    for (const line of ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`, "RCPT TO:<joe@b.example>"]) {
      assert.match(await client.say(line), /^250 /);
    }
    await client.say("DATA");
    assert.match(await client.say(`${dotted(FORGED)}.`), /^250 /);
    engine.share(true);
    assert.equal(await smtp(server.port, "", PLAIN, FORGED), forged);
  });

  await t.step("a forgery after a genuine bounce in the same session is rejected", async () => {
    using client = await Client.open(server.port);
    for (const [mail, expected] of [[known, /^250 /], [FORGED, /^550 5\.7\.1 /], [known, /^250 /]] as const) {
      for (const line of ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`, "DATA"]) assert.match(await client.say(line), /^[23]/);
      assert.match(await client.say(`${dotted(mail)}.`), expected);
    }
  });

  await t.step("serve stops in the middle of a session: mail passes, and the filter finds it again", async () => {
    const before = sink.accepted.length;
    using client = await Client.open(server.port);
    for (const line of ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`]) assert.match(await client.say(line), /^250 /);
    await engine.stop();
    await client.say("DATA");
    const mail = `Message-ID: <bounce@b.example>\n${FORGED}`; // OpenSMTPD adds one if it is missing
    assert.match(await client.say(`${dotted(mail)}.`), /^250 /);
    await until("the message", () => sink.accepted.slice(before).some(({ data }) => sentPart(data) === crlf(mail)));
    assert.match(await smtp(server.port, "jo@b.example", srs("greg", "mallory"), LETTER), /^250 /);
    await engine.start();
    assert.equal(await smtp(server.port, "", PLAIN, FORGED), forged);
    assert.ok(server.runs, server.log());
  });

  await t.step("serve hangs: the first session waits, later ones do not", async () => {
    await engine.stop();
    engine.hang();
    const start = Date.now();
    assert.match(await smtp(server.port, "", PLAIN, FORGED), /^250 /);
    const waited = Date.now() - start;
    assert.ok(waited >= 4900 && waited < 12_000, `${waited} ms`);
    assert.equal(engine.held, 1);
    for (let count = 0; count < 3; count++) assert.match(await smtp(server.port, "", PLAIN, FORGED), /^250 /);
    assert.ok(Date.now() - start - waited < 3000);
    assert.equal(engine.held, 1);
    await engine.stop();
    await engine.start();
    await until(
      "the filter to ask again",
      async () => await smtp(server.port, "", PLAIN, FORGED) === forged,
      server.log,
    );
  });

  await t.step("clients disconnect during a query, and smtpd continues", async () => {
    await engine.stop();
    engine.hang();
    const clients: Client[] = [];
    for (let count = 0; count < 5; count++) clients.push(await Client.open(server.port));
    await Promise.all(clients.map(async (client) => {
      assert.match(await client.say("MAIL FROM:<>"), /^250 /);
      await client.connection.write(new TextEncoder().encode(`RCPT TO:<${PLAIN}>\r\n`));
    }));
    await until("the questions", () => engine.held === 5, server.log);
    for (const client of clients) client.connection.close();
    // The answers follow after 5 seconds, for sessions that no longer exist.
    await new Promise((done) => setTimeout(done, 6000));
    assert.ok(server.runs, server.log());
    await engine.stop();
    await engine.start();
    await until(
      "the filter to ask again",
      async () => await smtp(server.port, "", PLAIN, FORGED) === forged,
      server.log,
    );
    assert.ok(server.runs, server.log());
  });

  await t.step("separators in addresses, long lines and control characters", async () => {
    for (const address of ["a|b@b.example", '"a|b"@b.example', "a|filter-result|x@b.example"]) {
      assert.match(await smtp(server.port, address, PLAIN, LETTER), /^[25]/);
    }
    const before = sink.accepted.length;
    const mail = `Message-ID: <odd@b.example>\n${FORGED}\t|\x01|\x7f\xa0\n${"|".repeat(990)}\n`;
    assert.equal(await smtp(server.port, "", PLAIN, mail), forged);
    assert.match(await smtp(server.port, "jo@b.example", "joe@b.example", mail), /^250 /);
    await until("the message", () => sink.accepted.slice(before).some(({ data }) => data.includes("odd@b.example")));
    assert.ok(server.runs, server.log());
  });

  await t.step(
    "serve stops and starts while 100 messages arrive: none is lost or doubled, and none of a person refused",
    async () => {
      const sent = await sendDuringRestarts(engine, server.port, PLAIN);
      for (const { isForged, reply } of sent) if (!isForged || reply !== forged) assert.match(reply, /^250 /);
      const expected = sent.filter(({ reply }) => reply.startsWith("250 ")).map(({ field }) => field);
      const got = () => sink.accepted.flatMap(({ data }) => /^X-Restart: .*(?=\r)/m.exec(data)?.[0] ?? []);
      await until("the messages", () => got().length >= expected.length, server.log);
      assert.deepEqual(got().sort(), expected.sort());
      assert.ok(server.runs, server.log());
    },
  );

  await t.step("500 messages in 20 sessions arrive once and byte for byte; forged bounces do not", async () => {
    const expected = new Set<string>();
    // One after the other, because smtpd has a backlog of 5 connections.
    const clients: Client[] = [];
    while (clients.length < 20) clients.push(await Client.open(server.port));
    await Promise.all(clients.map(async (client, session) => {
      for (let number = 25 * session; number < 25 * (session + 1); number++) {
        const isForged = number % 25 === session;
        const head = `X-Number: ${number}\nDate: Sat, 28 Nov 2026 01:00:00 +0000\n`; // smtpd adds a missing Date
        const mail = `${head}${isForged ? FORGED : LETTER}.\n..two\n|pipe|\n${"line\n".repeat(number)}`;
        const commands = [`MAIL FROM:<${isForged ? "" : `jo${number}@b.example`}>`, `RCPT TO:<${PLAIN}>`, "DATA"];
        for (const line of commands) assert.match(await client.say(line), /^[23]/);
        const reply = await client.say(`${dotted(mail)}.`);
        if (isForged) assert.equal(reply, forged);
        else {
          assert.match(reply, /^250 /);
          expected.add(crlf(mail));
        }
      }
      client[Symbol.dispose]();
    }));
    assert.equal(expected.size, 480);
    const got = () => sink.accepted.map(({ data }) => sentPart(data)).filter((data) => data.startsWith("X-Number: "));
    for (const most of [240, 480]) await until(`${most} messages`, () => got().length >= most, server.log);
    assert.deepEqual(new Set(got()), expected);
    assert.equal(got().length, 480);
    assert.ok(server.runs, server.log());
    assert.deepEqual(engine.reports, []);
  });
});
