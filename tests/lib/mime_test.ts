import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1, utf8 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { decodeWords } from "../../lib/encoded_words.ts";
import { contentType, mimeParts } from "../../lib/mime.ts";
import { work } from "../fuzz/work.ts";

const parts = (mail: string, depth = 16) => {
  const bytes = encodeLatin1(mail);
  const { header, bodyStart } = parseHead(bytes, true)!;
  return mimeParts(header, bytes.subarray(bodyStart), depth);
};
const MIXED = 'Content-Type: multipart/mixed; boundary="b"\n';
/** A multipart message with one part. */
const mail = (outer: string, fields: string, content: string) =>
  `${outer}${MIXED}\n--b\n${fields}\n${content}\n--b--\n`;

/** [what, message, type and content of each part, with `…` after a part that is not terminated] */
const read: [string, string, string[]][] = [
  ["plain text", "Subject: x\n\nHi.\n", ["text/plain Hi.|…"]],
  ["a part without the line ending before its delimiter", mail("", "", "Hi.\n"), ["text/plain Hi.|"]],
  ["a part in base64", mail("", "Content-Type: TEXT/X-Y\nContent-Transfer-Encoding: base64\n", "SGkuCg=="), [
    "text/x-y Hi.|",
  ]],
  ["base64 padded on each line", mail("", "Content-Transfer-Encoding: BASE64\n", "SGk=\nLgo=\n*?"), [
    "text/plain Hi.|",
  ]],
  ["base64 cut within four characters", mail("", "Content-Transfer-Encoding: base64\n", "SGkuC"), ["text/plain Hi."]],
  ["quoted-printable", mail("", "Content-Transfer-Encoding: Quoted-Printable\n", "=48=\ni.=3d=\t\n=0A=xy"), [
    "text/plain Hi.=|=xy",
  ]],
  ["an encoding with a comment", mail("", "Content-Transfer-Encoding: (x) base64\n", "SGku"), ["text/plain Hi."]],
  [
    "a part of type message/rfc822 without parsing it",
    mail("", "Content-Type: message/rfc822\n", "To: a@b.example\n\nHi."),
    [
      "message/rfc822 To: a@b.example||Hi.",
    ],
  ],
  ["a message with the encoding quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\n=48i.\n", [
    "text/plain Hi.|…",
  ]],
  ["the first of two Content-Type fields", `${MIXED}Content-Type: text/plain\n\n--b\n\nHi.\n--b--\n`, [
    "text/plain Hi.",
  ]],
  ["no text outside the delimiters", `${MIXED}\nbefore\n--b\n\nHi.\n--b--\nbehind\n--b\n\nx\n`, ["text/plain Hi."]],
  ["parts with CRLF line endings", mail("", "", "Hi.").replaceAll("\n", "\r\n"), ["text/plain Hi."]],
  ["a delimiter followed by spaces", `${MIXED}\n--b \t\n\nHi.\n--b-- \n`, ["text/plain Hi."]],
  ["no delimiter in a line that only begins like one", `${MIXED}\n--b\n\n--bc\n--b-\n x--b\n--b--\n`, [
    "text/plain --bc|--b-| x--b",
  ]],
  ["a truncated part", `${MIXED}\n--b\n\nHi.\n--b\n\nHo.\n`, ["text/plain Hi.", "text/plain Ho.|…"]],
  ["a part truncated within its header", `${MIXED}\n--b\nContent-Type: text/x-y`, ["text/x-y …"]],
  [
    "a nested part terminated by the outer delimiter",
    `${MIXED}\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nHi.\n--b--\n`,
    [
      "text/plain Hi.",
    ],
  ],
  ["parts of a digest", `Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: 1\n\nHi.\n--b--\n`, [
    "message/rfc822 A: 1||Hi.",
  ]],
  ["no part of a multipart without boundary", "Content-Type: multipart/mixed\n\n--b\n\nHi.\n--b--\n", []],
  ["no part if the delimiter is missing", `${MIXED}\nHi.\n`, []],
  ["UTF-16 by its charset", mail("", 'Content-Type: text/x; charset="UTF-16LE"\n', "H\0i\0"), ["text/x Hi"]],
  ["UTF-16 by its byte order mark", mail("", "Content-Type: text/x\n", "\xfe\xff\0H\0i"), ["text/x Hi"]],
  ["parts other than text as bytes", mail("", "Content-Type: image/x\n", "\xfe\xff\0H"), ["image/x \xfe\xff\0H"]],
];
for (const [what, message, expected] of read) {
  Deno.test(`mimeParts reads ${what}`, () => {
    const found = parts(message)?.map(({ type, bytes, ended }) =>
      `${type} ${decodeLatin1(bytes).replaceAll("\n", "|")}${ended ? "" : "…"}`
    );
    assert.deepEqual(found, expected);
  });
}

const nested = (depth: number): string =>
  Array.from({ length: depth }, (_, nth) => `Content-Type: multipart/mixed; boundary=b${nth}\n\n--b${nth}\n`).join("") +
  "\nHi.\n";

/** [what, message within the bound, message beyond it] */
const bounds: [string, string, string][] = [
  ["1,000 parts", `${MIXED}\n${"--b\n\nx\n".repeat(1000)}`, `${MIXED}\n${"--b\n\nx\n".repeat(1001)}`],
  ["16 nested multiparts", nested(16), nested(17)],
];
for (const [what, within, beyond] of bounds) {
  Deno.test(`mimeParts reads a message of ${what} and returns undefined for one more`, () => {
    assert.notEqual(parts(within), undefined);
    assert.equal(parts(beyond), undefined);
  });
}

Deno.test("a Content-Type longer than 8 KB is ignored", () => {
  const type = (bytes: number) => parts(`Content-Type: text/x;${"y".repeat(bytes)}\n\nHi.\n`)![0]!.type;
  assert.deepEqual([type(8000), type(8200)], ["text/x", ""]);
});

/** [value of Content-Type, type, parameters] */
const types: [string, string, Record<string, string>][] = [
  ["text/plain", "text/plain", {}],
  ["", "", {}],
  ['Multipart/REPORT; Report-Type=Delivery-Status; boundary="a b"', "multipart/report", {
    "report-type": "Delivery-Status",
    boundary: "a b",
  }],
  ["a/b ; x = 1 ;; y=2;z", "a/b", { x: "1", y: "2" }],
  ["a/b; x=1; X=2", "a/b", { x: "1" }],
  ['a/b; x="\\"\\\\;y=2"', "a/b", { x: '"\\;y=2' }],
  ['a/b; x="open', "a/b", { x: "" }],
  ['a/b (c (d) \\) e); x=1 (f); y="(g)"', "a/b", { x: "1", y: "(g)" }],
  ["a/b; x=1 (open; y=2", "a/b", { x: "1", y: "2" }],
  ["a/b; report-type*0=delivery-; report-type*1=status", "a/b", { "report-type": "delivery-status" }],
  ["a/b; x*1=b; x*0*=us-ascii'en'%61; x*2*=%63", "a/b", { x: "abc" }],
  ["a/b; x*=utf-8''%41%zz", "a/b", { x: "A%zz" }],
];
for (const [value, type, parameters] of types) {
  Deno.test(`Content-Type ${value}`, () => {
    const found = contentType(parseHead(utf8(`Content-Type: ${value}\n\n`), true)!.header);
    assert.deepEqual([found.type, Object.fromEntries(found.parameters)], [type, parameters]);
  });
}

/** Hostile fields that mimeParts need not parse: a general MIME parser takes more than linear time for some of them. */
const FIELDS: [name: string, piece: string][] = [
  ["To", "a:"],
  ["Cc", "a@b.example,"],
  ["From", '"a" <'],
  ["Reply-To", "(("],
  ["Bcc", "=?utf-8?q?a?= "],
  ["Subject", "=?utf-8?q?a?= "],
  ["References", "<a@b.example>\n "],
  ["X", "\\"],
];
for (const [name, piece] of FIELDS) {
  Deno.test(`a field ${name} that repeats ${JSON.stringify(piece)} costs nothing`, async () => {
    const long = mail(`${name}: ${piece.repeat(100_000 / piece.length)}\n`, "", "Hi.");
    const { header, bodyStart } = parseHead(encodeLatin1(long), true)!;
    const body = encodeLatin1(long).subarray(bodyStart);
    const cost = (fields: typeof header) => work(() => mimeParts(fields, body, 16));
    const [without, included] = [await cost(header.slice(1)), await cost(header)];
    assert.ok(included <= without + 100, `${included}, ${without} without the field`);
  });
}

Deno.test("Nested multiparts whose delimiters never follow are each searched only to their own end", async () => {
  const cost = (boundary: (nth: number) => string) => {
    const inner = Array.from(
      { length: 400 },
      (_, nth) => `--b\nContent-Type: multipart/x; boundary=${boundary(nth)}\n\n--x${nth}\n\n`,
    ).join("");
    const body = encodeLatin1(inner.padEnd(100_000, "\n"));
    const { header } = parseHead(encodeLatin1(`${MIXED}\n`), true)!;
    return work(() => mimeParts(header, body, 4));
  };
  const [flat, nested] = [await cost(() => '""'), await cost((nth) => `x${nth}`)];
  assert.ok(nested < 3 * flat, `${nested}, ${flat} without the nested ones`);
});

/** [encoded, decoded] */
const words: [string, string][] = [
  ["", ""],
  ["plain", "plain"],
  ["=?utf-8?q?caf=C3=A9?= x", "café x"],
  ["=?UTF-8?B?Y2Fmw6k=?=", "café"],
  ["=?iso-8859-1?Q?a_=E9?=", "a é"],
  ["=?utf-8*en?q?a?=", "a"],
  ["a =?utf-8?q?b?= \t =?utf-8?q?c?= d", "a bc d"],
  ["=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"],
  ["=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé"],
  ["=?nobody?q?=E9?=", "é"],
  ["=?utf-8?q?a?b?=", "=?utf-8?q?a?b?="],
  ["=?utf-8?x?a?=", "=?utf-8?x?a?="],
];
for (const [encoded, expected] of words) {
  Deno.test(`decodeWords decodes ${encoded}`, () => assert.equal(decodeWords(encoded), expected));
}

Deno.test("Encoded words are decoded in texts of at most 8 KB", () => {
  const text = (bytes: number) => "=?utf-8?q?a?=".padEnd(bytes, " x");
  assert.match(decodeWords(text(8192)), /^a x/);
  assert.equal(decodeWords(text(8193)), text(8193));
});
