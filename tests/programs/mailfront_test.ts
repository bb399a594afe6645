/**
 * hooks/queue as QMAILQUEUE of the real mailfront, whose backend `qmail` starts it as qmail-smtpd does. It runs outside
 * of its root, because it needs no files but its modules.
 */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { FORGED, LETTER, PLAIN, srs, tagged } from "../serve/at_door.ts";
import { QueueSite } from "./qmail_site.ts";
import { queued } from "./qmail_smtpd.ts";
import { unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("mailfront");

test("mailfront rejects forged bounces, and passes the rest to qmail-queue", async (t) => {
  await using root = await unpack();
  await using site = await QueueSite.start();
  const { home } = site;
  Deno.mkdirSync(`${home.path}/qmail`);
  const modules = ["smtp", "qmail", "accept-sender", "accept-recipient", "add-received"];
  const deliver = async (sender: string, recipient: string, mail: string, env: Record<string, string> = {}) => {
    const commands = ["EHLO b.example", `MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`, "DATA"];
    const input = `${commands.join("\r\n")}\r\n${mail.replaceAll("\n", "\r\n")}.\r\nQUIT\r\n`;
    const ran = await home.run([`${root.path}/usr/sbin/mailfront`, ...modules], input, {
      ...site.env,
      LD_LIBRARY_PATH: `${root.path}/usr/lib:${root.path}/usr/lib/x86_64-linux-gnu`,
      MODULE_PATH: `${root.path}/usr/lib/mailfront`,
      QMAILHOME: `${home.path}/qmail`,
      QMAILQUEUE: `${ROOT}/hooks/queue`,
      QQERRMSG_31: "This is a bounce of a message that was not sent from here",
      PROTO: "TCP",
      TCPREMOTEIP: "192.0.2.1",
      ...env,
    });
    return ran.stdout.split("\r\n").at(-3) ?? ran.stderr;
  };
  const rows: [what: string, sender: string, recipient: string, mail: string, reply: RegExp][] = [
    ["a forged bounce", "", PLAIN, FORGED, /^554 This is a bounce of a message that was not sent from here$/],
    ["a bad hash", "", srs("greg", "mallory"), FORGED, /^554 /],
    ["a valid signed address", "", srs(), FORGED, /^250 /],
    ["a bounce that returns a valid tag", "", PLAIN, tagged(), /^250 /],
    ["a person", "jo@b.example", PLAIN, LETTER, /^250 /],
  ];
  for (const [what, sender, recipient, mail, reply] of rows) {
    await t.step(what, async () => {
      const before = queued(home).map(({ name }) => name);
      assert.match(await deliver(sender, recipient, mail), reply);
      const [one] = queued(home).filter(({ name }) => !before.includes(name));
      if (reply.source.startsWith("^554")) return assert.equal(one, undefined);
      assert.ok(new TextDecoder().decode(one!.message).endsWith(mail), "the message is below the Received fields");
      assert.equal(one!.envelope, `F${sender}\0T${recipient}\0\0`);
    });
  }
  await t.step("a client that may relay is not examined", async () => {
    assert.match(await deliver("", PLAIN, FORGED, { RELAYCLIENT: "" }), /^250 /);
  });
});
