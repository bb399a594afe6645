/** The real OpenSMTPD with contrib/opensmtpd: bounces to signed addresses reach the mailbox through the hook. */
import assert from "node:assert/strict";
import { Page } from "../page.ts";
import { FORGED, LETTER, PLAIN, srs } from "../serve/at_door.ts";
import { Sink } from "../smtp_sink.ts";
import { LookupEngine } from "./at_lookup.ts";
import { snippet } from "./letters.ts";
import { OpenSmtpd, opensmtpd, SMTPD } from "./opensmtpd.ts";
import { Installed } from "./installation.ts";
import { smtp, until } from "./postfix.ts";
import { Client } from "./smtp_session.ts";
import { hookHome } from "./unpacked.ts";

const { test, unpack } = await opensmtpd();

test("OpenSMTPD passes the SRS domain to the hook", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using installed = await Installed.make();
  using home = hookHome(root);
  await using server = new OpenSmtpd(root, installed);
  await using engine = new LookupEngine(server.socket, SMTPD, "joe@example.org");
  await engine.start();
  const lines = snippet("opensmtpd/smtpd.conf", {
    "/usr/local/lib/countersign/hooks/opensmtpd": server.filter,
    "/usr/local/lib/countersign/hooks/incoming": installed.hook,
    "0.0.0.0 port 25": `127.0.0.1 port ${server.port}`,
    "/home/greg": home.path,
  });
  await server.start(
    `${lines}action "relay" relay host "smtp://127.0.0.1:${sink.port}"\nmatch from any for any action "relay"\n`,
    [home.path],
  );
  const trouble = () => `${server.log()}\n${home.read(".local/state/countersign/log")}`;

  await t.step("docs/opensmtpd.md: the reply to a wrong address", async () => {
    const page = new Page("docs/opensmtpd.md");
    using client = await Client.open(server.port);
    const replies = [];
    for (const line of page.session()) replies.push(await client.say(line));
    assert.match(replies[2]!, page.reply("The reply to RCPT is"));
    const checked = await root.run(home, [
      "/usr/sbin/smtpd",
      ...page.code("name the filter on the listener for port 25. 3.").split(" ").slice(1),
      "-f",
      "/etc/smtpd.conf",
    ]);
    assert.equal(checked.code, 0, checked.stderr);
  });
  await t.step("a genuine bounce", async () => {
    assert.match(await smtp(server.port, "", srs(), FORGED), /^250 /);
    await until("the bounce", () => home.mails("Maildir").length === 1, trouble);
    assert.match(home.mails("Maildir")[0]!, /^Subject: failure notice$/m);
    assert.deepEqual(home.mails("Maildir/.Spam"), []);
  });
  await t.step("while serve is down, the hook files what the door would have rejected", async () => {
    await engine.stop();
    assert.match(await smtp(server.port, "", srs("greg", "mallory"), FORGED), /^250 /);
    await until("the forgery", () => home.mails("Maildir/.Spam").length === 1, trouble);
    await engine.start();
  });
  await t.step("with an error of its settings the hook defers, and the message stays queued", async () => {
    Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644);
    assert.match(await smtp(server.port, "", srs(), `X-Second: yes\n${FORGED}`), /^250 /);
    await until("TempFail", () => /TempFail/.test(server.log()), trouble);
    assert.equal(home.mails("Maildir").length, 1);
  });
  await t.step("other mail is not affected", async () => {
    const before = sink.accepted.length;
    assert.match(await smtp(server.port, "jo@b.example", PLAIN, LETTER), /^250 /);
    await until("the letter", () => sink.accepted.length === before + 1, trouble);
    assert.ok(server.runs);
  });
});
