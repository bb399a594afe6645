/** A stranger's X-Countersign never passes for ours, whatever a reader takes for a line of the header. */
import assert from "node:assert/strict";
import { concat, decodeLatin1, encodeLatin1, utf8 } from "../../lib/bytes.ts";
import { MAX_HEADER_BYTES } from "../../io/system/input.ts";
import { parseHead, printHead } from "../../lib/message.ts";
import { withoutResults, withoutResultsInRest } from "../../hooks/result_field.ts";
import { Home } from "../rig.ts";

/** The rest of a header that was cut, fed in pieces of this size. */
async function passed(text: string, size: number, front = "Subject: x\n"): Promise<string> {
  const bytes = encodeLatin1(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
  }
  const out: Uint8Array[] = [];
  for await (const piece of withoutResultsInRest(parseHead(utf8(front), true)!.header, pieces())) {
    out.push(piece.slice());
  }
  return decodeLatin1(concat(...out));
}

// what, the rest of the header and the body, what is left of it
const REST: [what: string, given: string, left: string][] = [
  ["none", "A: b\nC: d\n\nbody\n", "A: b\nC: d\n\nbody\n"],
  ["first", "X-Countersign: genuine\nC: d\n\nbody", "C: d\n\nbody"],
  ["last", "A: b\nX-Countersign: genuine\n\nbody", "A: b\n\nbody"],
  ["folded", "A: b\nX-Countersign:\n genuine;\n\tx\nC: d\n\n", "A: b\nC: d\n\n"],
  ["another's folds stay", "A: b\n genuine\nC: d\n\n", "A: b\n genuine\nC: d\n\n"],
  ["in any case, with spaces", "x-COUNTERSIGN \t : genuine\nA: b\n\n", "A: b\n\n"],
  ["with more spaces than are held", `X-Countersign${" ".repeat(999)}: genuine\nA: b\n\n`, "A: b\n\n"],
  ["CRLF", "A: b\r\nX-Countersign: genuine\r\nC: d\r\n\r\nbody\r\n", "A: b\r\nC: d\r\n\r\nbody\r\n"],
  ["behind a bare CR", "A: b\rX-Countersign: genuine\nC: d\n\n", "A: b\r\nC: d\n\n"],
  ["behind two", "A: b\r\rX-Countersign: genuine\r\nC: d\n\n", "A: b\r\r\nC: d\n\n"],
  ["its own CR ends nothing", "X-Countersign: a\rX-Countersign: b\rC: d\nE: f\n\n", "E: f\n\n"],
  ["longer names stay", "X-Countersigned: a\nX-Counter: b\n\n", "X-Countersigned: a\nX-Counter: b\n\n"],
  ["a name alone stays", "X-Countersign\n\n", "X-Countersign\n\n"],
  ["a body stays", "\nX-Countersign: genuine\n", "\nX-Countersign: genuine\n"],
  ["a body behind CRLF stays", "A: b\r\n\r\nX-Countersign: genuine\n", "A: b\r\n\r\nX-Countersign: genuine\n"],
  ["no end", "A: b\nX-Counter", "A: b\nX-Counter"],
  ["nothing", "", ""],
];
for (const [what, given, left] of REST) {
  Deno.test(`the rest of a header: ${what}`, async () => {
    for (const size of [1, 2, 7, 4096]) assert.equal(await passed(given, size), left, `pieces of ${size}`);
  });
}

Deno.test("a field that the cut divides is removed with its continuation lines", async () => {
  const front = "Subject: x\nX-Countersign: genuine;\n";
  assert.equal(await passed(" check=proof\n\tx\nA: b\n\n", 3, front), "A: b\n\n");
});

Deno.test("a field behind a bare CR is removed from the header that is held", () => {
  const header = (text: string) => decodeLatin1(printHead(withoutResults(parseHead(encodeLatin1(text), true)!.header)));
  assert.equal(header("A: b\rX-Countersign: genuine\nC: d\n\n"), "A: b\nC: d\n\n");
  assert.equal(header("A: b\r x-countersign : genuine\rX: y\n\te\n\n"), "A: b\n\te\n\n");
  assert.equal(header("A: b\rc\nX-Countersign: d\n\n"), "A: b\rc\n\n");
});

const LIE = "X-Countersign: genuine; check=proof\n";
const FILLER = "X-Filler: 0123456789\n".repeat(MAX_HEADER_BYTES / 20);
const HIDDEN: [what: string, mail: string][] = [
  ["behind 1 MB of header", `From: jo@b.example\n${FILLER}${LIE}\nbody\n`],
  ["behind 1 MB of header and a bare CR", `From: jo@b.example\n${FILLER}A: b\r${LIE}\nbody\n`],
  ["behind a bare CR", `From: jo@b.example\rX-A: b\r${LIE}\nbody\n`],
];
for (const [what, mail] of HIDDEN) {
  Deno.test(`a stranger's result is in no message that a hook writes: ${what}`, async () => {
    using home = new Home();
    Deno.mkdirSync(`${home.path}/Maildir`);
    const env = { SENDER: "jo@b.example", RECIPIENT: "greg@example.org", HOST: "example.org" };
    const inHeader = (text: string) => text.slice(0, text.indexOf("\n\n")).match(/X-Countersign[ \t]*:[^;]*/gi) ?? [];
    const filtered = await home.hook(["--as", "filter"], mail, env);
    assert.equal(filtered.code, 0, filtered.stderr);
    assert.deepEqual(inHeader(filtered.stdout), ["X-Countersign: other"]);
    assert.ok(filtered.stdout.endsWith("\n\nbody\n"));
    const kept = await home.hook(["--maildir", `${home.path}/Maildir`], mail, env);
    assert.equal(kept.code, 99, kept.stderr);
    assert.deepEqual(inHeader(home.mails("Maildir")[0]!), ["X-Countersign: other"]);
  });
}
