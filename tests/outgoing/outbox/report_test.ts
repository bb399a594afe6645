/** The report to the sender: its parts, and what our own hook says about it. */
import assert from "node:assert/strict";
import PostalMime from "postal-mime";
import { decide } from "../../../io/state/lookups.ts";
import { parseAddress } from "../../../lib/address.ts";
import { concat, decodeLatin1, text, utf8 } from "../../../lib/bytes.ts";
import { parseHead, printHead } from "../../../lib/message.ts";
import type { OutboxRecipient } from "../../../outgoing/outbox/entry.ts";
import { composeReport } from "../../../outgoing/outbox/report.ts";
import { plan } from "../../../outgoing/plan.ts";
import { context, delivery, greg, now } from "../../judging.ts";
import { randomBytes } from "../../random.ts";

const LETTER = "From: greg@example.org\nTo: ann@example.net\nSubject: Grüße\nMessage-ID: <1@example.org>\n\n";

function refused(address: string, reply: string): OutboxRecipient {
  return { address: parseAddress(address), state: "refused", reply, reported: false };
}

/** The report about a message that greg sent, with a tag unless `more` turns it off. */
function reportText(
  recipients: readonly OutboxRecipient[],
  { whole = true, more = "", envid = undefined as string | undefined } = {},
): Uint8Array<ArrayBuffer> {
  const { settings } = context(more);
  const request = { sender: undefined, fullName: "", recipientsFrom: "arguments", dsn: {} } as const;
  const { header } = parseHead(utf8(LETTER), true)!;
  const planned = plan({ ...request, recipients: recipients.map(({ address }) => address) }, header, {
    settings,
    identities: [greg],
    now,
    random: randomBytes(),
  });
  const { head, body } = composeReport({
    owner: greg.address,
    recipients,
    created: now,
    envid,
    header: planned.header,
    message: whole ? concat(printHead(planned.header), utf8("Hi Ann.\n")) : undefined,
  }, { now, unique: "0123456789abcdef", mta: "example.org" });
  return concat(head, body);
}

const ONE = [refused("ann@example.net", "550 5.1.1 Nobody here")];

Deno.test("status codes and diagnostic codes", () => {
  const rows: [reply: string, status: string, diagnostic: string | undefined][] = [
    ["550 5.1.1 Nobody here", "5.1.1", "smtp; 550 5.1.1 Nobody here"],
    ["554 No", "5.0.0", "smtp; 554 No"],
    ["450 4.2.1 Come again", "4.2.1", "smtp; 450 4.2.1 Come again"],
    ["451 later", "4.4.7", "smtp; 451 later"],
    ["/usr/bin/msmtp exited with status 65", "5.0.0", "x-countersign; /usr/bin/msmtp exited with status 65"],
    ["", "5.0.0", undefined],
  ];
  for (const [reply, status, diagnostic] of rows) {
    const mail = text(reportText([refused("ann@example.net", reply)]));
    assert.equal(/^Status: (.*)$/m.exec(mail)?.[1], status, reply);
    assert.equal(/^Diagnostic-Code: (.*)$/m.exec(mail)?.[1], diagnostic, reply);
  }
});

Deno.test("the envelope identifier is decoded (RFC 3461 section 6.3), on one line", () => {
  const rows: [envid: string, shown: string][] = [["QQ314159", "QQ314159"], ["a+2Bb+3D", "a+b="], [
    "x+0D+0AY:+20z",
    "x Y: z",
  ]];
  for (const [envid, shown] of rows) {
    const mail = text(reportText(ONE, { envid }));
    assert.deepEqual(/^Original-Envelope-Id: (.*)\n(.*)$/m.exec(mail)?.slice(1), [
      shown,
      "Reporting-MTA: dns; example.org",
    ]);
  }
});

Deno.test("a MIME reader finds the text, the recipients and the message", async () => {
  const recipients = [...ONE, refused("jörg@example.net", "553 5.6.7 No UTF-8")];
  for (const whole of [true, false]) {
    const mail = await PostalMime.parse(reportText(recipients, { whole }), { rfc822Attachments: true });
    assert.deepEqual([mail.from?.address, mail.to?.[0]?.address], ["greg@example.org", "greg@example.org"]);
    assert.deepEqual([mail.subject, mail.references], ["Undelivered mail", "<1@example.org>"]);
    assert.match(mail.text!, /Subject "Grüße"/);
    assert.match(mail.text!, /<ann@example\.net>:\n {4}550 5\.1\.1 Nobody here\n\n<jörg@example\.net>:\n {4}553/);
    assert.deepEqual(mail.attachments.map(({ mimeType }) => mimeType), [
      "message/global-delivery-status",
      whole ? "message/rfc822" : "text/rfc822-headers",
    ]);
    const returned = text(new Uint8Array(mail.attachments[1]!.content as ArrayBuffer));
    assert.ok(returned.startsWith(LETTER.split("Message-ID")[0]!) && returned.includes("\nX-Msgauth: v1.k1."));
    assert.equal(returned.trimEnd().endsWith("\n\nHi Ann."), whole);
  }
});

Deno.test("our hook calls it genuine by its tag; without one it is a bounce that is not known", async () => {
  for (const whole of [true, false]) {
    const mail = decodeLatin1(reportText(ONE, { whole }));
    const { verdict: { result } } = await decide(delivery(null, "greg@example.org", mail), context());
    assert.equal(result, "genuine");
  }
  const mail = decodeLatin1(reportText(ONE, { more: "[tag]\nsign = false\n" }));
  assert.equal((await decide(delivery(null, "greg@example.org", mail), context())).verdict.result, "forged");
});
