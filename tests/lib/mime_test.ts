import assert from "node:assert/strict";
import { binary, unbinary } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { decodeWords, mimeParts } from "../../lib/mime.ts";
import { work } from "../fuzz/work.ts";

const parts = (mail: string, depth = 16) => {
  const bytes = unbinary(mail);
  const { header, bodyStart } = parseHead(bytes, true)!;
  return mimeParts(header, bytes.subarray(bodyStart), depth);
};
const MIXED = 'Content-Type: multipart/mixed; boundary="b"\n';
/** A message with one part, of these fields and this content. */
const mail = (outer: string, fields: string, content: string) =>
  `${outer}${MIXED}\n--b\n${fields}\n${content}\n--b--\n`;

/** [what, message, type of each part and its content] */
const read: [string, string, [string, string][]][] = [
  ["plain text", "Subject: x\n\nHi.\n", [["text/plain", "Hi.\n"]]],
  ["a part in base64", mail("", "Content-Type: TEXT/X-Y\nContent-Transfer-Encoding: base64\n", "SGkuCg=="), [
    ["text/x-y", "Hi.\n"],
  ]],
  ["a message as a part, which is not opened", mail("", "Content-Type: message/rfc822\n", "To: a@b.example\n\nHi."), [
    ["message/rfc822", "To: a@b.example\n\nHi.\n"],
  ]],
  ["a message in quoted-printable itself", "Content-Transfer-Encoding: quoted-printable\n\n=48i.\n", [
    ["text/plain", "Hi.\n"],
  ]],
  ["the first of two fields", `${MIXED}Content-Type: text/plain\n\n--b\n\nHi.\n--b--\n`, [["text/plain", "Hi.\n"]]],
];
for (const [what, message, expected] of read) {
  Deno.test(`mimeParts reads ${what}`, async () => {
    const found = await parts(message);
    assert.deepEqual(found?.map(({ type, bytes }) => [type, binary(bytes)]), expected);
  });
}

const nested = (depth: number): string =>
  Array.from({ length: depth }, (_, nth) => `Content-Type: multipart/mixed; boundary=b${nth}\n\n--b${nth}\n`).join("") +
  "\nHi.\n";

/** [what, message within the bound, message beyond it] */
const bounds: [string, string, string][] = [
  ["256 KB of body", `\n${"x".repeat(256 * 1024 - 1)}\n`, `\n${"x".repeat(256 * 1024)}\n`],
  ["20,000 lines", `\n${"\n".repeat(20_000)}`, `\n${"\n".repeat(20_001)}`],
  [
    "8 KB of Content-Type",
    `Content-Type: text/plain; x=${"y".repeat(8000)}\n\nHi.\n`,
    `Content-Type: text/plain; x=${"y".repeat(8200)}\n\nHi.\n`,
  ],
  [
    "64 KB of part headers",
    mail("", `X: ${"y".repeat(65_000)}\n`, "Hi."),
    mail("", `X: ${"y".repeat(66_000)}\n`, "Hi."),
  ],
  ["16 multiparts, one in the other", nested(16), nested(17)],
];
for (const [what, within, beyond] of bounds) {
  Deno.test(`mimeParts reads a message of ${what}, and says when there is more`, async () => {
    assert.notEqual(await parts(within), undefined);
    assert.equal(await parts(beyond), undefined);
  });
}

/** Fields of a stranger that describe no MIME: each took the parser, or could take it, more than linear time. */
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
  Deno.test(`a field ${name} of ${JSON.stringify(piece)} again and again costs the parser nothing`, async () => {
    const long = mail(`${name}: ${piece.repeat(100_000 / piece.length)}\n`, "", "Hi.");
    const { header, bodyStart } = parseHead(unbinary(long), true)!;
    const body = unbinary(long).subarray(bodyStart);
    const cost = async (fields: typeof header) => {
      await mimeParts(fields, body, 16); // what is loaded, is loaded
      return await work(() => mimeParts(fields, body, 16));
    };
    const [without, withIt] = [await cost(header.slice(1)), await cost(header)];
    assert.ok(withIt <= without + 100, `${withIt}, ${without} without it`);
  });
}

Deno.test("Encoded words are decoded, in texts of a length that names and subjects have", async () => {
  assert.equal(await decodeWords("=?utf-8?q?caf=C3=A9?= x"), "café x");
  assert.equal(await decodeWords("plain"), "plain");
  assert.equal(await decodeWords(""), "");
  const words = (bytes: number) => "=?utf-8?q?a?=".padEnd(bytes, " x");
  assert.match(await decodeWords(words(8192)), /^a x/);
  assert.equal(await decodeWords(words(8193)), words(8193));
});
