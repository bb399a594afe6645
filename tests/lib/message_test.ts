import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1, text, utf8ToLatin1 } from "../../lib/bytes.ts";
import {
  field,
  type Head,
  named,
  parseHead,
  printHead,
  unixLines,
  value,
  valueOf,
  values,
  without,
} from "../../lib/message.ts";

const head = (mail: string, whole = true): Head | undefined => parseHead(encodeLatin1(mail), whole);

Deno.test("parseHead finds the fields and where the body begins", () => {
  /** Expected fields, and the body. */
  const good = (mail: string, raw: string[], body: string) => {
    const found = head(mail)!;
    assert.deepEqual(found.header.map((field) => field.raw), raw, JSON.stringify(mail));
    assert.equal(mail.slice(found.bodyStart), body, JSON.stringify(mail));
  };
  good("A: 1\nB: 2\n\nbody\n", ["A: 1", "B: 2"], "body\n");
  good("A: 1\r\nB: 2\r\n\r\nbody\r\n", ["A: 1", "B: 2"], "body\r\n");
  good("A: 1\r\nB: 2\n\r\nbody", ["A: 1", "B: 2"], "body");
  good("A: 1\n\n", ["A: 1"], "");
  good("A: 1\n", ["A: 1"], "");
  good("A: 1", ["A: 1"], "");
  good("A: 1\r", ["A: 1"], "");
  good("A: 1\n\n\nbody", ["A: 1"], "\nbody");
  good("", [], "");
  good("\n", [], "");
  good("\nbody", [], "body");
  good("\r\nbody", [], "body");
  good("A:\nB:2\nC : 3\nD\t: 4\n\n", ["A:", "B:2", "C : 3", "D\t: 4"], "");
  good("A: b: c\n\n", ["A: b: c"], "");
  good("A: 1\nA: 2\n\n", ["A: 1", "A: 2"], "");
  // Folds are preserved. A line of blanks only is a fold, not the end of the header.
  good("A: 1\n 2\n\t3\nB: 4\n\n", ["A: 1\n 2\n\t3", "B: 4"], "");
  good("A: 1\r\n 2\r\n\r\n", ["A: 1\n 2"], "");
  good("A: 1\n \n 2\n\nbody", ["A: 1\n \n 2"], "body");
  good("A:\n 1\n\n", ["A:\n 1"], "");
  good("A: 1\n 2", ["A: 1\n 2"], "");
  good("A: 1\n B: 2\n\n", ["A: 1\n B: 2"], "");
  // mbox "From " lines are removed at the beginning only.
  good("From greg@example.org Fri Nov 20 05:32:58 2026\nA: 1\n\nbody", ["A: 1"], "body");
  good(">From greg@example.org Fri Nov 20 05:32:58 2026\r\nA: 1\r\n\r\n", ["A: 1"], "");
  good("From : greg@example.org\n\n", ["From : greg@example.org"], "");
  good("A: 1\nFrom greg Fri\nB: 2\n\n", ["A: 1"], "From greg Fri\nB: 2\n\n");
  good("From greg Fri\n>From greg Fri\nA: 1\n", ["A: 1"], "");
  // A line that cannot belong to a header begins the body, so that nothing is lost.
  good("A: 1\nno field\nB: 2\n\n", ["A: 1"], "no field\nB: 2\n\n");
  good("no field at all\nA: 1\n", [], "no field at all\nA: 1\n");
  good(" fold of nothing\nA: 1\n\n", [], " fold of nothing\nA: 1\n\n");
  good("From greg Fri\n fold of nothing\n", [], " fold of nothing\n");
  good("A: 1\n: no name\n\n", ["A: 1"], ": no name\n\n");
  good("A: 1\nÄ: 2\n\n", ["A: 1"], "Ä: 2\n\n");
  good("A: 1\nB\0: 2\n\n", ["A: 1"], "B\0: 2\n\n");
  good("just text", [], "just text");
  // NUL and a lone CR in a value are preserved; a CR at its end would be part of a line ending when written.
  good("A: a\0b\n\n", ["A: a\0b"], "");
  good("A: a\rb\n\n", ["A: a\rb"], "");
  good("A: a\r\r\n\n", ["A: a"], "");
  good("A: 1\n\nbo\0dy\r", ["A: 1"], "bo\0dy\r");
});

Deno.test("parseHead returns undefined until the header is complete", () => {
  const mail = "From greg Fri\nA: 1\r\n 2\nB: 3\n\nbody";
  const end = mail.indexOf("body");
  const expected = head(mail)!;
  assert.equal(expected.bodyStart, end);
  for (let size = 0; size <= mail.length; size++) {
    assert.deepEqual(head(mail.slice(0, size), false), size < end ? undefined : expected, `${size}`);
  }
  const odd = "A: 1\nno field\n";
  for (let size = 0; size <= odd.length; size++) {
    assert.equal(head(odd.slice(0, size), false) === undefined, size < odd.length, `${size}`);
  }
});

Deno.test("Every byte of a header is preserved", () => {
  const all = [...Array(256).keys()].map((code) => String.fromCharCode(code)).join("").replace(/[\r\n]/g, "");
  const mail = `Subject: ${all}\n ${all}\n\n`;
  assert.equal(decodeLatin1(printHead(head(mail)!.header)), mail);
});

Deno.test("field replaces line endings and NUL with a space", () => {
  const good = (given: string, raw: string) => assert.equal(field("Subject", given).raw, `Subject: ${raw}`);
  good("plain", "plain");
  good("", "");
  good("a\r\nBcc: b@example.org", "a Bcc: b@example.org");
  good("a\nb\rc\0d", "a b c d");
  good("a\r\n\r\n\0b", "a b");
  good("Jörg", `${utf8ToLatin1("Jörg")}`);
  // The low bytes of these characters are CR and LF.
  assert.equal(text(printHead([field("A", "\u0a0d\u0d0a\u0a00")])), "A: \u0a0d\u0d0a\u0a00\n\n");
});

Deno.test("Values are unfolded, trimmed and decoded as UTF-8", () => {
  const good = (raw: string, expected: string) => assert.equal(valueOf({ name: "A", raw }), expected, raw);
  good("A: b", "b");
  good("A:b", "b");
  good("A :  b \t", "b");
  good("A:\n b\n\tc", "b\tc");
  good("A: b: c", "b: c");
  good(`A: ${utf8ToLatin1("Jörg")}`, "Jörg");
  good("A: J\xf6rg", "J\ufffdrg");
  good("A:", "");
});

Deno.test("Fields are found by name, ignoring case", () => {
  const { header } = head("To: a\nCC: b\ntO: c\nTop: d\n\n")!;
  assert.deepEqual(values(header, "TO"), ["a", "c"]);
  assert.deepEqual(values(header, "Bcc"), []);
  assert.equal(value(header, "to"), "a");
  assert.equal(value(header, "Bcc"), undefined);
  assert.deepEqual(without(header, "to", "Bcc").map((field) => field.name), ["CC", "Top"]);
  assert.ok(named(header[1]!, "To", "Cc"));
  assert.ok(!named(header[3]!, "To", "Cc"));
});

async function* chunks(parts: string[]): AsyncGenerator<Uint8Array> {
  // One buffer is reused for all chunks, as it is when reading standard input.
  const buffer = new Uint8Array(64);
  for (const part of parts) {
    buffer.fill(0xee);
    buffer.set(encodeLatin1(part));
    yield await Promise.resolve(buffer.subarray(0, part.length));
  }
}

async function unix(parts: string[]): Promise<string> {
  let out = "";
  for await (const chunk of unixLines(chunks(parts))) out += decodeLatin1(chunk);
  return out;
}

/** Every way to split a text into chunks. */
function* splits(whole: string): Generator<string[]> {
  for (let mask = 0; mask < 2 ** Math.max(0, whole.length - 1); mask++) {
    yield [...whole].map((c, at) => mask & (1 << at) ? `${c}|` : c).join("").split("|");
  }
}

Deno.test("unixLines converts every CRLF to LF, however the text is split", async () => {
  const texts = ["", "\r\n", "\r\r\n\n", "a\r\nb\r\n", "\ra\r\n\r", "a\r\r\r\nb", "\n\r\n\r\n", "ab\r", "\r\n.\r\n"];
  for (const whole of texts) {
    const expected = whole.replaceAll("\r\n", "\n");
    for (const parts of splits(whole)) assert.equal(await unix(parts), expected, JSON.stringify(parts));
  }
});

Deno.test("unixLines passes on a chunk without a CR unchanged", async () => {
  const chunk = encodeLatin1("no such thing\n");
  for await (
    const out of unixLines((async function* () {
      yield await Promise.resolve(chunk);
    })())
  ) assert.equal(out, chunk);
});

Deno.test("unixLines allocates one buffer for all chunks of a size", async () => {
  const [piece, count] = ["line\r\n", 100];
  const buffers = new Set<ArrayBufferLike>();
  let size = 0;
  for await (const out of unixLines(chunks(Array(count).fill(piece)))) {
    buffers.add(out.buffer);
    size += out.length;
  }
  assert.equal(size, count * "line\n".length);
  assert.equal(buffers.size, 1, "a long message takes no more memory than a short one");
});
