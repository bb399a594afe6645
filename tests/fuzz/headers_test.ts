/** Parsing, printing and adding header fields. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeLatin1, encodeLatin1, text as utf8Text } from "../../lib/bytes.ts";
import { PREFIX_BYTES, readInput } from "../../io/system/input.ts";
import { field, parseHead, printHead, unixLines, valueOf } from "../../lib/message.ts";
import { fuzz } from "./fuzz.ts";
import { anyBytes, anyText } from "./texts.ts";

const head = (mail: string) => parseHead(encodeLatin1(mail), true)!;

const visible = [...Array(94).keys()].map((code) => String.fromCharCode(33 + code)).filter((one) => one !== ":");
const fieldNames = fc.string({ unit: fc.constantFrom(...visible), minLength: 1, maxLength: 12 });
const lines = anyBytes.map((line) => line.replace(/[\r\n]/g, ""));
const fields = fc.tuple(fieldNames, fc.array(lines, { minLength: 1, maxLength: 4 }))
  .map(([name, list]) => `${name}:${list.join("\n ")}`);

fuzz("printHead reverses parseHead", fc.tuple(fc.array(fields), anyBytes), ([list, body]) => {
  const mail = list.map((one) => one + "\n").join("") + "\n" + body;
  const found = head(mail);
  assert.equal(decodeLatin1(printHead(found.header)) + mail.slice(found.bodyStart), mail);
  // With CRLF the header is the same.
  const front = mail.slice(0, found.bodyStart).replaceAll("\n", "\r\n");
  assert.deepEqual(head(front + body), { header: found.header, headStart: 0, bodyStart: front.length });
  for (const one of found.header) assert.doesNotMatch(valueOf(one), /\n/);
});

const PIECES = ["\r", "\n", "\r\n", "A: 1", " ", ":", "From x", ">From y", "\0", "\xff", "text", "\t", "A :", "Bcc: "];
const blocks = fc.array(fc.oneof(fc.constantFrom(...PIECES), anyBytes), { maxLength: 20 }).map((all) => all.join(""));

fuzz("everything after the header is the body, for any bytes", blocks, (mail) => {
  const { header, headStart, bodyStart } = head(mail);
  assert.match(mail.slice(0, headStart), /^(?:>?From [^\n]*(?:\n|$))*$/);
  // printHead always ends the header with an empty line, which not every message has.
  const front = mail.slice(headStart, bodyStart).replace(/\r+(?=\n|$)/g, "");
  const printed = decodeLatin1(printHead(header));
  assert.equal(printed.trimEnd(), front.trimEnd());
  // The printed header is complete and parses to the same fields.
  assert.deepEqual(head(printed).header, header);
  assert.equal(head(printed).bodyStart, printed.length);
});

fuzz("field() makes exactly one field from any text", anyText, (given) => {
  const created = field("X-A", given);
  const printed = printHead([created]);
  assert.equal(printed.indexOf(0), -1);
  assert.equal(printed.indexOf(13), -1);
  assert.deepEqual(parseHead(printed, true), { header: [created], headStart: 0, bodyStart: printed.length });
  assert.equal(utf8Text(printed).split("\n").length, 3);
});

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

fuzz(
  "a header that arrives in chunks is parsed the same",
  fc.tuple(blocks, cuts, fc.nat(60)),
  async ([mail, sizes, n]) => {
    const bytes = encodeLatin1(mail);
    let at = 0;
    let calls = 0;
    const read = (buffer: Uint8Array) => {
      if (at >= bytes.length) return null;
      const piece = bytes.subarray(at, at + Math.min(sizes[calls++ % sizes.length]!, buffer.length));
      buffer.set(piece);
      at += piece.length;
      return piece.length;
    };
    const from = { readSync: read, read: (buffer: Uint8Array) => Promise.resolve(read(buffer)) };
    const input = await readInput(Math.min(n, PREFIX_BYTES), true, from);
    assert.deepEqual(input.head, head(mail));
    let rest = "";
    for await (const chunk of input.body()) rest += decodeLatin1(chunk);
    assert.equal(rest, mail.slice(input.head.bodyStart));
  },
);

const pieces = fc.array(fc.oneof(fc.constantFrom("\r", "\n", "\r\n", "a\r"), anyBytes), { maxLength: 10 });

fuzz("unixLines changes CRLF to LF and nothing else, however the body is split", pieces, async (list) => {
  let out = "";
  for await (
    const chunk of unixLines(async function* () {
      for (const one of list) yield await Promise.resolve(encodeLatin1(one));
    }())
  ) out += decodeLatin1(chunk);
  assert.equal(out, list.join("").replaceAll("\r\n", "\n"));
});
