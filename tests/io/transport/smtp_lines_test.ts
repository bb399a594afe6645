/** Encoding of a message for DATA: line endings, dot-stuffing and the final dot. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, decodeLatin1, encodeLatin1 } from "../../../lib/bytes.ts";
import { sizeWithCrlf, SmtpLines } from "../../../io/transport/smtp/lines.ts";

/** The bytes sent for a message in these chunks (as Latin-1), and its size as SIZE counts it. */
function encoded(...parts: string[]): { sent: string; size: number } {
  const lines = new SmtpLines();
  const out: Uint8Array[] = [];
  // The chunks share one buffer, on which the result must not depend.
  const buffer = new Uint8Array(Math.max(0, ...parts.map((part) => part.length)));
  for (const part of parts) {
    buffer.set(encodeLatin1(part));
    for (const piece of lines.encode(buffer.subarray(0, part.length))) out.push(piece.slice());
    buffer.fill(46);
  }
  const last = lines.end().slice();
  return { sent: decodeLatin1(concat(...out, last)), size: lines.messageSize - 2 };
}

/** A simple implementation to compare with. */
function expected(message: string): string {
  const lines = message.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return [...lines, "."].map((line, nth) => (nth < lines.length ? line.replace(/^\./, "..") : line) + "\r\n").join("");
}

const ROWS: [message: string, sent: string][] = [
  ["", ".\r\n"],
  ["\n", "\r\n.\r\n"],
  ["a", "a\r\n.\r\n"],
  ["a\n", "a\r\n.\r\n"],
  ["a\r\n", "a\r\n.\r\n"],
  ["a\r", "a\r\n.\r\n"],
  [".", "..\r\n.\r\n"],
  [".\n", "..\r\n.\r\n"],
  ["..a\n", "...a\r\n.\r\n"],
  ["a.b\n.c", "a.b\r\n..c\r\n.\r\n"],
  ["\n\n", "\r\n\r\n.\r\n"],
  ["\r\r", "\r\n\r\n.\r\n"],
  ["\r\r\n", "\r\n\r\n.\r\n"],
  ["\n\r", "\r\n\r\n.\r\n"],
  // Sequences that some servers read as the end of the message (SMTP smuggling).
  ["a\n.\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\n.\r\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r\n.\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r\n.\r\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r.\rQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r\n.\rQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r.\r\nQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r\0\n.\nQUIT", "a\r\n\0\r\n..\r\nQUIT\r\n.\r\n"],
  ["\0\xe9\xff\n", "\0\xe9\xff\r\n.\r\n"],
];

Deno.test("messages are encoded, in one chunk and byte by byte", () => {
  for (const [message, sent] of ROWS) {
    assert.equal(expected(message), sent, "the table agrees with the simple implementation");
    const size = sent.length - 3 - sent.split("\r\n..").length + 1 - Number(sent.startsWith("..")); // without dots
    assert.deepEqual(encoded(message), { sent, size }, JSON.stringify(message));
    assert.deepEqual(encoded(...message), { sent, size }, `${JSON.stringify(message)}, byte by byte`);
  }
});

Deno.test("Property: any message has one end, no bare CR or LF, and loses nothing", () => {
  const text = fc.string({ unit: fc.constantFrom("\r", "\n", ".", "a", "\0", "\xff"), maxLength: 60 });
  fc.assert(fc.property(fc.array(text, { maxLength: 6 }), (parts) => {
    const { sent, size } = encoded(...parts);
    assert.equal(size, sizeWithCrlf(encodeLatin1(parts.join(""))));
    assert.equal(sent, expected(parts.join("")));
    assert.doesNotMatch(sent, /\r(?!\n)|(?<!\r)\n/);
    assert.equal(`\r\n${sent}`.indexOf("\r\n.\r\n"), sent.length - 3, "the only lone dot is the final one");
  }));
});

Deno.test("chunks may be longer than the buffer", () => {
  const line = "\n.".repeat(40_000); // Twice as long when encoded.
  for (const shift of [0, 1, 2, 3]) {
    for (const message of ["x".repeat(65_534 + shift) + line, line + "x".repeat(70_000) + "\r".repeat(shift)]) {
      assert.ok(encoded(message).sent === expected(message));
      assert.ok(encoded(message.slice(0, 65_537), message.slice(65_537)).sent === expected(message));
    }
  }
});
