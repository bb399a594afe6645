/** A forged X-Countersign field never survives, whatever a mail reader takes for a header line. */
import assert from "node:assert/strict";
import { concat, decodeLatin1, encodeLatin1, utf8 } from "../../lib/bytes.ts";
import { MAX_HEADER_BYTES } from "../../io/system/input.ts";
import { parseHead, printHead } from "../../lib/message.ts";
import { withoutResults, withoutResultsInRest } from "../../hooks/result_field.ts";
import { Home } from "../rig.ts";

/** What remains of the rest of a truncated header that arrives in pieces of this size. */
async function filterRest(text: string, size: number, start = "Subject: x\n"): Promise<string> {
  const bytes = encodeLatin1(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
  }
  const out: Uint8Array[] = [];
  for await (const piece of withoutResultsInRest(parseHead(utf8(start), true)!.header, pieces())) {
    out.push(piece.slice());
  }
  return decodeLatin1(concat(...out));
}

// The rest of the header with the body, and what remains of it.
const REST: [what: string, input: string, output: string][] = [
  ["no such field", "A: b\nC: d\n\nbody\n", "A: b\nC: d\n\nbody\n"],
  ["the first field", "X-Countersign: genuine\nC: d\n\nbody", "C: d\n\nbody"],
  ["the last field", "A: b\nX-Countersign: genuine\n\nbody", "A: b\n\nbody"],
  ["a folded field", "A: b\nX-Countersign:\n genuine;\n\tx\nC: d\n\n", "A: b\nC: d\n\n"],
  ["continuation lines of other fields are kept", "A: b\n genuine\nC: d\n\n", "A: b\n genuine\nC: d\n\n"],
  ["the name in any case, with spaces before the colon", "x-COUNTERSIGN \t : genuine\nA: b\n\n", "A: b\n\n"],
  ["more spaces than are buffered", `X-Countersign${" ".repeat(999)}: genuine\nA: b\n\n`, "A: b\n\n"],
  ["CRLF", "A: b\r\nX-Countersign: genuine\r\nC: d\r\n\r\nbody\r\n", "A: b\r\nC: d\r\n\r\nbody\r\n"],
  ["after a bare CR", "A: b\rX-Countersign: genuine\nC: d\n\n", "A: b\r\nC: d\n\n"],
  ["after two bare CRs", "A: b\r\rX-Countersign: genuine\r\nC: d\n\n", "A: b\r\r\nC: d\n\n"],
  ["a bare CR within the field does not end it", "X-Countersign: a\rX-Countersign: b\rC: d\nE: f\n\n", "E: f\n\n"],
  ["longer names are kept", "X-Countersigned: a\nX-Counter: b\n\n", "X-Countersigned: a\nX-Counter: b\n\n"],
  ["a name without a colon is kept", "X-Countersign\n\n", "X-Countersign\n\n"],
  ["the body is kept", "\nX-Countersign: genuine\n", "\nX-Countersign: genuine\n"],
  ["the body after CRLF is kept", "A: b\r\n\r\nX-Countersign: genuine\n", "A: b\r\n\r\nX-Countersign: genuine\n"],
  ["a truncated name", "A: b\nX-Counter", "A: b\nX-Counter"],
  ["empty input", "", ""],
];
for (const [what, input, output] of REST) {
  Deno.test(`the rest of a header: ${what}`, async () => {
    for (const size of [1, 2, 7, 4096]) assert.equal(await filterRest(input, size), output, `pieces of ${size}`);
  });
}

Deno.test("a field across the point of truncation is removed with its continuation lines", async () => {
  const start = "Subject: x\nX-Countersign: genuine;\n";
  assert.equal(await filterRest(" check=proof\n\tx\nA: b\n\n", 3, start), "A: b\n\n");
});

Deno.test("a field after a bare CR is removed from the buffered header", () => {
  const header = (text: string) => decodeLatin1(printHead(withoutResults(parseHead(encodeLatin1(text), true)!.header)));
  assert.equal(header("A: b\rX-Countersign: genuine\nC: d\n\n"), "A: b\nC: d\n\n");
  assert.equal(header("A: b\r x-countersign : genuine\rX: y\n\te\n\n"), "A: b\n\te\n\n");
  assert.equal(header("A: b\rc\nX-Countersign: d\n\n"), "A: b\rc\n\n");
  assert.equal(header("A: b\r\rX-Countersign: genuine\n c\r\r X-Countersign: d\nE: f\n\n"), "A: b\n c\nE: f\n\n");
  // One attempt for each run of CRs, or this would take hours.
  assert.equal(header(`A: ${"\r".repeat(1_000_000)}b\n\n`), `A: ${"\r".repeat(1_000_000)}b\n\n`);
});

const FORGED_FIELD = "X-Countersign: genuine; check=proof\n";
const FILLER = "X-Filler: 0123456789\n".repeat(MAX_HEADER_BYTES / 20);
const HIDDEN: [what: string, mail: string][] = [
  ["after 1 MB of header", `From: jo@b.example\n${FILLER}${FORGED_FIELD}\nbody\n`],
  ["after 1 MB of header and a bare CR", `From: jo@b.example\n${FILLER}A: b\r${FORGED_FIELD}\nbody\n`],
  ["after a bare CR", `From: jo@b.example\rX-A: b\r${FORGED_FIELD}\nbody\n`],
];
for (const [what, mail] of HIDDEN) {
  Deno.test(`no message that the hook writes contains a forged result: ${what}`, async () => {
    using home = new Home();
    Deno.mkdirSync(`${home.path}/Maildir`);
    const env = { SENDER: "jo@b.example", RECIPIENT: "greg@example.org", HOST: "example.org" };
    const resultFields = (text: string) =>
      text.slice(0, text.indexOf("\n\n")).match(/X-Countersign[ \t]*:[^;]*/gi) ?? [];
    const filtered = await home.hook(["--as", "filter"], mail, env);
    assert.equal(filtered.code, 0, filtered.stderr);
    assert.deepEqual(resultFields(filtered.stdout), ["X-Countersign: other"]);
    assert.ok(filtered.stdout.endsWith("\n\nbody\n"));
    const delivered = await home.hook(["--maildir", `${home.path}/Maildir`], mail, env);
    assert.equal(delivered.code, 99, delivered.stderr);
    assert.deepEqual(resultFields(home.mails("Maildir")[0]!), ["X-Countersign: other"]);
  });
}
