/** Netstrings in any pieces, and what is not one. */
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { MAX_NETSTRING_BYTES, netstring, NetstringReader } from "../../../serve/map/netstring.ts";

/** Reads these pieces. @returns the texts, and the error or whether something is left */
function read(...pieces: (string | Uint8Array)[]): string[] {
  const reader = new NetstringReader();
  const out: string[] = [];
  try {
    for (const piece of pieces) {
      reader.push(typeof piece === "string" ? utf8(piece) : piece);
      for (let text; (text = reader.next()) !== undefined;) out.push(text);
    }
    return reader.partial ? [...out, "partial"] : out;
  } catch (error) {
    return [...out, (error as Error).message];
  }
}

const long = "x".repeat(MAX_NETSTRING_BYTES);
const WRONG = "Request is not a netstring";
const rows: [string, string[]][] = [
  ["0:,", [""]],
  ["3:abc,", ["abc"]],
  ["3:abc,2:de,", ["abc", "de"]],
  ["6:a,b\n:c,", ["a,b\n:c"]],
  ["2:ü,", ["ü"]],
  [`${long.length}:${long},`, [long]],
  ["3:abc", ["partial"]],
  ["3:ab", ["partial"]],
  ["3", ["partial"]],
  ["3:abcd", [WRONG]],
  ["3:abc;", [WRONG]],
  [":abc,", [WRONG]],
  ["03:abc,", [WRONG]],
  ["00:,", [WRONG]],
  ["-1:,", [WRONG]],
  ["+3:abc,", [WRONG]],
  [" 3:abc,", [WRONG]],
  ["3 :abc,", [WRONG]],
  ["0x3:abc,", [WRONG]],
  ["a:b,", [WRONG]],
  ["\n", [WRONG]],
  ["3:abc,\n", ["abc", WRONG]],
  ["111111", [WRONG]],
  [`${MAX_NETSTRING_BYTES + 1}:`, [`Request is longer than ${MAX_NETSTRING_BYTES} bytes`]],
  ["99999:", [`Request is longer than ${MAX_NETSTRING_BYTES} bytes`]],
  ["999999999999999999999:", [WRONG]],
];
for (const [text, expected] of rows) {
  const name = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
  Deno.test(`${name} is read as ${expected.map((one) => one.slice(0, 40))}`, () => {
    assert.deepEqual(read(text), expected);
    const bytes = utf8(text);
    for (let at = 0; at <= Math.min(bytes.length, 200); at++) {
      assert.deepEqual(read(bytes.subarray(0, at), bytes.subarray(at)), expected);
    }
    assert.deepEqual(read(...bytes.values().map((byte) => Uint8Array.of(byte))), expected);
  });
}

Deno.test("what is written is read", () => {
  for (const text of ["", "OK jo@b.example", "NOTFOUND ", "ü", "ü".repeat(9), long]) {
    assert.deepEqual(read(netstring(text)), [text]);
  }
});
