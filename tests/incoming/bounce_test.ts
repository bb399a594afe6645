import assert from "node:assert/strict";
import { bounceEvidence } from "../../incoming/bounce.ts";
import { decodeLatin1, encodeLatin1, utf8 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { SAMPLES } from "../bounces.ts";
import { ROOT } from "../rig.ts";

function evidence(mail: string | Uint8Array<ArrayBuffer>, nullSender = true): string | undefined {
  const prefix = typeof mail === "string" ? utf8(mail) : mail;
  return bounceEvidence({ prefix, ...parseHead(prefix, true)! }, nullSender);
}

/** A multipart with boundary b; each part is a header, an empty line and content. */
const multipart = (kind: string, ...parts: string[]) =>
  `Content-Type: multipart/${kind}; boundary=b\n\n${parts.map((part) => `--b\n${part}\n`).join("")}--b--\n`;
const TEXT = "Content-Type: text/plain\n\n";
const ORIGINAL =
  "Content-Type: message/rfc822\n\nFrom: greg@example.org\nSubject: Hello\nMessage-ID: <1@example.org>\n\nhi\n";
const STATUS =
  "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.b.example\n\nAction: failed\nStatus: 5.1.1\n";
const base64 = (text: string) => utf8(text).toBase64().replace(/.{76}/g, "$&\n");

Deno.test("every recorded bounce is recognized", () => {
  for (const name of SAMPLES) {
    assert.notEqual(evidence(Deno.readFileSync(`${ROOT}/tests/samples/bounces/${name}`)), undefined, name);
  }
});

Deno.test("challenges are not bounces", () => {
  for (const { name } of Deno.readDirSync(`${ROOT}/tests/samples/challenges`)) {
    if (!name.endsWith(".eml")) continue;
    assert.equal(evidence(Deno.readFileSync(`${ROOT}/tests/samples/challenges/${name}`)), undefined, name);
  }
});

/** Shortened bounces of many mail systems. */
const BOUNCES: Record<string, string> = {
  "RFC 3464": `From: a@b.example\n${
    multipart("report; report-type=delivery-status", `${TEXT}sorry`, STATUS, ORIGINAL)
  }`,
  "RFC 6533": `From: a@b.example\n${
    multipart("report; report-type=delivery-status", `${TEXT}sorry`, STATUS.replace("delivery", "global-delivery"))
  }`,
  "a status part in a report of another report-type": `From: a@b.example\n${
    multipart("report; report-type=disposition-notification", `${TEXT}sorry`, STATUS)
  }`,
  "a status part below another multipart": `From: a@b.example\n${
    multipart(
      "mixed",
      `Content-Type: multipart/report; boundary=c\n\n--c\n${TEXT}sorry\n--c\n${STATUS}\n--c--`,
      `${TEXT}footer`,
    )
  }`,
  "a status part beside a receipt": `From: a@b.example\n${
    multipart("report", `${TEXT}sorry`, "Content-Type: message/disposition-notification\n\nDisposition: x", STATUS)
  }`,
  "a status part in base64": `From: a@b.example\n${
    multipart(
      "mixed",
      `${TEXT}sorry`,
      `Content-Type: Message/Delivery-Status\nContent-Transfer-Encoding: base64\n\n${base64("Status: 5.1.1\n")}`,
    )
  }`,
  "a report in the second Content-Type field": `From: a@b.example\nContent-Type: text/plain\n${
    multipart("report", `${TEXT}sorry`, STATUS)
  }`,
  "a status part after a wrong boundary": `From: a@b.example\n${
    multipart("mixed", `${TEXT}sorry`, STATUS).replace("boundary=b", "boundary=x")
  }`,
  "a status part without a Content-Type field": `From: a@b.example\n${
    multipart("mixed", `${TEXT}sorry`, STATUS).replace(/^Content-Type: multipart.*\n/, "")
  }`,
  "report-type in continuations (RFC 2231)":
    `From: a@b.example\nContent-Type: multipart/report; boundary=b;\n report-type*0="delivery-";\n report-type*1=status\n\n`,
  "report-type encoded":
    "From: a@b.example\nContent-Type: multipart/report; boundary=b; report-type*=us-ascii''delivery%2Dstatus\n\n",
  "X-Failed-Recipients": "From: a@b.example\nX-Failed-Recipients: x@b.example\n\nsorry\n",

  qmail: "From: MAILER-DAEMON@b.example\nSubject: failure notice\n\nHi. This is the qmail-send program at b.example.\n",
  "qmail's wording from another program": "From: x@b.example\n\n\n \nHi. This is the deliver program at b.example.\n",
  Exim:
    "From: Mail Delivery System <Mailer-Daemon@b.example>\nSubject: Mail delivery failed: returning message to sender\nAuto-Submitted: auto-replied\n\nThis message was created automatically by mail delivery software.\n",
  "Exim, delayed":
    "From: Mail Delivery System <Mailer-Daemon@b.example>\nSubject: Warning: message 1abc-2-3 delayed 24 hours\nAuto-Submitted: auto-replied\n\nThis message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on b.example.\n",
  Postfix: "From: x@b.example\n\nThis is the mail system at host mx.b.example.\n\nI'm sorry to have to inform you\n",
  "old Postfix": "From: x@b.example\n\nThis is the Postfix program at host mx.b.example.\n",
  Sendmail:
    "From: Mail Delivery Subsystem <x@b.example>\nSubject: Returned mail: User unknown\n\nThe original message was received at Thu\n\n   ----- The following addresses had permanent fatal errors -----\n<x@b.example>\n",
  "Sendmail, delayed":
    "From: x@b.example\nSubject: Warning: could not send message for past 4 hours\n\n    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    **********************************************\n",
  "Sendmail 5":
    "From: x@b.example\n\n   ----- Transcript of session follows -----\n550 <x@b.example>... User unknown\n",
  OpenSMTPD:
    "From: Mailer Daemon <x@b.example>\n\n    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this e-mail.\n",
  dma:
    "From: MAILER-DAEMON <>\nSubject: Mail delivery failed\n\nThis is the DragonFly Mail Agent v0.13 at b.example.\n",
  "Exchange 5.5":
    "From: System Administrator <postmaster@b.example>\nSubject: Undeliverable: Hello\n\nYour message\n\n  To:      x@b.example\n  Subject: Hello\n\ndid not reach the following recipient(s):\n\nx@b.example on Thu\n",
  "Exchange, HTML":
    `From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@b.example>\nSubject: Undeliverable: Hello\nContent-Type: text/html\n\n<html><body><p><b>Delivery has failed to these recipients or groups:</b></p><br>x@b.example<br>Generating server: mx.b.example<br></body></html>\n`,
  "Exchange in German": `From: postmaster@b.example\nSubject: =?utf-8?Q?Unzustellbar:_Gr=C3=BC=C3=9Fe?=\n${
    multipart("mixed", `${TEXT}Fehler bei der Nachrichtenzustellung`, ORIGINAL)
  }`,
  "Office 365":
    `From: postmaster@b.example\nSubject: Undeliverable: Hello\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${
      base64(
        "<p>Your message to x@b.example couldn't be delivered.</p><p>x wasn't found at b.example.</p><p>550 5.1.10 RESOLVER.ADR.RecipientNotFound</p>",
      )
    }\n`,
  "HTML, with character references":
    "From: a@b.example\nContent-Type: text/html\n\n<p>送信でき</p><p>550 no such user</p>\n".replace(
      /[^\0-\x7f]/g,
      (char) => `&#${char.codePointAt(0)};`,
    ),
  Gmail:
    "From: x@b.example\n\n** Address not found **\n\nYour message wasn't delivered to x@b.example because the address couldn't be found.\n",
  "old Gmail":
    "From: x@b.example\n\nDelivery to the following recipient failed permanently:\n\n     x@b.example\n\nTechnical details of permanent failure:\n",
  Yahoo:
    "From: x@b.example\n\nSorry, we were unable to deliver your message to the following address.\n\n<x@b.example>:\n",
  Courier:
    "From: x@b.example\n\nThis is a delivery status notification from mx.b.example,\nrunning the Courier mail server, version 0.60.\n",
  "old Courier":
    "From: x@b.example\n\n           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<x@b.example>:\n",
  MDaemon:
    "From: MDaemon@b.example\nSubject: Permanent Delivery Failure\n\nThe attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery attempts the attached message has\nbeen removed from the mail queue on this server.\n",
  Domino:
    "From: Postmaster@b.example\nSubject: DELIVERY FAILURE: User x (x@b.example) not listed in Domino Directory\n\nYour message\n\n  Subject: Hello\n\nwas not delivered to:\n\n  x@b.example\n\nbecause:\n\n  User x not listed in Domino Directory\n",
  GroupWise:
    "From: Mailer-Daemon@b.example\nSubject: Message status - undeliverable\n\nThe message that you sent was undeliverable to the following:\n\tx (user not found)\n",
  iPlanet:
    "From: x@b.example\n\nThis report relates to a message you sent with the following header fields:\n\n  Message-id: <1@example.org>\n\nYour message cannot be delivered to the following recipients:\n",
  CommuniGate: "From: x@b.example\n\nFailed to deliver to 'x@b.example'\nSMTP module(domain b.example) reports:\n",
  IMail:
    "From: Postmaster <postmaster@b.example>\nSubject: Undeliverable Mail\n\nInvalid final delivery userid: x@b.example\n",
  "Amazon WorkMail":
    "From: x@b.example\nContent-Transfer-Encoding: quoted-printable\n\nAn error occurred while trying to deliver the mail to the following recip=\nients:\nx@b.example\n",
  AOL:
    "From: x@b.example\n\nYour mail to the following recipients could not be delivered because they are not accepting mail from greg:\n\tx\n",
  Messagelabs:
    "From: x@b.example\n\nThis is the mail delivery agent at b.example.\nI was not able to deliver your message to the following addresses.\n",
  "delivery-status fields in plain text":
    "From: x@b.example\n\nReporting-MTA: dns; mx.b.example\n\nFinal-Recipient: rfc822; x@b.example\nAction: failed\nStatus: 5.1.1\n",
  "delivery-status fields in quoted-printable":
    "From: x@b.example\nContent-Transfer-Encoding: quoted-printable\n\nReporting-MTA: dns; mx.b.exam=\nple\nAc=\ntion: failed\n",
  KDDI: `From: no-reply@b.example\nSubject: Mail\n${
    multipart(
      "mixed",
      `${TEXT}Your mail sent on: Thu, 29 Apr 2013 00:00:00 +0900\n     Could not be delivered to: <x@b.example>\n     As their mailbox is full.`,
    )
  }`,
  "a carrier's notice with the returned message": `From: info@b.example\n${
    multipart("mixed", `${TEXT}Your mail could not be delivered. No such user.`, ORIGINAL)
  }`,
  "a carrier's notice in Japanese":
    `From: Postmaster@b.example\nSubject: Mail System Error - Returned Mail\nContent-Type: text/plain; charset=ISO-2022-JP\n\n\x1b$B<!$N$"$F@h$X$N%a%C%;!<%8$O%(%i!<$N$?$aAw?.$G$-$^$;$s$G$7$?!#\x1b(B\n`,
  "an SMTP transcript":
    "From: x@b.example\nSubject: Re:Hello\n\nError: no such subscriber\n\n550 - mailbox does not exist\n\n  MAIL FROM: greg@example.org\n  RCPT TO: 5550100@b.example\n",
  "an SMTP transcript of a temporary error": "From: x@b.example\n\n>>> RCPT To:<x@b.example>\n<<< 451 try later\n",
  "an SMTP transcript in base64": `From: x@b.example\n${
    multipart(
      "mixed",
      `Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n${
        base64("MAIL FROM:<greg@example.org>\n553 no such user\n")
      }`,
    )
  }`,
  "an SMTP transcript in HTML":
    "From: x@b.example\nContent-Type: text/html\n\n<p>MAIL FROM: greg@example.org<br>RCPT TO: x@b.example<br>550 no such user</p>\n",
  "a failure notice and an SMTP reply":
    "From: x@b.example\n\nYour message could not be delivered:\nremote said 550 5.1.1 user unknown\n",
  "a carrier's notice with little text":
    "From: post_master@b.example\nSubject: Re:Hello\n\nError: Invalid user address\n\nSubject: Hello\nTo: 5550100@b.example\n",
  "a filter's Subject and an SMTP reply":
    "From: noreply@b.example\nSubject: Undeliverable: Hello\n\nYour message to x@b.example was rejected: 550 5.7.1 spam\n",
  "in Chinese, within the Subject":
    `From: postmaster@b.example\nSubject: =?utf-8?B?${utf8("来自b.example的退信").toBase64()}?=\n` +
    `Content-Transfer-Encoding: base64\n\n${
      base64(decodeLatin1(utf8("无法发送到 x@b.example 550 Mailbox not found")))
    }\n`,
  "in Polish": `From: postmaster@b.example\nSubject: Niedostarczona: x\n\n${
    decodeLatin1(utf8("Wiadomość nie dotarła: 550 5.1.1"))
  }\n`,
  "in Czech": `From: x@b.example\n\n${decodeLatin1(utf8("Zprávu nelze doručit. 550 5.1.1"))}\n`,
  "in Hungarian": `From: x@b.example\n\n${decodeLatin1(utf8("Az üzenetet nem sikerült kézbesíteni: 550 5.1.1"))}\n`,
  "in Turkish": `From: x@b.example\n\n${decodeLatin1(utf8("İletiniz teslim edilemedi: 550 5.1.1"))}\n`,
  "in Korean": `From: x@b.example\n\n${decodeLatin1(utf8("메시지가 배달되지 않았습니다. 550 5.1.1"))}\n`,
  "a daemon's From": "From: MAILER-DAEMON@b.example\nSubject: hello\n\nsorry\n",
  "a daemon's name in encoded words": "From: =?utf-8?B?TWFpbCBEZWxpdmVyeSBTdWJzeXN0ZW0=?= <x@b.example>\n\nsorry\n",
  "a daemon in the second From field": "From: Jo <jo@b.example>\nFrom: MAILER-DAEMON@b.example\n\nsorry\n",
  "a postmaster's From and the Subject": "From: postmaster@b.example\nSubject: Undeliverable: Hello\n\nsorry\n",
  "a postmaster's From and a returned header":
    "From: Postmaster <x@b.example>\nSubject: Hello\n\nsorry\n\nMessage-ID: <1@example.org>\n",
  "a postmaster's From and a failure notice": "From: post_master@b.example\n\nYour mail was not delivered.\n",
  "the second Subject field, in encoded words":
    `From: x@b.example\nSubject: Hello\nSubject: =?iso-8859-1?q?Undelivered_Mail?=\n${
      multipart("mixed", `${TEXT}x`, ORIGINAL)
    }`,
  "Subject in Japanese, and a returned header":
    `From: x@b.example\nSubject: =?iso-2022-jp?B?GyRCR1s/LkVUR1w=?= Undeliverable\nSubject: Undeliverable\n${
      multipart("mixed", `${TEXT}x`, ORIGINAL)
    }`,
};

Deno.test("bounces of many mail systems are recognized, with LF and CRLF", () => {
  for (const [what, mail] of Object.entries(BOUNCES)) {
    assert.notEqual(evidence(encodeLatin1(mail)), undefined, what);
    assert.notEqual(evidence(encodeLatin1(mail.replaceAll("\n", "\r\n"))), undefined, `${what}, CRLF`);
  }
});

const MDN =
  "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;jo@b.example\nDisposition: manual-action/MDN-sent-manually; displayed\n";
const AWAY = "From: Jo <jo@b.example>\nAuto-Submitted: auto-replied\n";
const QUOTED =
  "I am away.\n\n-----Original Message-----\nFrom: Greg\nSent: Thursday\n\nDelivery to the following recipient failed permanently\n";

/** Other mail that also comes from the null sender. */
const NOT_BOUNCES: Record<string, string> = {
  "a vacation reply that quotes a question about a bounce":
    `${AWAY}Subject: away\n\nI am away.\n\n> Message-ID: <1@example.org>\n> my mail could not be delivered:\n> 550 5.1.1 user unknown\n`,
  "a person's letter about a rejection":
    "From: Jo <jo@b.example>\nSubject: Your proposal\n\nIt was rejected by 5 of 9 readers.\n",
  "an error in a report": "From: backup@b.example\nSubject: Backup\n\nError: invalid argument in line 550\n",
  "a letter": "From: Jo <jo@b.example>\nSubject: Hello\n\nHow are you?\n",
  "an empty message": "\n\n",
  "a read receipt": `From: Jo <jo@b.example>\nSubject: Read: Hello\n${
    multipart("report; report-type=disposition-notification", `${TEXT}read`, MDN)
  }`,
  "a read receipt of RFC 6533": `From: Jo <jo@b.example>\n${
    multipart(
      "report; report-type=global-disposition-notification",
      `${TEXT}read`,
      MDN.replace("disposition-n", "global-disposition-n"),
    )
  }`,
  "a read receipt with report-type in continuations": `From: Jo <jo@b.example>\n${
    multipart(
      'report; report-type*0="disposition-"; report-type*1=notification',
      `${TEXT}read`,
      "Content-Type: application/x\n\n",
    )
  }`,
  "a read receipt with an encoded report-type": `From: Jo <jo@b.example>\n${
    multipart("report; report-type*=us-ascii'en'disposition%2Dnotification", `${TEXT}read`)
  }`,
  "a read receipt without report-type": `From: Jo <jo@b.example>\n${multipart("report", `${TEXT}read`, MDN, ORIGINAL)}`,
  "a read receipt with the report-type of a bounce": `From: Jo <jo@b.example>\n${
    multipart("report; report-type=delivery-status", `${TEXT}read`, MDN)
  }`,
  "a read receipt from a postmaster": `From: postmaster@b.example\nSubject: Undeliverable: Hello\n${
    multipart("report", `${TEXT}read`, MDN, ORIGINAL)
  }`,
  "a read receipt of Outlook": `From: Jo <jo@b.example>\nSubject: Read: Hello\n${
    multipart(
      "report; report-type=disposition-notification",
      `${TEXT}Your message\n\n   To: Jo\n   Subject: Hello\n   Sent: Thursday\n\n was read on Thursday.`,
      MDN,
    )
  }`,
  "a receipt of a message deleted without being read": `From: Jo <jo@b.example>\nSubject: Not read: Hello\n${
    multipart(
      "report; report-type=disposition-notification",
      `${TEXT}Your message\n\nwas deleted without being read on Thursday.`,
      MDN,
    )
  }`,
  ...Object.fromEntries(
    [";", "; ", ";\n "].flatMap((space) =>
      [
        "disposition-notification",
        '"Disposition-Notification"',
        " feedback-report",
        "\tfeedback-report",
        '"tlsrpt"',
        "x",
      ]
        .flatMap((kind) =>
          ["=", " ="].map((equal) => {
            const mail = `Content-Type: multipart/report${space}Report-Type${equal}${kind}\n\n`;
            return [mail, mail];
          })
        )
    ),
  ),
  "a report of an unknown kind": `From: a@b.example\n${
    multipart("report", `${TEXT}a report`, "Content-Type: application/x\n\nx")
  }`,
  "a spam complaint": `From: fbl@b.example\nSubject: Abuse Report\n${
    multipart(
      "report; report-type=feedback-report",
      `${TEXT}An abuse report`,
      "Content-Type: message/feedback-report\n\nFeedback-Type: abuse",
      ORIGINAL,
    )
  }`,
  "a spam complaint from a postmaster": `From: postmaster@b.example\n${
    multipart(
      "report",
      `${TEXT}An abuse report`,
      "Content-Type: message/feedback-report\n\nReporting-MTA: dns; b.example",
      ORIGINAL,
    )
  }`,
  "a TLS report": `From: noreply@b.example\nSubject: Report Domain: example.org Submitter: b.example\n${
    multipart(
      "report; report-type=tlsrpt",
      `${TEXT}This is an aggregate TLS report`,
      "Content-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n\nH4sI",
    )
  }`,
  "a TLS report from a postmaster without report-type": `From: postmaster@b.example\nSubject: Delivery report\n${
    multipart("mixed", `${TEXT}TLS failures`, "Content-Type: application/tlsrpt+json\n\n{}")
  }`,
  "a DMARC report":
    `From: postmaster@b.example\nSubject: Report Domain: example.org Submitter: b.example Report-ID: <1@b.example>\n${
      multipart(
        "mixed",
        `${TEXT}This is a DMARC aggregate report for example.org.`,
        'Content-Type: application/gzip; name="b.example!example.org!1!2.xml.gz"\nContent-Transfer-Encoding: base64\n\nH4sI',
      )
    }`,
  "a DMARC report without a text part":
    'From: dmarc@b.example\nSubject: Report domain: example.org\nContent-Type: application/zip; name="b.example!example.org!1!2.zip"\nContent-Transfer-Encoding: base64\n\nUEsDBA==\n',
  "an accepted invitation":
    "From: Jo <jo@b.example>\nSubject: Accepted: Lunch\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\n",
  "an invitation declined in Google Calendar": `From: Jo <jo@b.example>\nSubject: Declined: Lunch\n${
    multipart(
      "mixed",
      `Content-Type: multipart/alternative; boundary=c\n\n--c\n${TEXT}Jo has declined\n--c\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\n--c--`,
      "Content-Type: application/ics\n\nx",
    )
  }`,
  "an invitation declined by a meeting room": `From: postmaster@b.example\nSubject: Undeliverable\n${
    multipart("alternative", `${TEXT}declined`, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR")
  }`,
  "a vacation reply": `${AWAY}Subject: Out of office: Lunch?\n\nI am away.\n`,
  "a vacation reply of Sieve": `${AWAY}Subject: Auto: Hello\nX-Sieve: Pigeonhole\n\nI will read your mail on Monday.\n`,
  "a vacation reply of Outlook":
    "From: Jo <jo@b.example>\nSubject: Automatic reply: Hello\nX-Auto-Response-Suppress: All\n\nI am travelling. Please call 550 1234 in urgent cases.\n",
  "a vacation reply that attaches the message": `${AWAY}Subject: Out of office\n${
    multipart("mixed", `${TEXT}I am away.`, ORIGINAL)
  }`,
  "a vacation reply that attaches the message, without Auto-Submitted":
    `From: Jo <jo@b.example>\nSubject: Out of office\n${multipart("mixed", `${TEXT}I am away.`, ORIGINAL)}`,
  "a vacation reply that quotes a bounce": `From: Jo <jo@b.example>\nSubject: Out of office\n\n${QUOTED}`,
  "a vacation reply from a postmaster":
    `From: postmaster@b.example\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away.\n`,
  "a vacation reply from a daemon":
    `From: MAILER-DAEMON@b.example\nSubject: Out of office\nAuto-Submitted: auto-replied (vacation)\n\nI am away.\n`,
  "a vacation reply with the Subject of a bounce": `${AWAY}Subject: Undeliverable: Hello\n\nI am away.\n`,
  "a postmaster's vacation reply with the Subject of a bounce":
    `From: postmaster@b.example\nAuto-Submitted: auto-replied\nSubject: Undeliverable: Hello\n\nI am away.\n`,
  "a reply for somebody who has left":
    `${AWAY}Subject: Re: Hello\n\nJo does not work here any more. Your message has not been delivered.\n`,
  "a ticket system's reply":
    "From: Postmaster <postmaster@b.example>\nSubject: [Ticket#1] Question\nAuto-Submitted: auto-replied\n\nWe have received your question.\n",
  "a ticket system's reply without Auto-Submitted":
    "From: postmaster@b.example\nSubject: Re: failure notice\n\nWe have received your question.\n",
  "only the Subject of a bounce": "From: jo@b.example\nSubject: Undeliverable: Hello\n\nlook at this\n",
  "a forwarded message": `From: Kay <kay@b.example>\nSubject: Fwd: timetable\n${
    multipart("mixed", `${TEXT}See attached.`, ORIGINAL)
  }`,
  "a forwarded bounce": `From: Kay <kay@b.example>\nSubject: Fwd: Undelivered Mail Returned to Sender\n${
    multipart(
      "mixed",
      `${TEXT}What does this mean?`,
      `Content-Type: message/rfc822\n\nFrom: MAILER-DAEMON@c.example\nX-Failed-Recipients: y\n${
        multipart("report", `${TEXT}Hi. This is the qmail-send program at c.example.`, STATUS).replaceAll("--b", "--c")
          .replace("=b", "=c")
      }`,
    )
  }`,
  "a reply that quotes a bounce":
    "From: Kay <kay@b.example>\nSubject: Re: Hello\n\nGreg wrote:\n> Hi. This is the qmail-send program at c.example.\n",
  "a challenge of TMDA":
    "From: x@b.example\nSubject: Please confirm your message\n\nThis message was created automatically by mail delivery software (TMDA).\n\nYour message attached below is being held because the address\n<greg@example.org> has not been verified.\n",
  "a list's moderation notice":
    "From: list-owner@b.example\nSubject: Your message to list awaits moderator approval\n\nYour mail to 'list' with the subject\n\n    Hello\n\nIs being held until the list moderator can review it for approval.\n",
  "a list's rejection": `From: list-owner@b.example\nSubject: Post to list denied\n${
    multipart(
      "mixed",
      `${TEXT}The message was unable to be delivered to the list because you are not a list subscriber.`,
      ORIGINAL,
    )
  }`,
  "ezmlm about bounces":
    "From: list-help@b.example\nSubject: ezmlm warning\n\nHi! This is the ezmlm program. I'm managing the\nlist@b.example mailing list.\n\nMessages to you from the list mailing list seem to\nhave been bouncing. I've attached a copy of the first bounce\nmessage I received.\n\n--- Enclosed is a copy of the bounce message I received.\n\nReturn-Path: <>\nFrom: MAILER-DAEMON@example.org\n\nHi. This is the qmail-send program at example.org.\n",
  "a bounce notification of Amazon SES":
    'From: no-reply@sns.b.example\nSubject: AWS Notification Message\n\n{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}],"reportingMTA":"dns; mx.b.example"}}\n',
  "a quota warning": "From: postmaster@b.example\nSubject: Quota warning\n\nYour mailbox is 95% full.\n",
  "a parcel delivery notice":
    "From: info@b.example\nSubject: Delivery notification: your parcel\n\nWe could not deliver your parcel to this address.\n",
  "an unparsable From": "From: jo@@b.example, <\nSubject: Hello\n\nHello\n",
  "a null From": "From: <>\n\n",
  "a letter that begins like a bounce of qmail":
    "From: jo@b.example\nSubject: Hello\n\nHi. This is the timetable that you asked for.\n",
  ...Object.fromEntries(
    ["x.mdaemon", "mdaemon.x", "xbounce", "bounce", "bounce-1=x", "x.mail.delivery", "postmaster"].map((
      local,
    ) => [local, `From: ${local}@b.example\n\n`]),
  ),
  "a type that only begins with multipart/report": "Content-Type: multipart/reports\n\n",
  "multipart/report as the value of a parameter": "Content-Type: text/plain; was=multipart/report\n\n",
  "an empty multipart/report without report-type": "Content-Type: multipart/report\n\n",
  "the name of a type in the text":
    "From: jo@b.example\nContent-Type: text/plain\n\nContent-Type: message/delivery-status\n",
};

Deno.test("receipts, replies, reports, calendars and forwarded messages are not bounces", () => {
  for (const [what, mail] of Object.entries(NOT_BOUNCES)) {
    assert.equal(evidence(mail), undefined, what);
    assert.equal(evidence(mail.replaceAll("\n", "\r\n")), undefined, `${what}, CRLF`);
  }
});

Deno.test("if the envelope sender is unknown, failure notices and SMTP transcripts in the text are not evidence", () => {
  for (const what of ["an SMTP transcript", "a failure notice and an SMTP reply"]) {
    assert.equal(evidence(BOUNCES[what]!, false), undefined, what);
  }
  assert.notEqual(evidence(BOUNCES.qmail!, false), undefined);
});

Deno.test("a postmaster's message with the Subject of a bounce is a bounce, a reply to one is not", () => {
  const head = "From: postmaster@b.example\nSubject: ";
  const subjects = [
    "Undeliverable: x",
    "Undelivered Mail Returned to Sender",
    "UNDELIVERABLE MAIL",
    "Mail delivery failed: returning message to sender",
    "Mail Delivery Status",
    "Mail System Error - Returned Mail",
    "Delivery Status Notification (Failure)",
    "Delivery Status Notification (Delay)",
    "Delivery failure",
    "DELIVERY FAILURE: User x not listed",
    "FAILURE NOTICE",
    "Returned mail: see transcript for details",
    "Warning: could not send message for past 4 hours",
    "Message status - undeliverable",
    "[SPAM] Undeliverable: x",
    ...[
      "Niedostarczalne: x",
      "Nedoručitelné: x",
      "Kézbesíthetetlen: x",
      "Teslim edilemedi: x",
      "无法送达: x",
      "未送达: x",
    ],
    ...["無法傳遞: x", "系统退信", "来自b.example的退信", "배달되지 않음: x"],
    "***SPAM*** failure notice",
    "=?utf-8?B?VW56dXN0ZWxsYmFyOiB4?=",
    "=?utf-8?q?=C3=89chec_de_la_remise?=",
    "=?UTF-8?Q?Undeli?= =?UTF-8?Q?verable:_x?=",
  ];
  for (const subject of subjects) assert.notEqual(evidence(`${head}${subject}\n\nsorry\n`), undefined, subject);
  for (
    const subject of ["Re: failure notice", "Fwd: Undeliverable: x", "AW: Unzustellbar", "Our mail delivery failed"]
  ) {
    assert.equal(evidence(`${head}${subject}\n\nsorry\n`), undefined, subject);
  }
});

const corpus = `${ROOT}/../shared/corpus`;
const index: { file: string; is_bounce: boolean }[] | undefined = (() => {
  try {
    return JSON.parse(Deno.readTextFileSync(`${corpus}/index.json`));
  } catch {
    return undefined;
  }
})();

Deno.test({
  name: "in other projects' messages exactly the bounces are recognized",
  ignore: index === undefined,
  fn: () => {
    const found = index!.map(({ file, is_bounce }) => ({
      file,
      is_bounce,
      evidence: evidence(Deno.readFileSync(`${corpus}/${file}`)),
    }));
    const wrong = found.filter((one) => one.is_bounce !== (one.evidence !== undefined));
    assert.deepEqual(wrong, []);
    assert.deepEqual([found.filter((one) => one.is_bounce).length, found.filter((one) => !one.is_bounce).length], [
      50,
      16,
    ]);
  },
});
