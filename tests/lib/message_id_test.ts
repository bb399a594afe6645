import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { type Header, parseHead } from "../../lib/message.ts";
import {
  bareMessageId,
  messageIdBody,
  messageIdOf,
  messageIdReadings,
  messageIdsIn,
  signedMessageId,
} from "../../lib/message_id.ts";
import { signTag, verifyTag } from "../../lib/tag.ts";
import { randomNonce } from "../random.ts";

const headerOf = (bytes: Uint8Array): Header => parseHead(bytes, true)!.header;
const field = (text: string): Header => headerOf(utf8(`From: a@b\n${text}\n\n`));
const secrets = { k1: "0123456789abcdef" };
const sign = (id: string) =>
  signTag("greg@example.org", id, { key: "k1", secret: secrets.k1, now: new Date(), nonce: randomNonce() });
const verify = (tag: string, id: string) => verifyTag(tag, "greg@example.org", id, { secrets, now: new Date() });

/** A field as programs write it, the text that a tag covers, and the Message-ID used in comparisons. */
const WRITTEN: [field: string, signed: string, bare: string][] = [
  ["Message-ID: <1@example.org>", "1@example.org", "1@example.org"],
  ["MESSAGE-ID:<1@example.org>", "1@example.org", "1@example.org"],
  ["Message-Id :  < 1@example.org >  ", "1@example.org", "1@example.org"],
  ["Message-ID:\n <1@example.org>", "1@example.org", "1@example.org"],
  // As encoded words
  ["Message-ID: =?utf-8?q?=3C1=40example=2Eorg=3E?=", "=?utf-8?q?=3C1=40example=2Eorg=3E?=", "1@example.org"],
  ["Message-ID: =?UTF-8?B?PDFAZXhhbXBsZS5vcmc+?=", "=?UTF-8?B?PDFAZXhhbXBsZS5vcmc+?=", "1@example.org"],
  [
    "Message-ID: =?utf-8?q?=3C1=40exam?=\n =?utf-8?q?ple=2Eorg=3E?=",
    "=?utf-8?q?=3C1=40exam?= =?utf-8?q?ple=2Eorg=3E?=",
    "1@example.org",
  ],
  ["Message-ID: =?x-none?q?=3C1?=", "=?x-none?q?=3C1?=", "1"],
  // Folded inside of the brackets
  ["Message-ID: <1234567890\n @example.org>", "1234567890 @example.org", "1234567890@example.org"],
  ["Message-ID: <1234567890\n\t@example.org>", "1234567890\t@example.org", "1234567890@example.org"],
  ["Message-ID: <1@example.\n  org\n >", "1@example.  org", "1@example.org"],
  // With comments
  ["Message-ID: <1@example.org> (made by (x) <y@z>)", "<1@example.org> (made by (x) <y@z>)", "1@example.org"],
  ["Message-ID: (c) <1@example.org>", "(c) <1@example.org>", "1@example.org"],
  ["Message-ID: <1@example.org> (not closed", "<1@example.org> (not closed", "1@example.org"],
  ["Message-ID: 1@example.org (c)", "1@example.org (c)", "1@example.org"],
  // Brackets missing, unbalanced, doubled
  ["Message-ID: 1@example.org", "1@example.org", "1@example.org"],
  ["Message-ID: <1@example.org", "<1@example.org", "1@example.org"],
  ["Message-ID: 1@example.org>", "1@example.org>", "1@example.org"],
  ["Message-ID: <<1@example.org>>", "<<1@example.org>>", "1@example.org"],
  ["Message-ID: <<1@example.org>", "<<1@example.org>", "1@example.org"],
  ["Message-ID: <1@example.org>>", "<1@example.org>>", "1@example.org"],
  ["Message-ID: ><1@example.org>", "><1@example.org>", "1@example.org"],
  // Other characters
  ["Message-ID: case41 13", "case41 13", "case4113"],
  ["Message-ID: <case41 13>", "case41 13", "case4113"],
  ["Message-ID: 20261127.1", "20261127.1", "20261127.1"],
  ['Message-ID: <"a b>c"@example.org>', '<"a b>c"@example.org>', '"ab>c"@example.org'],
  ['Message-ID: "a@b c@d"@example.org', '"a@b c@d"@example.org', '"a@bc@d"@example.org'],
  ["Message-ID: <a(b)c@example.org>", "a(b)c@example.org", "a(b)c@example.org"],
  ["Message-ID: <a@b@example.org>", "a@b@example.org", "a@b@example.org"],
  ["Message-ID: <a,b;c@example.org>", "a,b;c@example.org", "a,b;c@example.org"],
  ["Message-ID: <a&amp;b@example.org>", "a&amp;b@example.org", "a&amp;b@example.org"],
  ["Message-ID: <bücher@example.org>", "bücher@example.org", "bücher@example.org"],
  ["Message-ID: <1@example.org> from example", "<1@example.org> from example", "1@example.org"],
  ["Message-ID: <1@[192.0.2.1]>", "1@[192.0.2.1]", "1@[192.0.2.1]"],
];

Deno.test("A Message-ID verifies when it is returned unchanged", () => {
  for (const [written, signed, bare] of WRITTEN) {
    const header = field(written);
    const returned = messageIdBody(header[1]!);
    assert.deepEqual([messageIdOf(header), bareMessageId(returned)], [signed, bare], written);
    assert.equal(messageIdReadings(returned)[0], signed, written);
    assert.equal(signedMessageId(signed), signed, written);
    verify(sign(messageIdOf(header)), returned);
  }
});

Deno.test("A Message-ID that is not UTF-8 is read as Latin-1", () => {
  const latin1 = (octet: number) =>
    headerOf(Uint8Array.of(...utf8("Message-ID: <"), octet, ...utf8("@example.org>\n\n")));
  const [one, other] = [latin1(0xe9), latin1(0xe8)];
  assert.equal(messageIdOf(one), "é@example.org");
  verify(sign(messageIdOf(one)), messageIdBody(one[0]!));
  assert.throws(() => verify(sign(messageIdOf(one)), messageIdBody(other[0]!)), { kind: "tag-invalid" });
  assert.equal(messageIdOf(field("Message-ID: <\ufffd@example.org>")), "\ufffd@example.org");
});

Deno.test("A Message-ID that is empty, ambiguous or contains control characters is rejected", () => {
  const bad = (text: string, message: RegExp) =>
    assert.throws(() => messageIdOf(field(text)), { kind: "data", message }, JSON.stringify(text));
  for (const control of ["\0", "\x01", "\x1b[2J", "\x7f", "\r"]) {
    bad(`Message-ID: <1${control}@example.org>`, /contains a control character$/);
    bad(`Message-ID: ${control}<1@example.org>`, /contains a control character$/);
  }
  for (const empty of ["", " ", "<>", "< >", "<\n >", "()", "(a@b)", "<<>>", ">", "\n\t"]) {
    bad(`Message-ID: ${empty}`, /^The Message-ID is empty$/);
  }
  for (
    const several of [
      "<1@x> <2@x>",
      "<1@x><2@x>",
      "<1@x>\n <2@x>",
      "<1@x>, <1@x>",
      "1@x 2@x",
      "1@x,2@x",
      "<1@x> 2@x",
      "<1@x <2@x>",
      "<1> <2>",
    ]
  ) bad(`Message-ID: ${several}`, /contains several Message-IDs$/);
  bad("Message-ID: <1@x>\nMessage-Id: <1@x>", /^The message has 2 Message-ID fields$/);
  bad("Subject: x", /^The message has 0 Message-ID fields$/);
});

/** Changes that servers and gateways make to a signed field. */
const CHANGED: [signed: string, returned: string][] = [
  ["<1@example.org>", "1@example.org"],
  ["1@example.org", "<1@example.org>"],
  ["case41 13", "<case41 13>"],
  ["<1@example.org>", "<1@\n example.org>"],
  ["<1@example.org>", "<1@\r\n\t  example.org>"],
  ["<1@example.org>", "<1@ example.org>"],
  ["<1@example.org>", "< 1@example.org >"],
  ["case41 13", "case41\n\t13"],
  ["case41 13", "case41\r\n       13"],
  ["<1@example.org>", "&lt;1@example.org&gt;"],
  ["<1@example.org>", "&#60;1&#64;example.org&#x3E;"],
  ['<"a b"@example.org>', "&lt;&quot;a b&quot;@example.org&gt;"],
  ["<a&b@example.org>", "&lt;a&amp;b@example.org&gt;"],
  // A reference that is part of the Message-ID itself is escaped once, and must not be replaced twice.
  ["<a&amp;b@example.org>", "&lt;a&amp;amp;b@example.org&gt;"],
  ["<a&lt;b@example.org>", "&lt;a&amp;lt;b@example.org&gt;"],
  ["<a&amp;lt;b@example.org>", "&lt;a&amp;amp;lt;b@example.org&gt;"],
  ["<1@example.org>", "&amp;lt;1@example.org&amp;gt;"],
  ["<1@example.org>", "<1@example.org> (added on the way)"],
  ["<1@example.org>", "<other@relay.example> <1@example.org>"],
  ["<1@example.org>", "<1@example.org>;"],
];

Deno.test("A Message-ID that was rewritten harmlessly in transit verifies", () => {
  for (const [signed, returned] of CHANGED) verify(sign(signed), returned);
});

Deno.test("Another Message-ID does not verify, and the number of readings of a long one is bounded", () => {
  const tag = sign("<1@example.org>");
  for (const other of ["", "<>", "<2@example.org>", "<1@example.org.x>", "<1@example.orG>", "1", "example.org"]) {
    assert.throws(() => verify(tag, other), { kind: "tag-invalid" }, other);
  }
  for (const piece of ["<", ">", "<a>", "(", '"', "\n ", "a@b ", "&lt;", "=?utf-8?q?a?= ", " \t"]) {
    assert.ok(messageIdReadings(piece.repeat(50_000)).length <= 8, piece);
  }
});

Deno.test("messageIdsIn finds the Message-IDs in References and similar fields", () => {
  const good = (body: string, ...ids: string[]) => assert.deepEqual(messageIdsIn(body), ids, body);
  good("<1@x>", "1@x");
  good("<1@x>\n\t<2@x>\r\n <1@x>", "1@x", "2@x");
  good("<1@x><2@x>,<3@x>", "1@x", "2@x", "3@x");
  good("1@x 2@x", "1@x2@x", "1@x", "2@x");
  good("case41 13", "case4113");
  good("<1@x> case41 13 <2@x>", "1@x", "2@x", "case4113");
  good('"Your message of Friday" <1@x>', "1@x", '"YourmessageofFriday"');
  good("Your message <1@x> (of Friday)", "1@x", "Yourmessage");
  good("=?utf-8?q?=3C1=40x=3E?=", "1@x");
  good("<12345\n 67@x>", "1234567@x");
  good("<1@x", "1@x");
  good("<<1@x>>", "1@x");
  good("(<1@x>)");
  good("");
  for (const [written, , bare] of WRITTEN) assert.equal(messageIdsIn(messageIdBody(field(written)[1]!))[0], bare);
});
