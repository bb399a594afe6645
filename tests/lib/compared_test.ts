/** Comparing header fields with what was sent: differences of form do not count, differences of content do. */
import assert from "node:assert/strict";
import { encodeLatin1, utf8ToLatin1 } from "../../lib/bytes.ts";
import { COMPARED_FIELDS, comparedFields } from "../../lib/compared.ts";
import { parseHead } from "../../lib/message.ts";

const compared = (text: string) => comparedFields(parseHead(encodeLatin1(`${text}\n`), true)!.header).join("|");

const SUBJECT = utf8ToLatin1("Gr\u00fc\u00dfe an alle");

/** A field as sent, and returned forms of it with the same content. */
const EQUAL: readonly [sent: string, ...returned: string[]][] = [
  [
    "From: Joe <joe@example.net>\n",
    'From: "Joe" <Joe@Example.NET> (at home)\n',
    "From: =?utf-8?q?Joe?= <joe@example.net>\n",
    "FROM : Joe\n <joe@example.net>\n",
    "From: Joe <joe@example.net>,\n",
  ],
  [
    "Subject: hello there\n",
    "Subject: hello\n  there \n",
    "SUBJECT:hello there\n",
    "Subject: =?us-ascii?q?hello_there?=\n",
    "Subject: =?us-ascii?q?_hello_there_?=\n",
    "Subject: =?utf-8?b?aGVsbG8g?=\n =?utf-8?b?dGhlcmU=?=\n",
  ],
  [`Subject: ${SUBJECT}\n`, "Subject: =?iso-8859-1?q?Gr=FC=DFe_an_alle?=\n"],
  ["Date: Fri, 20 Nov 2026 05:59:57 +0100\n", "date: Fri,\t20 Nov 2026\n 05:59:57 +0100\n"],
  [
    "To: dev@lists.example.org, Ann Lee <ann@example.org>\n",
    'To: dev@lists.example.org,\n\t"Ann Lee" <ann@example.org>\n',
    "to: <dev@LISTS.example.org> , Ann Lee<ann@example.org>\n",
  ],
  // qmail-inject and Postfix add these to a message without recipient fields.
  [
    "",
    "To: undisclosed-recipients:;\n",
    "Cc: recipient list not shown: ;\n",
    "Reply-To:\n",
    "X-Other: x\nSender: a@b\n",
  ],
  // RFC 2045 sections 5.1, 5.2 and 6.2.
  [
    "",
    "Content-Type: text/plain\n",
    "Content-Type: TEXT/Plain; Charset=US-ASCII\n",
    'content-type: text/plain;\n charset="us-ascii"\n',
    "Content-Transfer-Encoding: 7bit\n",
    "Content-Transfer-Encoding: 8BIT\n",
    "MIME-Version: 1.0\n",
  ],
  [
    'Content-Type: multipart/mixed; boundary="aB1"\n',
    "Content-Type: Multipart/Mixed;\n\tboundary=aB1\n",
    'Content-Type: multipart/mixed ; BOUNDARY = "aB1" ;\n',
  ],
  ["Content-Transfer-Encoding: base64\n", "CONTENT-TRANSFER-ENCODING: BASE64\n"],
];

/** A field as sent, and returned fields with other content. */
const DIFFERENT: readonly [sent: string, ...returned: string[]][] = [
  [
    "From: Joe <joe@example.net>\n",
    "",
    "From: Joe <jo@example.net>\n",
    "From: joe@example.net\n",
    "From: Jo <joe@example.net>\n",
    "From: Joe <joe@example.net>, x@example.net\n",
    "From: Joe <joe@example.net>\nFrom: Joe <joe@example.net>\n",
    "From: Joe <joe@example.net>\nFrom: x@example.net\n",
  ],
  [
    "Date: Fri, 20 Nov 2026 05:59:57 +0100\n",
    "",
    "Date: Fri, 20 Nov 2026 05:59:58 +0100\n",
    "Date: Fri, 20 Nov 2026 05:59:57 +0100 (CET)\n",
    "Date: =?us-ascii?q?Fri?=, 20 Nov 2026 05:59:57 +0100\n",
  ],
  [
    "Subject: hello there\n",
    "",
    "Subject: hellothere\n",
    "Subject: Hello there\n",
    "Subject: Re: hello there\n",
    "Subject: =?us-ascii?q?hello_ther?=\n",
    "Subject: hello there\nSubject: BUY NOW\n",
    "Subject: hello\nSubject: there\n",
  ],
  ["Subject: hellothere\n", "Subject: hello\nSubject: there\n"],
  [`Subject: ${SUBJECT}\n`, `Subject: ${SUBJECT.replace("\xbc", "\xbd")}\n`],
  // Bytes that are not UTF-8 are compared as bytes, not as U+FFFD.
  ["Subject: Gr\xfc\xdfe\n", "Subject: Gr\xe4\xe4e\n"],
  ["To: dev@lists.example.org\n", "", "To: users@lists.example.org\n", "To: dev@lists.example.org, x@evil.example\n"],
  ["To: a@x, b@x\n", "To: b@x, a@x\n", "To: a@x\nCc: b@x\n"],
  ["", "Reply-To: eve@evil.example\n", "Mail-Followup-To: eve@evil.example\n", "Cc: eve@evil.example\n"],
  ["", "Comments: BUY NOW\n", "Keywords: BUY NOW\n", "Organization: BUY NOW\n"],
  ["References: <1@x> <2@x>\n", "References: <1@x>\n", "References: <1@x> <2@x> <3@x>\n", "In-Reply-To: <1@x> <2@x>\n"],
  ["Reply-To: joe@example.net\n", "", "Reply-To: eve@evil.example\n", "Reply-To: joe@example.net, eve@evil.example\n"],
  [
    "",
    "Content-Type: text/html\n",
    "Content-Type: text/plain; charset=utf-8\n",
    "Content-Type: text/plain; charset=us-ascii; x=y\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n",
  ],
  [
    "Content-Type: multipart/mixed; boundary=aB1\n",
    "Content-Type: multipart/alternative; boundary=aB1\n",
    "Content-Type: multipart/mixed; boundary=ab1\n",
    "Content-Type: multipart/mixed; boundary=aB1\nContent-Type: text/html\n",
    "",
  ],
];

Deno.test("Fields that differ only in form are equal", { permissions: "none" }, () => {
  for (const [sent, ...returned] of EQUAL) {
    for (const form of returned) assert.equal(compared(form), compared(sent), JSON.stringify([sent, form]));
  }
});

Deno.test("Fields with different contents are not equal", { permissions: "none" }, () => {
  for (const [sent, ...returned] of DIFFERENT) {
    for (const form of returned) assert.notEqual(compared(form), compared(sent), JSON.stringify([sent, form]));
  }
});

Deno.test("comparedFields returns one text per field, in the order of COMPARED_FIELDS", { permissions: "none" }, () => {
  const all = COMPARED_FIELDS.map((name) => `${name}: x${name}\n`).join("");
  const texts = comparedFields(parseHead(encodeLatin1(`${all}\n`), true)!.header);
  assert.deepEqual(
    texts.map((text) => /x[A-Za-z-]+/i.exec(text)?.[0].toLowerCase()),
    COMPARED_FIELDS.map((name) => `x${name}`.toLowerCase()),
  );
});
