import assert from "node:assert/strict";
import { concat, decodeLatin1, latin1ToUtf8 } from "../../lib/bytes.ts";
import { fromLine, mboxHeader, quoted } from "../../lib/mbox.ts";
import { field } from "../../lib/message.ts";
import { chunks } from "../io/transport/chunks.ts";

async function quote(...parts: string[]): Promise<string> {
  let out: Uint8Array = new Uint8Array();
  for await (const chunk of quoted(chunks(...parts))) out = concat(out, chunk);
  return latin1ToUtf8(decodeLatin1(out));
}

const BODIES: readonly [body: string, quoted: string][] = [
  ["", ""],
  ["From ", ">From "],
  ["From here\n>From here\n>>From here\n", ">From here\n>>From here\n>>>From here\n"],
  [
    "From\nfrom here\n From here\n> From here\nFromage\nFrom: x\n",
    "From\nfrom here\n From here\n> From here\nFromage\nFrom: x\n",
  ],
  ["a\n\nFrom here\r\nFrom there\r\n", "a\n\n>From here\r\n>From there\r\n"],
  ["Fro", "Fro"],
  [">>>", ">>>"],
  ["FFrom x\nFroFrom x\n\n\nFrom x", "FFrom x\nFroFrom x\n\n\n>From x"],
];

Deno.test("lines that begin with From are quoted, wherever a chunk ends", async () => {
  for (const [body, wanted] of BODIES) {
    assert.equal(await quote(body), wanted);
    assert.equal(await quote(...body), wanted, "a byte at a time");
    for (let at = 0; at <= body.length; at++) {
      assert.equal(await quote(body.slice(0, at), "", body.slice(at)), wanted, `${JSON.stringify(body)} at ${at}`);
    }
    assert.equal(wanted.replace(/^>(>*From )/gm, "$1"), body, "mboxrd: every line can be restored");
  }
});

Deno.test("a megabyte of > costs no memory of its length", async () => {
  const line = ">".repeat(1 << 16);
  let longest = 0;
  for await (const chunk of quoted(chunks(...Array<string>(16).fill(line), "From x"))) {
    longest = Math.max(longest, chunk.length);
  }
  assert.equal(longest, line.length);
});

Deno.test("the line before a message", () => {
  const now = new Date("2026-11-08T05:32:58Z");
  const rows: [sender: string | null | undefined, name: string][] = [
    ["greg@example.org", "greg@example.org"],
    [null, "MAILER-DAEMON"],
    [undefined, "MAILER-DAEMON"],
    ["", "MAILER-DAEMON"],
    ['"a b\nFrom x"@example.org', '"a-b-From-x"@example.org'],
  ];
  for (const [sender, name] of rows) assert.equal(fromLine(sender, now), `From ${name} Sun Nov  8 05:32:58 2026\n`);
});

Deno.test("the header loses what would mark the message as read or deleted, or hide the next one", () => {
  const kept = [field("From", "a@x"), field("X-Status-Code", "1"), field("Statusx", "1")];
  const state = ["Status", "status", "X-Status", "X-STATUS", "Content-Length"].map((name) => field(name, "D"));
  assert.deepEqual(mboxHeader([...state, ...kept]), kept);
  // The obsolete syntax of RFC 5322 section 4.5.3 allows a space before the colon.
  const spaced = (raw: string) => mboxHeader([{ name: "From", raw }])[0]!.raw;
  assert.equal(spaced("From : a@x,\n b@x"), "From: a@x,\n b@x");
  assert.equal(spaced("From \t: a@x"), "From: a@x");
  assert.equal(spaced("from : a@x"), "from : a@x");
});
