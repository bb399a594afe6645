import assert from "node:assert/strict";
import { bounceEvidence } from "../../hooks/bounce.ts";
import { parseHead } from "../../lib/message.ts";
import { SAMPLES } from "../bounces.ts";
import { ROOT } from "../rig.ts";

function sign(mail: string | Uint8Array): string | undefined {
  const prefix = typeof mail === "string" ? new TextEncoder().encode(mail) : mail;
  return bounceEvidence({ prefix, ...parseHead(prefix, true)! });
}

Deno.test("every real bounce shows a sign", () => {
  for (const name of SAMPLES) {
    assert.notEqual(sign(Deno.readFileSync(`${ROOT}/tests/samples/bounces/${name}`)), undefined, name);
  }
});

Deno.test("what comes from the null sender and is no bounce shows none", () => {
  const good = [
    "From: Jo <jo@b.example>\nSubject: Out of office: Lunch?\nAuto-Submitted: auto-replied\n\nI am away.\n",
    "From: jo@b.example\nSubject: Read: Lunch?\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n",
    "From: jo@b.example\nSubject: Accepted: Lunch\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\n",
    "From: fbl@b.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n",
    "From: jo@b.example\nSubject: Hello\n\nHi. This is me, not a program.\n",
    "From: jo@@b.example, <\nSubject: Hello\n\nThat From is none.\n",
    "From: <>\n\n",
    "Subject: Hello\n\n",
    ...["x.mdaemon", "mdaemon.x", "xbounce", "x.mail.delivery"].map((local) => `From: ${local}@b.example\n\n`),
    ...["Re: failure notice", "Our mail delivery failed"].map((subject) => `Subject: ${subject}\n\n`),
    "Content-Type: text/plain; was=multipart/report\n\n",
    "Content-Type: multipart/reports\n\n",
    "From: jo@b.example\n\nHe wrote: Hi. This is the qmail-send program.\n",
    "From: jo@b.example\nAuto-Submitted: auto-replied\n\n--b\nContent-Type: message/rfc822\n",
    ...["message/rfc822", "message/delivery-status"].map((type) => `\n\nNo field is Content-Type: ${type}\n`),
    ...[";", "; ", ";\n "].flatMap((space) =>
      ["disposition-notification", '"Disposition-Notification"', " feedback-report", "\tfeedback-report"].flatMap((
        kind,
      ) => ["=", " ="].map((equal) => `Content-Type: multipart/report${space}Report-Type${equal}${kind}\n\n`))
    ),
  ];
  for (const mail of good) assert.equal(sign(mail), undefined, mail);
});

Deno.test("each sign alone is enough", () => {
  const bad = {
    "multipart/report": "From: x@y.example\nContent-Type: multipart/report; report-type=delivery-status\n\n",
    "X-Failed-Recipients": "From: x@y.example\nX-Failed-Recipients: a@b.example\n\n",
    "a daemon's From": "From: Mail Delivery Subsystem <x@y.example>\n\n",
    "the Subject of a bounce": "From: x@y.example\nSubject: failure notice\n\n",
    QSBMF: "From: x@y.example\n\nHi. This is the qmail-send program at y.example.\n",
    "message/delivery-status":
      "From: x@y.example\nContent-Type: multipart/mixed\n\n--b\nContent-Type: message/delivery-status\n",
  };
  for (const [expected, mail] of Object.entries(bad)) assert.equal(sign(mail), expected);
});

Deno.test("each sign is known in its spellings", () => {
  const bad = (expected: string, ...mails: string[]) => {
    for (const mail of mails) assert.equal(sign(mail), expected, mail);
  };
  const names = ["Mailer-Daemon", "mailer daemon", "MailerDaemon", "Mail-Daemon", "mail daemon", "maildaemon"];
  bad(
    "a daemon's From",
    ...[...names, "Mail Delivery System", "mail delivery subsystem", "Postmaster"].map((one) =>
      `From: ${one} <x@y.example>\n\n`
    ),
    ...["mailer-daemon", "postmaster", "mdaemon", "MDaemon", "mail.delivery", "MailDelivery-1", "bounce", "bounce-1=x"]
      .map((local) => `From: ${local}@y.example\n\n`),
    "From: mdaemon\n\n",
    "From: jo@b.example, mdaemon@y.example\n\n",
  );
  bad(
    "the Subject of a bounce",
    ...[
      "Undeliverable: x",
      "Undelivered Mail Returned to Sender",
      "Mail delivery failed",
      "Mail Delivery Status",
      "Delivery Status Notification (Failure)",
      "Delivery failure",
      "FAILURE NOTICE",
      "Returned mail: see transcript",
    ].map((subject) => `Subject: ${subject}\n\n`),
  );
  bad(
    "multipart/report",
    ...["", "; boundary=b", "; report-type=x"].map((more) => `Content-Type: Multipart/Report${more}\n\n`),
  );
  bad("QSBMF", "\n\n \n\nHi. This is the y program\n");
  for (const space of [" ", "\t", "  "]) {
    bad("message/delivery-status", `From: x@y.example\n\n--b\ncontent-type:${space}message/delivery-status\n`);
    bad("a returned message", `From: x@y.example\n\n--b\nContent-Type:${space}message/rfc822\n`);
  }
});

const corpus = `${ROOT}/../shared/corpus`;
const index = (() => {
  try {
    return JSON.parse(Deno.readTextFileSync(`${corpus}/index.json`));
  } catch {
    return undefined;
  }
})();

Deno.test({
  name: "bounces of other projects show a sign, answers from the null sender none",
  ignore: index === undefined,
  fn: () => {
    const wrong: string[] = [];
    for (const { file, is_bounce, null_sender } of index) {
      const found = sign(Deno.readFileSync(`${corpus}/${file}`));
      if (is_bounce && found === undefined) wrong.push(`${file}: no sign`);
      if (!is_bounce && null_sender && found !== undefined) wrong.push(`${file}: ${found}`);
    }
    assert.deepEqual(wrong, []);
  },
});
