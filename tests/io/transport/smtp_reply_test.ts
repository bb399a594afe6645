/** Parsing of SMTP replies. */
import assert from "node:assert/strict";
import { encodeLatin1 } from "../../../lib/bytes.ts";
import { MAX_LINE_BYTES, MAX_LINES, NotReply, type Reply, ReplyReader } from "../../../io/transport/smtp/reply.ts";

/** A reader of these bytes, in chunks of this size, after which the connection is closed. */
function reader(bytes: string, piece: number): ReplyReader {
  let rest = encodeLatin1(bytes);
  return new ReplyReader((into) => {
    const count = Math.min(piece, rest.length, into.length);
    into.set(rest.subarray(0, count));
    rest = rest.subarray(count);
    return Promise.resolve(count === 0 ? null : count);
  });
}

const GOOD: [bytes: string, reply: Reply][] = [
  ["250 OK\r\n", { code: 250, lines: ["OK"] }],
  ["250\r\n", { code: 250, lines: [""] }],
  ["250 \r\n", { code: 250, lines: [""] }],
  ["250 OK\n", { code: 250, lines: ["OK"] }],
  ["250-a\r\n250-b\r\n250 c\r\n", { code: 250, lines: ["a", "b", "c"] }],
  ["250-\r\n250\r\n", { code: 250, lines: ["", ""] }],
  ["250 2.1.5 OK\r\n", { code: 250, enhanced: "2.1.5", lines: ["2.1.5 OK"] }],
  ["550 5.1.1\r\n", { code: 550, enhanced: "5.1.1", lines: ["5.1.1"] }],
  ["550-5.7.1 Not\r\n550 5.7.1 yours\r\n", { code: 550, enhanced: "5.7.1", lines: ["5.7.1 Not", "5.7.1 yours"] }],
  ["550 4.7.1 of another class\r\n", { code: 550, lines: ["4.7.1 of another class"] }],
  ["550 5.7.1x\r\n", { code: 550, lines: ["5.7.1x"] }],
  ["550 5.1000.1 x\r\n", { code: 550, lines: ["5.1000.1 x"] }],
  ["250 \xe9\xff\r\n", { code: 250, lines: ["\ufffd\ufffd"] }],
  ["250 Gr\xc3\xbc\xc3\x9fe\r\n", { code: 250, lines: ["Grüße"] }],
  ["250 a\0b\rc\r\n", { code: 250, lines: ["a\0b\rc"] }],
  [`250 ${"x".repeat(MAX_LINE_BYTES - 6)}\r\n`, { code: 250, lines: ["x".repeat(MAX_LINE_BYTES - 6)] }],
  [
    "250-x\r\n".repeat(MAX_LINES - 1) + "250 x\r\n",
    { code: 250, lines: Array.from({ length: MAX_LINES }, () => "x") },
  ],
];

Deno.test("replies are read in chunks of any size", async () => {
  for (const [bytes, reply] of GOOD) {
    for (const piece of [1, 2, 3, 7, 100_000]) {
      const twice = reader(bytes + bytes, piece);
      assert.deepEqual([await twice.next(), await twice.next()], [reply, reply], bytes.slice(0, 40));
      assert.equal(twice.pending, false);
    }
  }
});

const BAD: [bytes: string, says: RegExp][] = [
  ["\r\n", /^""$/],
  ["what?\r\n", /^"what\?"$/],
  ["2 fine\r\n", /^"2 fine"$/],
  ["25 OK\r\n", /^"25 OK"$/],
  ["2500 OK\r\n", /^"2500 OK"$/],
  ["250OK\r\n", /^"250OK"$/],
  ["250\tOK\r\n", /^"250\\tOK"$/],
  [" 250 OK\r\n", /^" 250 OK"$/],
  ["150 Wait\r\n", /^"150 Wait"$/],
  ["999 Up\r\n", /^"999 Up"$/],
  ["\xb2\xb5\xb0 OK\r\n", /OK"$/],
  ["HTTP/1.1 400 Bad Request\r\n", /^"HTTP/],
  ["250-a\r\n550 b\r\n", /^250 and 550 in one reply$/],
  ["550-a\r\n250 b\r\n", /^550 and 250 in one reply$/],
  ["250-a\r\nb\r\n", /^"b"$/],
  ["\x1b[31m\x9b\u0085\r\n", /^"\\u001b\[31m/],
  ["x".repeat(MAX_LINE_BYTES + 10), /^a line of more than \d+ bytes$/],
  [`250 ${"x".repeat(10 * MAX_LINE_BYTES)}\r\n`, /^a line of more than \d+ bytes$/],
  ["250-x\r\n".repeat(MAX_LINES + 1), /^a reply of more than \d+ lines$/],
];

Deno.test("malformed replies are rejected", async () => {
  for (const [bytes, says] of BAD) {
    for (const piece of [1, 5, 100_000]) {
      const error = await reader(bytes, piece).next().catch((error) => error);
      assert.ok(error instanceof NotReply, `${bytes.slice(0, 40)}: ${JSON.stringify(error)}`);
      assert.match(error.message, says);
    }
  }
});

Deno.test("a truncated reply is an unexpected end of file", async () => {
  for (const bytes of ["", "2", "250", "250 OK", "250-OK\r\n", "250-OK\r\n250 OK"]) {
    await assert.rejects(reader(bytes, 3).next(), Deno.errors.UnexpectedEof, bytes);
  }
});

Deno.test("reading of an endless reply stops at the limit", async () => {
  for (const endless of ["x", "250-x\r\n", "250-\r\n", "\n"]) {
    let read = 0;
    const flood = new ReplyReader((into) => {
      for (let at = 0; at < into.length; at++) into[at] = endless.charCodeAt(read++ % endless.length);
      return Promise.resolve(into.length);
    });
    await assert.rejects(flood.next(), NotReply);
    assert.ok(read <= MAX_LINES * MAX_LINE_BYTES, `${read} bytes`);
  }
});
