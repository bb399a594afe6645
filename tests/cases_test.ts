/**
 * Runs the messages in tests/cases, and three variants of each, through plan and judge. The messages they refer to are
 * signed and remembered; `@TAG@` and `@SRS@` stand for their tag and envelope sender.
 */
import assert from "node:assert/strict";
import { refusalOf } from "../admin/explain/refusal.ts";
import type { Verdict } from "../incoming/verdict.ts";
import type { DecideContext } from "../io/state/lookups.ts";
import { decide } from "../io/state/lookups.ts";
import { formatAddress } from "../lib/address.ts";
import { decodeLatin1, utf8 } from "../lib/bytes.ts";
import { parseHead, value } from "../lib/message.ts";
import { TAG_FIELD } from "../lib/tag.ts";
import { plan } from "../outgoing/plan.ts";
import { remember } from "../io/state/remember.ts";
import { sentIndex } from "../io/state/sent.ts";
import { quotedPrintable } from "./bounces.ts";
import { context, delivery, now } from "./judging.ts";
import { ROOT, TempFolder } from "./rig.ts";
import { randomBytes } from "./random.ts";

interface Case {
  readonly file: string;
  readonly sender: string;
  readonly recipient: string;
  readonly expect: readonly string[];
  readonly why: string;
  readonly sent: { readonly message_id: string; readonly signed: boolean } | null;
}
const CASES: readonly Case[] = JSON.parse(Deno.readTextFileSync(`${ROOT}/tests/cases/index.json`));

/** A message as sent: its envelope sender, its tag, and a context in which it is remembered. */
async function send(
  sent: Case["sent"],
  state: string,
): Promise<{ srs: string; tag: string; context: DecideContext }> {
  const { settings, ...rest } = context(`[tag]\nsign = ${sent?.signed ?? true}\n`, `state.folder = "${state}"`);
  const id = sent?.message_id ?? "<nobody-knows@example.org>";
  const message = `From: Greg <greg@example.org>\nTo: kay@example.net\nSubject: Meeting notes\nMessage-ID: ${id}\n\n`;
  const { header } = parseHead(utf8(message), true)!;
  const call = { sender: undefined, fullName: "", recipientsFrom: "header", recipients: [], dsn: {} } as const;
  const planned = plan(call, header, { settings, random: randomBytes(), ...rest });
  if (sent !== null) assert.equal(await remember(planned, new Uint8Array(), true, settings, now), undefined);
  return {
    srs: formatAddress(planned.envelope.sender!),
    tag: value(planned.header, TAG_FIELD) ?? "",
    context: { ...rest, settings, sent: sentIndex(`${settings.state.folder}/sent`, now) },
  };
}

async function verdictOf(case_: Case, mail: string, sentInstead?: Case["sent"]): Promise<Verdict> {
  using state = new TempFolder();
  const { srs, tag, context } = await send(sentInstead === undefined ? case_.sent : sentInstead, state.path);
  const fill = (text: string) => text.replaceAll("@SRS@", srs).replaceAll("@TAG@", tag);
  const given = delivery(
    case_.sender === "" ? null : case_.sender,
    fill(case_.recipient),
    decodeLatin1(utf8(encoded(fill(mail)))),
  );
  return (await decide(given, context)).verdict;
}

/** Checks the result, and that action and mark are consistent with it. */
function checkVerdict({ result, action, mark, reason }: Verdict, { file, expect }: Case): void {
  assert.ok(expect.includes(result), `${file}: ${result} (${reason})`);
  if (result === "forged") assert.equal(action, "spam", file);
  else assert.equal(action, "deliver", file);
  if (result === "genuine") assert.equal(mark ?? false, false, file);
  if (result === "known") assert.equal(mark ?? false, /^a bounce that names/.test(reason), `${file}: ${reason}`);
  if (result === "unsolicited") assert.equal(mark, true, file);
}

const read = ({ file }: Pick<Case, "file">): string => Deno.readTextFileSync(`${ROOT}/tests/cases/${file}`);

for (const case_ of CASES) {
  Deno.test(`${case_.file}: ${case_.why}`, async () => checkVerdict(await verdictOf(case_, read(case_)), case_));
}

/** Replaces text that must occur. */
function replace(mail: string, ...pairs: readonly [from: string | RegExp, to: string][]): string {
  for (const [from, to] of pairs) {
    const out = typeof from === "string" ? mail.replace(from, () => to) : mail.replace(from, to);
    assert.notEqual(out, mail, `${from} does not occur`);
    mail = out;
  }
  return mail;
}

/** Encodes the content of the last part of a message. */
function encodeLast(mail: string, encoding: "base64" | "quoted-printable"): string {
  const start = mail.indexOf("\n\n", mail.lastIndexOf("\n--BB\nContent-Type:")) + 2;
  const end = mail.lastIndexOf("\n--BB--");
  // The placeholders are replaced first, so that the tag is encoded.
  return `${mail.slice(0, start - 1)}Content-Transfer-Encoding: ${encoding}\n\n@${encoding}@${
    mail.slice(start, end)
  }@end@${mail.slice(end)}`;
}

interface Variant {
  readonly what: string;
  readonly edit?: (mail: string) => string;
  readonly case?: Partial<Case>;
}
const sent = (message_id: string, signed = true) => ({ sent: { message_id, signed } });
const ATTACHED = "Content-Type: message/rfc822\n";
const BOUNCE_INSIDE =
  "From: MAILER-DAEMON@mx.example\nX-Failed-Recipients: x@y.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=CC\n\n" +
  "--CC\n\nHi. This is the qmail-send program at mx.example.\n\n--CC\nContent-Type: message/delivery-status\n\nStatus: 5.1.1\n\n--CC--\n";

const VARIANTS: Readonly<Record<string, readonly Variant[]>> = {
  "returned-few-fields.eml": [
    { what: "Message-ID folded", edit: (mail) => replace(mail, ["Message-ID: <case34", "Message-ID:\n <case34"]) },
    { what: "the returned header in base64", edit: (mail) => encodeLast(mail, "base64") },
    {
      what: "quoted in the text",
      edit: (mail) =>
        replace(mail, ["text/rfc822-headers\n\nFrom:", "text/plain\n\n> From:"], [
          "\nMessage-ID: <case34",
          "\n> Message-ID: <case34",
        ]),
    },
  ],
  "relay-replaced-message-id.eml": [
    {
      what: "our Message-ID in In-Reply-To",
      edit: (mail) => replace(mail, ["References: <case36", "In-Reply-To: <case36"]),
    },
    {
      what: "our Message-ID in a field added by the relay",
      edit: (mail) => replace(mail, ["References: <case36", "X-Original-Message-ID: <case36"]),
    },
    {
      what: "our Message-ID in folded References, no tag",
      edit: (mail) =>
        replace(mail, [
          "References: <case36@example.org>",
          "References: <a@x.example>\n <case36@example.org>\n <b@x.example>",
        ], ["X-Msgauth: @TAG@\n", ""]),
      case: { expect: ["known"] },
    },
  ],
  "relay-added-second-message-id.eml": [
    {
      what: "two relays",
      edit: (mail) => replace(mail, ["Message-ID: <own@", "Message-ID: <other@relay2.example.net>\nMessage-ID: <own@"]),
    },
    {
      what: "the relay's Message-ID below the tag",
      edit: (mail) =>
        replace(mail, ["Message-ID: <own@relay.example.net>\n", ""], [
          "X-Msgauth: @TAG@\n",
          "X-Msgauth: @TAG@\nMessage-ID: <own@relay.example.net>\n",
        ]),
    },
    { what: "in quoted-printable", edit: (mail) => encodeLast(mail, "quoted-printable") },
  ],
  "message-id-encoded-word.eml": [
    {
      what: "in B encoding",
      edit: (mail) =>
        replace(mail, ["=?utf-8?q?=3Ccase40=40example=2Eorg=3E?=", "=?utf-8?b?PGNhc2U0MEBleGFtcGxlLm9yZz4=?="]),
      case: sent("=?utf-8?b?PGNhc2U0MEBleGFtcGxlLm9yZz4=?="),
    },
    {
      what: "in two words, folded",
      edit: (mail) =>
        replace(mail, [
          "=?utf-8?q?=3Ccase40=40example=2Eorg=3E?=",
          "=?utf-8?q?=3Ccase40=40?=\n =?utf-8?q?example=2Eorg=3E?=",
        ]),
      case: sent("=?utf-8?q?=3Ccase40=40?=\n =?utf-8?q?example=2Eorg=3E?="),
    },
    { what: "in quoted-printable", edit: (mail) => encodeLast(mail, "quoted-printable") },
  ],
  "message-id-unbracketed.eml": [
    { what: "without the space", edit: (mail) => replace(mail, ["case41 13", "case41.13"]), case: sent("case41.13") },
    { what: "angle brackets added in transit", edit: (mail) => replace(mail, ["case41 13", "<case41 13>"]) },
    {
      what: "with a comment",
      edit: (mail) => replace(mail, ["case41 13", "<case41@example.org> (added by mail.example.org)"]),
      case: sent("<case41@example.org> (added by mail.example.org)"),
    },
  ],
  "html-only-original.eml": [
    {
      what: "numeric character references, no line endings",
      edit: (mail) => replace(mail, [/<br>\n/g, "<br>"], [/&lt;/g, "&#60;"], [/&gt;/g, "&#x3E;"]),
    },
    {
      what: "in base64",
      edit: (mail) =>
        replace(mail, ["us-ascii\n\n", "us-ascii\nContent-Transfer-Encoding: base64\n\n@base64@"]) + "@end@",
    },
    {
      what: "in a table",
      edit: (mail) => replace(mail, [/^(?:<html>.*<pre>)?(.*)<br>$/gm, "<tr><td>$1</td></tr>"], ["</pre>", ""]),
    },
  ],
  "mdn-global.eml": [
    {
      what: "a receipt of RFC 8098",
      edit: (mail) => replace(mail, [/global-disposition/g, "disposition"], ["utf-8; kay", "rfc822; kay"]),
    },
    {
      what: "parameters of RFC 2231, the Message-ID folded and without brackets",
      edit: (mail) =>
        replace(mail, [
          "report-type=global-disposition-notification",
          "report-type*0*=us-ascii''global%2Ddisposition; report-type*1=-notification",
        ], ["Original-Message-ID: <case62@example.org>", "Original-Message-ID:\n case62@example.org"]),
    },
    {
      what: "no report-type, in base64",
      edit: (mail) => encodeLast(replace(mail, ["report-type=global-disposition-notification; ", ""]), "base64"),
    },
  ],
  "ticket-from-postmaster.eml": [
    {
      what: "with the Subject of a bounce",
      edit: (mail) => replace(mail, ["[Ticket#1] Question", "Undeliverable: question"]),
    },
    {
      what: "References, folded, in place of In-Reply-To",
      edit: (mail) =>
        replace(mail, ["In-Reply-To: <case71@example.org>", "References: <x@example.net>\n\t<case71@example.org>"]),
    },
    { what: "no angle brackets", edit: (mail) => replace(mail, ["<case71@example.org>", "case71@example.org"]) },
  ],
  "vacation-attaches-message.eml": [
    { what: "without Auto-Submitted", edit: (mail) => replace(mail, ["Auto-Submitted: auto-replied\n", ""]) },
    {
      what: "no In-Reply-To, but the attached message has the Message-ID",
      edit: (mail) =>
        replace(mail, ["In-Reply-To: <case73@example.org>\n", ""], [
          "Subject: Meeting notes\n",
          "Subject: Meeting notes\nMessage-ID: <case73@example.org>\n",
        ]),
    },
    {
      what: "from a postmaster, with the Subject of a bounce",
      edit: (mail) =>
        replace(mail, ["Kay <kay@", "Postmaster <postmaster@"], [
          "Subject: Out of office",
          "Subject: Undeliverable: Meeting notes",
        ]),
    },
  ],
  "forwarded-as-attachment.eml": [
    {
      what: "an attached bounce",
      edit: (mail) => replace(mail, [/message\/rfc822\n\n[^]*?(?=\n--BB--)/, `message/rfc822\n\n${BOUNCE_INSIDE}`]),
    },
    {
      what: "two messages, and the Subject of a forwarded bounce",
      edit: (mail) =>
        replace(mail, ["Fwd: timetable", "Fwd: Undelivered Mail Returned to Sender"], [
          ATTACHED,
          `${ATTACHED}\nFrom: a@b.example\n\nx\n\n--BB\n${ATTACHED}`,
        ]),
    },
    {
      what: "forwarded inline",
      edit: (mail) =>
        replace(mail, [
          "See attached.",
          "---------- Forwarded message ---------\nFrom: Ann\nSubject: Undeliverable: x\n\nThis message was created automatically by mail delivery software.",
        ]),
    },
  ],
  "header-truncated-before-tag.eml": [
    {
      what: "truncated within the tag",
      edit: (mail) => replace(mail, ["<case102@example.org>\n", "<case102@example.org>\nX-Msgauth: v1.k1.2"]),
    },
    {
      what: "sent unsigned",
      case: { ...sent("<case102@example.org>", false), expect: ["known"] },
    },
    {
      what: "only named in a sentence",
      edit: (mail) =>
        replace(mail, ["Message-ID: <case102@example.org>\n", ""], [
          "See below.",
          "See below.\nThe message was <case102@example.org>.",
        ]),
      case: { expect: ["known"] },
    },
  ],
  "tlsrpt.eml": [
    { what: "no report-type", edit: (mail) => replace(mail, ['report-type="tlsrpt"; ', ""]) },
    {
      what: "JSON, from a postmaster",
      edit: (mail) =>
        replace(mail, ["tlsrpt+gzip", "tlsrpt+json"], ["TLS report <noreply@", "Postmaster <postmaster@"]),
    },
    {
      what: "report-type in continuations (RFC 2231)",
      edit: (mail) => replace(mail, ['report-type="tlsrpt"', 'report-type*0="tls"; report-type*1="rpt"']),
    },
  ],
  "alias-service-refusal.eml": [
    { what: "another code", edit: (mail) => replace(mail, [/E505/g, "E509"]) },
    {
      what: "nothing returned",
      edit: (mail) => replace(mail, [/--BB\nContent-Type: message\/rfc822[^]*?(?=--BB--)/, ""]),
    },
    { what: "qmail's prefix", case: { recipient: "alias-srs-@SRS@" } },
  ],
  "carrier-text-bounce.eml": [
    {
      what: "in base64",
      edit: (mail) => encodeLast(mail, "base64"),
    },
    { what: "References in place of In-Reply-To", edit: (mail) => replace(mail, ["In-Reply-To:", "References:"]) },
    {
      what: "no SMTP transcript, no MIME",
      edit: (mail) =>
        replace(mail, [
          /MIME-Version[^]*?Error: [^]*$/,
          "\nError: Invalid user address\nSubject: Meeting notes\nTo: 5550100@carrier.example.net\n",
        ]),
    },
  ],
  "unsigned-in-srs-domain.eml": [
    {
      what: "SRS2, from a person",
      case: { recipient: "SRS2=abcdefgh=JJ=example.org=greg@srs.example.org", sender: "kay@example.net" },
    },
    { what: "no local part", case: { recipient: "@srs.example.org" } },
    { what: "quoted, in upper case", case: { recipient: '"SRS0=abcdefgh=JJ=example.org=greg"@SRS.EXAMPLE.ORG' } },
  ],
  "forged-with-known-id.eml": [
    {
      what: "the Message-ID returned",
      edit: (mail) =>
        replace(mail, ["In-Reply-To: <case2@example.org>\n", ""], [
          "\n--BB--",
          "\n--BB\nContent-Type: text/rfc822-headers\n\nMessage-ID: <case2@example.org>\n\n--BB--",
        ]),
    },
    {
      what: "the Message-ID in the text",
      edit: (mail) =>
        replace(mail, ["In-Reply-To: <case2@example.org>\n", ""], [
          "--BB\n",
          "--BB\n\nYour message with Message ID case2@example.org\n\n--BB\n",
        ]),
    },
    {
      what: "multipart in the second of two Content-Type fields",
      edit: (mail) => replace(mail, ["Content-Type: multipart", "Content-Type: text/plain\nContent-Type: multipart"]),
    },
  ],
};

/** Encodes the text that encodeLast() marked. */
function encoded(mail: string): string {
  return mail.replace(
    /@(base64|quoted-printable)@([^]*?)@end@/g,
    (_, encoding: string, text: string) =>
      encoding === "base64" ? utf8(text).toBase64().replace(/.{76}/g, "$&\n") : quotedPrintable(text),
  );
}

Deno.test("each case has three variants", () => {
  assert.deepEqual(Object.keys(VARIANTS).sort(), CASES.map(({ file }) => file).sort());
  for (const [file, all] of Object.entries(VARIANTS)) assert.equal(all.length, 3, file);
});

for (const case_ of CASES) {
  for (const { what, edit = (mail: string) => mail, case: changed } of VARIANTS[case_.file] ?? []) {
    const varied = { ...case_, ...changed };
    Deno.test(`${case_.file}, ${what}`, async () => checkVerdict(await verdictOf(varied, edit(read(case_))), varied));
  }
}

Deno.test("if another message was sent, only a signed address makes a bounce genuine or known", async () => {
  for (const case_ of CASES) {
    for (
      const { what, edit = (mail: string) => mail, case: changed } of [
        { what: "unchanged" },
        ...VARIANTS[case_.file]!,
      ] as Variant[]
    ) {
      const varied = { ...case_, ...changed };
      const { result } = await verdictOf(varied, edit(read(case_)), {
        message_id: "<another@example.org>",
        signed: true,
      });
      const expected = varied.recipient.includes("@SRS@") ? ["genuine"] : ["forged", "unsolicited"];
      assert.ok(expected.includes(result), `${case_.file}, ${what}: ${result}`);
    }
  }
});

Deno.test("a rejection by a service that identifies users by the envelope sender comes with advice", () => {
  const mail = utf8(read({ file: "alias-service-refusal.eml" }));
  const { header, bodyStart } = parseHead(mail, true)!;
  const refusal = refusalOf(header, mail, bodyStart, ["greg@example.org"]);
  assert.match(refusal!.kind.advice(refusal!.address!), /countersign plain add kay@example\.net$/);
});
