/** Log lines, and untrusted text in messages. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { quote, quoteAll } from "../../lib/fail.ts";
import { logLine } from "../../lib/log.ts";
import { fuzz } from "./fuzz.ts";
import { anyText } from "./texts.ts";

const NOW = new Date("2026-11-20T05:32:58.123Z");
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const units = fc.oneof(
  fc.nat(0x2fff).map((code) => String.fromCharCode(code)),
  fc.constantFrom(...'\n\x9b\u2028\u202e\u2066\x7f" ='),
);
const texts = fc.oneof(fc.string({ unit: units, minLength: 1 }), anyText.filter((text) => text !== ""));

fuzz("no value adds a line, a field or control characters to the log", texts, (why) => {
  const line = logLine({ why, result: "failed" }, NOW);
  assert.doesNotMatch(line.slice(0, -1), CONTROL);
  const [, value] = /^time=\S+ why=([^\s"]+|"(?:[^"\\]|\\.)*") result=failed\n$/.exec(line)!;
  assert.equal(value!.startsWith('"') ? JSON.parse(value!) : value, why.slice(0, 500));
});

fuzz("untrusted text is quoted on one line, with bounded length", texts, (text) => {
  for (const shown of [quote(text), quoteAll(text)]) assert.doesNotMatch(shown, CONTROL);
  assert.equal(JSON.parse(quoteAll(text)), text);
  assert.ok(quote(text).length <= 2 + 120 * 6);
});
