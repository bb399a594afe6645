/**
 * Runs the messages in tests/cases, and three variants of each, through the shim's plan and the judge. Sent messages are
 * signed and remembered; `@TAG@` and `@SRS@` stand for the tag and sender that the shim wrote.
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
import { ROOT } from "./rig.ts";
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

async function verdictOf(one: Case, mail: string, others?: Case["sent"]): Promise<Verdict> {
  const state = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    const { srs, tag, context } = await send(others === undefined ? one.sent : others, state);
    const fill = (text: string) => text.replaceAll("@SRS@", srs).replaceAll("@TAG@", tag);
    const given = delivery(
      one.sender === "" ? null : one.sender,
      fill(one.recipient),
      decodeLatin1(utf8(encoded(fill(mail)))),
    );
    return (await decide(given, context)).verdict;
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
}

/** Checks that a verdict is consistent with its result, whatever the message. */
function sound({ result, action, mark, reason }: Verdict, one: Case): void {
  assert.ok(one.expect.includes(result), `${one.file}: ${result} (${reason})`);
  if (result === "forged") assert.equal(action, "spam", one.file);
  else assert.equal(action, "deliver", one.file);
  if (result === "genuine") assert.equal(mark ?? false, false, one.file);
  if (result === "known") assert.equal(mark ?? false, /^a bounce that names/.test(reason), `${one.file}: ${reason}`);
  if (result === "unsolicited") assert.equal(mark, true, one.file);
}

const read = ({ file }: Pick<Case, "file">): string => Deno.readTextFileSync(`${ROOT}/tests/cases/${file}`);

for (const one of CASES) {
  Deno.test(`${one.file}: ${one.why}`, async () => sound(await verdictOf(one, read(one)), one));
}

/** Replaces text, and fails when it does not occur. */
function swap(mail: string, ...pairs: readonly [from: string | RegExp, to: string][]): string {
  for (const [from, to] of pairs) {
    const out = typeof from === "string" ? mail.replace(from, () => to) : mail.replace(from, to);
    assert.notEqual(out, mail, `${from} is not in it`);
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
    { what: "Message-ID folded", edit: (mail) => swap(mail, ["Message-ID: <case34", "Message-ID:\n <case34"]) },
    { what: "the header in base64", edit: (mail) => encodeLast(mail, "base64") },
    {
      what: "quoted in the text",
      edit: (mail) =>
        swap(mail, ["text/rfc822-headers\n\nFrom:", "text/plain\n\n> From:"], [
          "\nMessage-ID: <case34",
          "\n> Message-ID: <case34",
        ]),
    },
  ],
  "relay-replaced-message-id.eml": [
    { what: "ours in In-Reply-To", edit: (mail) => swap(mail, ["References: <case36", "In-Reply-To: <case36"]) },
    {
      what: "ours in a field of the relay's",
      edit: (mail) => swap(mail, ["References: <case36", "X-Original-Message-ID: <case36"]),
    },
    {
      what: "ours among References, folded, no tag",
      edit: (mail) =>
        swap(mail, [
          "References: <case36@example.org>",
          "References: <a@x.example>\n <case36@example.org>\n <b@x.example>",
        ], ["X-Msgauth: @TAG@\n", ""]),
      case: { expect: ["known"] },
    },
  ],
  "relay-added-second-message-id.eml": [
    {
      what: "two relays",
      edit: (mail) => swap(mail, ["Message-ID: <own@", "Message-ID: <other@relay2.example.net>\nMessage-ID: <own@"]),
    },
    {
      what: "the relay's below the tag",
      edit: (mail) =>
        swap(mail, ["Message-ID: <own@relay.example.net>\n", ""], [
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
        swap(mail, ["=?utf-8?q?=3Ccase40=40example=2Eorg=3E?=", "=?utf-8?b?PGNhc2U0MEBleGFtcGxlLm9yZz4=?="]),
      case: sent("=?utf-8?b?PGNhc2U0MEBleGFtcGxlLm9yZz4=?="),
    },
    {
      what: "in two words, folded",
      edit: (mail) =>
        swap(mail, [
          "=?utf-8?q?=3Ccase40=40example=2Eorg=3E?=",
          "=?utf-8?q?=3Ccase40=40?=\n =?utf-8?q?example=2Eorg=3E?=",
        ]),
      case: sent("=?utf-8?q?=3Ccase40=40?=\n =?utf-8?q?example=2Eorg=3E?="),
    },
    { what: "in quoted-printable", edit: (mail) => encodeLast(mail, "quoted-printable") },
  ],
  "message-id-unbracketed.eml": [
    { what: "without the space", edit: (mail) => swap(mail, ["case41 13", "case41.13"]), case: sent("case41.13") },
    { what: "brackets added on the way", edit: (mail) => swap(mail, ["case41 13", "<case41 13>"]) },
    {
      what: "with a comment",
      edit: (mail) => swap(mail, ["case41 13", "<case41@example.org> (added by mail.example.org)"]),
      case: sent("<case41@example.org> (added by mail.example.org)"),
    },
  ],
  "html-only-original.eml": [
    {
      what: "numeric references, no line ends",
      edit: (mail) => swap(mail, [/<br>\n/g, "<br>"], [/&lt;/g, "&#60;"], [/&gt;/g, "&#x3E;"]),
    },
    {
      what: "in base64",
      edit: (mail) => swap(mail, ["us-ascii\n\n", "us-ascii\nContent-Transfer-Encoding: base64\n\n@base64@"]) + "@end@",
    },
    {
      what: "in a table",
      edit: (mail) => swap(mail, [/^(?:<html>.*<pre>)?(.*)<br>$/gm, "<tr><td>$1</td></tr>"], ["</pre>", ""]),
    },
  ],
  "mdn-global.eml": [
    {
      what: "a receipt by RFC 8098",
      edit: (mail) => swap(mail, [/global-disposition/g, "disposition"], ["utf-8; kay", "rfc822; kay"]),
    },
    {
      what: "parameters by RFC 2231, the Message-ID folded and bare",
      edit: (mail) =>
        swap(mail, [
          "report-type=global-disposition-notification",
          "report-type*0*=us-ascii''global%2Ddisposition; report-type*1=-notification",
        ], ["Original-Message-ID: <case62@example.org>", "Original-Message-ID:\n case62@example.org"]),
    },
    {
      what: "no report-type, in base64",
      edit: (mail) => encodeLast(swap(mail, ["report-type=global-disposition-notification; ", ""]), "base64"),
    },
  ],
  "ticket-from-postmaster.eml": [
    {
      what: "with the Subject of a bounce",
      edit: (mail) => swap(mail, ["[Ticket#1] Question", "Undeliverable: question"]),
    },
    {
      what: "References, folded, in place of In-Reply-To",
      edit: (mail) =>
        swap(mail, ["In-Reply-To: <case71@example.org>", "References: <x@example.net>\n\t<case71@example.org>"]),
    },
    { what: "no brackets", edit: (mail) => swap(mail, ["<case71@example.org>", "case71@example.org"]) },
  ],
  "vacation-attaches-message.eml": [
    { what: "not declared", edit: (mail) => swap(mail, ["Auto-Submitted: auto-replied\n", ""]) },
    {
      what: "no In-Reply-To, but what it attaches has the Message-ID",
      edit: (mail) =>
        swap(mail, ["In-Reply-To: <case73@example.org>\n", ""], [
          "Subject: Meeting notes\n",
          "Subject: Meeting notes\nMessage-ID: <case73@example.org>\n",
        ]),
    },
    {
      what: "of a postmaster, with the Subject of a bounce",
      edit: (mail) =>
        swap(mail, ["Kay <kay@", "Postmaster <postmaster@"], [
          "Subject: Out of office",
          "Subject: Undeliverable: Meeting notes",
        ]),
    },
  ],
  "forwarded-as-attachment.eml": [
    {
      what: "a bounce inside",
      edit: (mail) => swap(mail, [/message\/rfc822\n\n[^]*?(?=\n--BB--)/, `message/rfc822\n\n${BOUNCE_INSIDE}`]),
    },
    {
      what: "two messages, and the Subject of a forwarded bounce",
      edit: (mail) =>
        swap(mail, ["Fwd: timetable", "Fwd: Undelivered Mail Returned to Sender"], [
          ATTACHED,
          `${ATTACHED}\nFrom: a@b.example\n\nx\n\n--BB\n${ATTACHED}`,
        ]),
    },
    {
      what: "in the text",
      edit: (mail) =>
        swap(mail, [
          "See attached.",
          "---------- Forwarded message ---------\nFrom: Ann\nSubject: Undeliverable: x\n\nThis message was created automatically by mail delivery software.",
        ]),
    },
  ],
  "header-truncated-before-tag.eml": [
    {
      what: "cut within the tag",
      edit: (mail) => swap(mail, ["<case102@example.org>\n", "<case102@example.org>\nX-Msgauth: v1.k1.2"]),
    },
    {
      what: "sent unsigned",
      case: { ...sent("<case102@example.org>", false), expect: ["known"] },
    },
    {
      what: "only named in a sentence",
      edit: (mail) =>
        swap(mail, ["Message-ID: <case102@example.org>\n", ""], [
          "See below.",
          "See below.\nThe message was <case102@example.org>.",
        ]),
      case: { expect: ["known"] },
    },
  ],
  "tlsrpt.eml": [
    { what: "no report-type", edit: (mail) => swap(mail, ['report-type="tlsrpt"; ', ""]) },
    {
      what: "JSON, of a postmaster",
      edit: (mail) => swap(mail, ["tlsrpt+gzip", "tlsrpt+json"], ["TLS report <noreply@", "Postmaster <postmaster@"]),
    },
    {
      what: "report-type in pieces",
      edit: (mail) => swap(mail, ['report-type="tlsrpt"', 'report-type*0="tls"; report-type*1="rpt"']),
    },
  ],
  "alias-service-refusal.eml": [
    { what: "another code", edit: (mail) => swap(mail, [/E505/g, "E509"]) },
    {
      what: "nothing returned",
      edit: (mail) => swap(mail, [/--BB\nContent-Type: message\/rfc822[^]*?(?=--BB--)/, ""]),
    },
    { what: "qmail's prefix", case: { recipient: "alias-srs-@SRS@" } },
  ],
  "carrier-text-bounce.eml": [
    {
      what: "in base64",
      edit: (mail) => encodeLast(mail, "base64"),
    },
    { what: "References in place of In-Reply-To", edit: (mail) => swap(mail, ["In-Reply-To:", "References:"]) },
    {
      what: "no SMTP, no MIME",
      edit: (mail) =>
        swap(mail, [
          /MIME-Version[^]*?Error: [^]*$/,
          "\nError: Invalid user address\nSubject: Meeting notes\nTo: 5550100@carrier.example.net\n",
        ]),
    },
  ],
  "unsigned-in-srs-domain.eml": [
    {
      what: "another number, from a person",
      case: { recipient: "SRS2=abcdefgh=JJ=example.org=greg@srs.example.org", sender: "kay@example.net" },
    },
    { what: "no local part", case: { recipient: "@srs.example.org" } },
    { what: "quoted, in upper case", case: { recipient: '"SRS0=abcdefgh=JJ=example.org=greg"@SRS.EXAMPLE.ORG' } },
  ],
  "forged-with-known-id.eml": [
    {
      what: "the Message-ID returned",
      edit: (mail) =>
        swap(mail, ["In-Reply-To: <case2@example.org>\n", ""], [
          "\n--BB--",
          "\n--BB\nContent-Type: text/rfc822-headers\n\nMessage-ID: <case2@example.org>\n\n--BB--",
        ]),
    },
    {
      what: "the Message-ID in the text",
      edit: (mail) =>
        swap(mail, ["In-Reply-To: <case2@example.org>\n", ""], [
          "--BB\n",
          "--BB\n\nYour message with Message ID case2@example.org\n\n--BB\n",
        ]),
    },
    {
      what: "a status part in the second of two types",
      edit: (mail) => swap(mail, ["Content-Type: multipart", "Content-Type: text/plain\nContent-Type: multipart"]),
    },
  ],
};

/** Encodes the text that the edits have marked. */
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

for (const one of CASES) {
  for (const { what, edit = (mail: string) => mail, case: changed } of VARIANTS[one.file] ?? []) {
    const varied = { ...one, ...changed };
    Deno.test(`${one.file}, ${what}`, async () => sound(await verdictOf(varied, edit(read(one))), varied));
  }
}

Deno.test("when another message was sent, nothing is known or genuine except a signed address", async () => {
  for (const one of CASES) {
    for (
      const { what, edit = (mail: string) => mail, case: changed } of [
        { what: "as it is" },
        ...VARIANTS[one.file]!,
      ] as Variant[]
    ) {
      const varied = { ...one, ...changed };
      const { result } = await verdictOf(varied, edit(read(one)), {
        message_id: "<another@example.org>",
        signed: true,
      });
      const expected = varied.recipient.includes("@SRS@") ? ["genuine"] : ["forged", "unsolicited"];
      assert.ok(expected.includes(result), `${one.file}, ${what}: ${result}`);
    }
  }
});

Deno.test("services that identify senders by the envelope sender are reported", () => {
  const mail = utf8(read({ file: "alias-service-refusal.eml" }));
  const { header, bodyStart } = parseHead(mail, true)!;
  const refusal = refusalOf(header, mail, bodyStart, ["greg@example.org"]);
  assert.match(refusal!.kind.advice(refusal!.address!), /countersign plain add kay@example\.net$/);
});
