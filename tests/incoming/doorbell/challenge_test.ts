/** The text of challenges, and how little of a forged request it contains. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import { text as decode } from "../../../lib/bytes.ts";
import { decodeWords } from "../../../lib/encoded_words.ts";
import { parseHead, value } from "../../../lib/message.ts";
import { composeChallenge, languagesOf, quotedLines } from "../../../incoming/doorbell/challenge.ts";
import { makeCookie, printCookie } from "../../../incoming/doorbell/cookie.ts";
import { header, KEYS, NOW, service, TODAY } from "./messages.ts";

const ANN = parseAddress("ann@friend.example");
const REQUEST = "From: Ann <ann@friend.example>\nSubject: subscribe\nDate: Fri, 20 Nov 2026 05:32:58 +0000\n" +
  "Message-ID: <2@friend.example>\nReferences: <0@friend.example>\n <1@friend.example>";

function composed(fields = REQUEST, body = "Please.\n", { settings = "", terms = "" } = {}) {
  const svc = service(settings);
  const cookie = makeCookie(svc, KEYS, { id: "abcdefghijkl", address: ANN, expires: TODAY + 7 }, NOW)!;
  const made = composeChallenge(svc, ANN, cookie, { header: header(fields), body }, terms, {
    now: NOW,
    messageId: "<made@example.org>",
  });
  const head = parseHead(made.head, true)!.header;
  return {
    head,
    field: (name: string) => value(head, name),
    text: decode(made.body),
    whole: decode(made.head),
    cookie,
  };
}

Deno.test("a challenge has the fields of an automatic response, and no Precedence", () => {
  const { field, head } = composed();
  assert.equal(field("From"), "svc@example.org");
  assert.equal(field("To"), "ann@friend.example");
  assert.equal(field("Subject"), "Auto: subscribe");
  assert.match(field("Date")!, /^Fri, 20 Nov 2026 /);
  assert.equal(field("In-Reply-To"), "<2@friend.example>");
  assert.equal(field("References"), "<0@friend.example> <1@friend.example> <2@friend.example>");
  assert.equal(field("Auto-Submitted"), "auto-replied");
  assert.equal(field("X-Auto-Response-Suppress"), "All");
  assert.equal(field("X-Loop"), "svc@example.org");
  assert.equal(field("Precedence"), undefined);
  assert.equal(new Set(head.map(({ name }) => name)).size, head.length, "each field once");
});

Deno.test("its text is English, states the terms, and quotes three lines", () => {
  const { text } = composed(REQUEST, "Please.\nMore.\n", { terms: "The list has\n20 messages a day.\n" });
  assert.equal(
    text,
    `A message from your address has arrived at svc@example.org. It is held until you confirm it:

> Date: Fri, 20 Nov 2026 05:32:58 +0000
> Subject: subscribe
> Please.

To confirm that you sent it, reply to this message. Nothing else is needed.

If you did not send it, ignore this message. Without your confirmation nothing is done, and the held message
is deleted after 2026-11-27.

The list has
20 messages a day.
`,
  );
});

Deno.test("the cookie is in Reply-To alone, or with confirm = subject in the text alone", () => {
  const reply = composed();
  assert.ok(reply.field("Reply-To")!.includes(printCookie(reply.cookie)));
  assert.equal(`${reply.whole}${reply.text}`.split(reply.cookie.mac).length, 2, "once");
  assert.ok(!reply.field("From")!.includes("confirm"));
  const typed = composed(REQUEST, "", { settings: 'confirm = "subject"\nsubject_tag = "PAS-cookie"' });
  assert.equal(typed.field("Reply-To"), undefined);
  assert.ok(typed.text.includes(`\n    PAS-cookie ${printCookie(typed.cookie)}\n`));
  assert.ok(!typed.whole.includes(typed.cookie.mac), "a reply to it has the Subject without the cookie");
});

/** [what, fields, body, the quoted lines] */
const QUOTED: [string, string, string, string[]][] = [
  ["control characters", "Subject: a\x1b[31mb\x07", "c\x00d\r\n", ["Subject: a [31mb", "c d"]],
  ["reordered text", "Subject: a\u202egpj", "", ["Subject: a gpj"]],
  ["an encoded Subject", "Subject: =?utf-8?q?caf=C3=A9?=", "", ["Subject: café"]],
  ["an encoded line end", "Subject: =?utf-8?q?a=0AReply-To:_x?=", "", ["Subject: a Reply-To: x"]],
  ["links", "Subject: see http://evil.example/x now", "www.evil.example/pay me\n", ["Subject: see […] now", "[…] me"]],
  [
    "links without a scheme",
    "Subject: go to evil.example/pay, evil\u3002example or v1.2",
    "mail me@evil.example or bit.ly\n",
    [
      "Subject: go to […] […] or v1.2",
      "mail […] or […]",
    ],
  ],
  ["links of other schemes", "Subject: (tel:+1900 sms:1 javascript:x", "file:/etc/x and 10:30 a:b\n", [
    "Subject: […] […] […]",
    "[…] and 10:30 a:b",
  ]],
  ["domains in other scripts", "Subject: xn--e1afmkfd и пример.рф", "", ["Subject: […] и […]"]],
  ["long lines", `Subject: ${"x".repeat(500)}`, `${"é".repeat(500)}\n`, [
    `Subject: ${"x".repeat(69)}…`,
    `${"é".repeat(69)}…`,
  ]],
  ["HTML", "Content-Type: text/html", "<a href=x>\n", []],
  ["an encoded body", "Content-Type: text/plain\nContent-Transfer-Encoding: base64", "aGVsbG8=\n", []],
  ["empty lines first", "Subject: a", "\n \n\nb\n", ["Subject: a", "b"]],
  ["nothing", "From: x", "", []],
];
for (const [what, fields, body, expected] of QUOTED) {
  Deno.test(`quoted safely: ${what}`, () => {
    const raw = new TextDecoder("latin1").decode(new TextEncoder().encode(body));
    const lines = quotedLines({ header: header(fields), body: body.includes("é") ? raw : body });
    assert.deepEqual(lines, expected);
    assert.ok(lines.length <= 3);
  });
}

Deno.test("a forged request cannot add a field, and its Subject is cut and encoded", () => {
  const { head, field } = composed("Subject: =?utf-8?q?=C3=A9a=0D=0ABcc:_x@y.example?=" + " \u00e9".repeat(100));
  assert.deepEqual(head.map(({ name }) => name).includes("Bcc"), false);
  const subject = field("Subject")!;
  assert.match(subject, /^(?:=\?utf-8\?B\?[\w+/=]+\?= ?)+$/);
  assert.ok(subject.split(" ").every((word) => word.length <= 75));
  assert.ok([...decodeWords(subject)].length <= 66, decodeWords(subject));
});

Deno.test("prefixes of replies are dropped, and a message without a Subject has a Subject that names the service", () => {
  assert.equal(composed("Subject: Re: AW: Auto: hello").field("Subject"), "Auto: hello");
  assert.equal(composed("From: x").field("Subject"), "Auto: Your message to svc@example.org");
});

Deno.test("a Message-ID that is not well formed is not repeated, and References do not grow", () => {
  assert.equal(composed("Message-ID: <a b@c>").field("In-Reply-To"), undefined);
  assert.equal(composed("Message-ID: <1@x>\nMessage-ID: <2@x>").field("References"), undefined);
  const many = Array.from({ length: 200 }, (_, nth) => `<${nth}.0123456789@friend.example>`).join(" ");
  const references = composed(`Message-ID: <2@x>\nReferences: ${many}`).field("References")!;
  assert.ok(references.length < 998 && references.endsWith("> <2@x>"), references);
});

const LANGUAGES: [string, string[]][] = [
  ["Accept-Language: de", ["de"]],
  ["Accept-Language: fr;q=0.3, de-AT, en;q=0.9", ["de-at", "de", "en", "fr"]],
  ["Content-Language: pt-BR", ["pt-br", "pt"]],
  ["Accept-Language: de;q=0, ../../etc/passwd, *", []],
  ["Accept-Language: en\nContent-Language: de", ["en", "de"]],
  ["Subject: x", []],
];
for (const [fields, expected] of LANGUAGES) {
  Deno.test(`languages of ${JSON.stringify(fields)}`, () => assert.deepEqual(languagesOf(header(fields)), expected));
}
