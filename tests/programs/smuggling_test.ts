/**
 * SMTP smuggling with a real Postfix behind: each way in gets content with what some servers take for its end, and
 * another message behind that. One message leaves Postfix, or the sender is told that none will.
 */
import assert from "node:assert/strict";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { Home } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { RawSmtp } from "../submit/raw_smtp.ts";
import { SMUGGLED } from "../submit/smuggled.ts";
import { SubmitdHome } from "../submit/submitd_home.ts";
import { CHAIN, Talk } from "../submit/talk.ts";
import { freePort, needPostfix, Postfix } from "./postfix.ts";

const test = await needPostfix();

/** What a server that takes the sequence for the end of the message reads as commands, and as a second message. */
const BEHIND =
  "MAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nFrom: ceo@example.org\r\n\r\nPay.\r\n";
/** The end of a message is meant, too, where the content comes from standard input. */
const SEQUENCES = [...SMUGGLED.map(([name, end]) => [name, end] as const), ["\\r\\n.\\r\\n", "\r\n.\r\n"] as const];

/** The content of a message, with a sequence between its text and what is behind. */
const contentOf = (id: string, sequence: string) =>
  `From: greg@example.org\r\nTo: ann@example.net\r\nMessage-ID: <${id}@example.org>\r\n\r\nHello.${sequence}${BEHIND}`;

/** A way to send. @returns whether the message was accepted */
type Way = (content: string) => Promise<boolean>;

test("smuggling: one message reaches Postfix and leaves it, or the message is refused", async (t) => {
  await using sink = new Sink();
  // What Postfix did by default before December 2023: a dot between bare LF ends a message. The other port rejects bare
  // LF.
  const strict = freePort();
  await using postfix = await Postfix.start({
    main: `mynetworks = 127.0.0.0/8\nmydestination =\nrelayhost = [127.0.0.1]:${sink.port}\n` +
      "smtpd_forbid_bare_newline = no\nsmtpd_forbid_unauth_pipelining = no\n",
    master: `127.0.0.1:${strict} inet n - n - - smtpd -o smtpd_forbid_bare_newline=reject\n`,
  });
  const server = (port: number) => `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n`;
  const ways: [string, string][] = [
    ["sendmail(1)", `[transport]\npreset = "sendmail"\ncommand = ["/usr/sbin/sendmail", "-C", "${postfix.config}"]\n`],
    ["SMTP, Postfix that takes bare LF for line ends", server(postfix.port)],
    ["SMTP, Postfix that rejects bare LF", server(strict)],
  ];

  let sent = 0;
  /** Tries all sequences. @param direct whether the sequences are input, not the content of an SMTP session */
  const check = async (what: string, send: Way, direct: boolean) => {
    for (const [name, sequence] of SEQUENCES) {
      if (!direct && sequence === "\r\n.\r\n") continue; // this is the end
      const accepted = await send(contentOf(`${sent}`, sequence));
      const refused = !direct && !SMUGGLED.find(([one]) => one === name)![2];
      assert.equal(accepted, !refused, `${what}: ${name}`);
      if (accepted) sent++;
    }
    const arrived = await sink.until(sent);
    assert.equal(arrived.length, sent, what);
    for (const { from, to, mail } of arrived) {
      assert.match(from, /^SRS0=.*=greg@srs\.example\.org$/, what);
      assert.deepEqual(to, ["ann@example.net"], what);
      assert.match(mail, /\n\nHello\.[^]*MAIL FROM:<eve@example\.com>[^]*Pay\.\n$/, what);
    }
    const ids = arrived.map(({ mail }) => /^Message-ID: (.*)$/m.exec(mail)![1]);
    assert.equal(new Set(ids).size, sent, what);
  };

  for (const [way, transport] of ways) {
    await t.step(`the shim, ${way}`, async () => {
      using home = new Home();
      home.settings(transport);
      await check(way, async (content) => {
        const { code, stderr } = await home.shim(["-i", "ann@example.net"], encodeLatin1(content));
        assert.deepEqual([code, stderr], [0, ""]);
        return true;
      }, true);
    });

    await t.step(`ofmipd, ${way}`, async () => {
      using home = new Home();
      home.settings(transport);
      await using talk = new Talk(home, [`${CHAIN}/ofmipd`], { AUTHUP_USER: "greg" });
      await talk.reply();
      await check(way, async (content) => {
        for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) await talk.say(line);
        const reply = await talk.say(`${content}.`);
        assert.match(reply, /^(?:250 ok$|550 5\.6\.0 )/);
        return reply.startsWith("250");
      }, false);
      assert.match(await talk.say("NOOP"), /^250 /, "nothing was taken for commands");
    });

    await t.step(`submitd, ${way}`, async () => {
      await using one = await SubmitdHome.start({ transport });
      using client = await RawSmtp.greg(one.tls, one.ca);
      await check(way, async (content) => {
        const reply = await client.submit(content);
        assert.match(reply, /^(?:250 |550 5\.6\.0 )/);
        return reply.startsWith("250");
      }, false);
      assert.match(await client.say("NOOP"), /^250 /);
    });
  }

  assert.equal(await postfix.queued(), 0);
  assert.doesNotMatch(postfix.log, /eve@example\.com|bob@example\.net/);
});
