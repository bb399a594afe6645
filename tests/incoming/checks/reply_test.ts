import assert from "node:assert/strict";
import { decide } from "../../../io/state/lookups.ts";
import { dayOf } from "../../../lib/date.ts";
import { messageIdBody } from "../../../lib/message_id.ts";
import { rememberSent, sentIndex } from "../../../io/state/sent.ts";
import { chair, context, day, delivery, joe, now } from "../../challenges.ts";
import { TempFolder } from "../../rig.ts";

const ID = "<p1@example.net>";
const SENT = day(-3);

/** An index that contains joe's message. */
class Index extends TempFolder {
  readonly file = `${this.path}/sent`;
  constructor() {
    super();
    rememberSent(this.file, joe, ID, true, SENT);
  }
}

const VACATION = `From: Jo <jo@b.example>
To: joe@example.net
Subject: I am away
Auto-Submitted: auto-replied
In-Reply-To: ${ID}

Until Monday.
`;
const RECEIPT = `From: Jo <jo@b.example>
Content-Type: multipart/report; report-type=disposition-notification; boundary=b

--b

It was read.
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822;jo@b.example
Original-Message-ID: ${ID}
Disposition: manual-action/MDN-sent-manually; displayed

--b--
`;
/** A reply without In-Reply-To. */
const UNNAMED = VACATION.replace(/^In-Reply-To: .*\n/m, "");
const CALENDAR = VACATION.replace("I am away", "Accepted: lunch");
const references = (text: string) => VACATION.replace(`In-Reply-To: ${ID}`, `References: ${text}`);

async function verdict(
  mail: string,
  { sent, when = now, to = "joe@example.net" }: { sent: string; when?: Date; to?: string },
) {
  const received = { ...delivery(mail, to), sender: null };
  return (await decide(received, { ...context([]), now: when, sent: sentIndex(sent, when) })).verdict;
}

Deno.test("A reply to a sent message is delivered without a mark", async () => {
  using sent = new Index();
  const good = async (what: string, mail: string, when = now) => {
    const { action, check, result, reason, mark, identity } = await verdict(mail, { sent: sent.file, when });
    assert.deepEqual([action, check, result, mark, identity], ["deliver", "reply", "known", undefined, joe], what);
    assert.equal(reason, `a reply to your message of ${SENT.toISOString().slice(0, 10)}`, what);
  };
  await good("vacation", VACATION);
  await good("calendar", CALENDAR);
  await good("read receipt", RECEIPT);
  for (const space of ["", "\t", "  \t"]) {
    await good(`${space.length} spaces`, RECEIPT.replace(`ID: ${ID}`, `ID:${space}${ID}`));
  }
  await good("CRLF", RECEIPT.replaceAll("\n", "\r\n"));
  await good("field names in upper case", RECEIPT.replace("Original-Message-ID", "ORIGINAL-MESSAGE-ID"));
  await good("References", references(`<a@b.example>\n ${ID} <c@d.example>`));
  await good("with text before it", VACATION.replace(ID, `Your message of today ${ID}`));
  await good("without brackets", VACATION.replace(ID, ID.slice(1, -1)));
  await good("folded, with a comment", VACATION.replace(ID, `(your mail)\n ${ID}`));
  await good("the second In-Reply-To", VACATION.replace("In-Reply-To", `In-Reply-To: <a@b.example>\nIn-Reply-To`));
  await good("Original-Message-ID in the header", VACATION.replace("In-Reply-To", "Original-Message-ID"));
  await good("the last of 21 in References", references(`${"<x@b.example> ".repeat(20)}${ID}`));
  const others = Array.from({ length: 40 }, (_, nth) => `<x${nth}@b.example>`).join(" ");
  await good("the last of 41", references(`${others} ${ID}`));
  await good("the first of 41", references(`${ID} ${others}`));
  await good("In-Reply-To after 40 References", VACATION.replace("In-Reply-To", `References: ${others}\nIn-Reply-To`));
  await good("the last of 100,000", references(`${"<x@b.example>\n ".repeat(100_000)}${ID}`));
  await good("the first of 100,000", references(`${ID}${"\n <x@b.example>".repeat(100_000)}`));
  await good("in the text", UNNAMED + ID);
  await good("in a sentence", `${UNNAMED}Your message (Message-ID: ${ID.slice(1, -1)}) has been received.\n`);
  await good("quoted in the text", `${UNNAMED}> Original-Message-ID: ${ID}\n`);
  await good("in HTML", `Content-Type: text/html\n${UNNAMED}<p>About message &lt;${ID.slice(1, -1)}&gt;</p>\n`);
  await good("32 KB below the beginning", RECEIPT.replace("It was read.", "x\n".repeat(16 * 1024)));
  await good("the last day", VACATION, day(-3 + 29));
  await good("the last of 20 in References", references(`${"<x@b.example> ".repeat(19)}${ID}`));
});

Deno.test("A Message-ID with unusual characters is recognized in a reply", async () => {
  for (
    const id of [
      "<a(b)c@example.net>",
      "<(1)@example.net>",
      '<"a(b)"@example.net>',
      "<b\xfccher@example.net>", // ISO 8859-1
      "<b\xc3\xbccher@example.net>", // UTF-8
      "<1@b\xfccher.example>",
      "=?utf-8?q?=3C1=28x=29=40example=2Enet=3E?=",
      "<Message-ID:1@example.net>",
    ]
  ) {
    using sent = new Index();
    const { header } = delivery(`Message-ID: ${id}\n\n`);
    rememberSent(sent.file, joe, messageIdBody(header[0]!), true, SENT);
    for (
      const [what, mail] of [
        ["In-Reply-To", VACATION.replace(ID, id)],
        ["References", references(id)],
        ["Original-Message-ID", RECEIPT.replace(ID, id)],
        ["returned", `${UNNAMED}\nMessage-ID: ${id}\nSubject: x\n`],
      ] as const
    ) assert.equal((await verdict(mail, { sent: sent.file })).result, "known", `${id}, ${what}`);
  }
});

Deno.test("Mail that names no remembered message of this identity is marked", async () => {
  using sent = new Index();
  const bad = async (what: string, mail: string, more: { when?: Date; to?: string } = {}) => {
    const { action, check, result, mark } = await verdict(mail, { sent: sent.file, ...more });
    assert.deepEqual([action, check, result, mark], ["deliver", "forged", "unsolicited", true], what);
  };
  await bad("another Message-ID", VACATION.replace(ID, "<p2@example.net>"));
  await bad("no Message-ID", VACATION.replace(/^In-Reply-To: .*\n/m, ""));
  await bad("in the Subject", VACATION.replace(/^In-Reply-To: .*\n/m, "").replace("I am away", ID));
  await bad("after 30 days", VACATION, { when: day(-3 + 30) });
  await bad("to another identity", VACATION, { to: "chair@club.example" });
  const others = Array.from({ length: 20 }, (_, nth) => `<x${nth}@b.example>`).join(" ");
  await bad("in the middle of 40 others", references(`${others} ${ID} ${others.replaceAll("<x", "<y")}`));
  await bad("in the text, beyond the searched part", `${UNNAMED}${"x ".repeat(8 * 1024)}${ID}\n`);
});

Deno.test("A bounce that names a sent message without returning its tag is known, and marked if it was sent with a tag", async () => {
  using sent = new Index();
  rememberSent(sent.file, joe, "<unsigned@example.net>", false, SENT);
  const good = async (what: string, mail: string) => {
    for (
      const [id, mark, reason] of [
        [ID, true, /^a bounce that names your message of .* but does not return its tag$/],
        ["<unsigned@example.net>", undefined, /^a bounce of your message of .*, which was sent without a tag$/],
      ] as const
    ) {
      const actual = await verdict(mail.replaceAll(ID, id), { sent: sent.file });
      assert.deepEqual(
        [actual.action, actual.check, actual.result, actual.mark],
        ["deliver", "reply", "known", mark],
        what,
      );
      assert.match(actual.reason, reason);
    }
  };
  await good(
    "from a daemon",
    VACATION.replace("Jo <jo@b.example>", "MAILER-DAEMON@mx.example").replace("auto-replied", "no"),
  );
  await good(
    "from a daemon's display name",
    VACATION.replace("Jo <", "Mail Delivery Subsystem <").replace("auto-replied", "no"),
  );
  await good("X-Failed-Recipients", `X-Failed-Recipients: x@b.example\n${VACATION}`);
  await good("a delivery report", RECEIPT.replaceAll(/disposition-notification/g, "delivery-status"));
  await good("QSBMF", VACATION.replace("Until Monday.", "Hi. This is the qmail-send program at mx.example."));
  await good("in the returned header", `From: MAILER-DAEMON@mx.example\n\nsorry\n\nMessage-ID: ${ID}\nSubject: x\n`);
});

Deno.test("Without an index no message is known", async () => {
  const path = "/nonexistent/sent";
  assert.equal((await verdict(VACATION, { sent: path })).result, "unsolicited");
  const received = { ...delivery(VACATION), sender: null };
  assert.equal((await decide(received, context([]))).verdict.result, "unsolicited");
});

Deno.test("Mail from ordinary senders or to other recipients is not looked up", async () => {
  using sent = new Index();
  const ordinary = { ...delivery(VACATION), sender: "jo@b.example" };
  const withIndex = { ...context([]), sent: sentIndex(sent.file, now) };
  assert.equal((await decide(ordinary, withIndex)).verdict.check, "addressed");
  const other = { ...delivery(VACATION, "someone@example.net"), sender: null };
  assert.equal((await decide(other, withIndex)).verdict.check, "addressed");
});

Deno.test("A remembered message is known to its own identity only", async () => {
  using sent = new Index();
  rememberSent(sent.file, chair, "<c1@club.example>", true, now);
  const mail = VACATION.replace(ID, "<c1@club.example>");
  assert.equal((await verdict(mail, { sent: sent.file, to: "chair@club.example" })).check, "reply");
  assert.equal((await verdict(mail, { sent: sent.file })).check, "forged");
  assert.match(
    (await verdict(mail, { sent: sent.file, to: "chair@club.example" })).reason,
    new RegExp(new Date(dayOf(now) * 86_400_000).toISOString().slice(0, 10)),
  );
});
