/** Replies consist of lines that RFC 5321 allows, whatever the text contains. */
import assert from "node:assert/strict";
import { reply } from "../../serve/reply.ts";

const rows: [string, string, string][] = [
  ["No such address", "", "550 5.1.1 No such address"],
  ["No such address", "abuse@example.org", "550-5.1.1 No such address\r\n550 5.1.1 Contact: abuse@example.org"],
  ["a\r\n250 ok\0\t ü", "", "550 5.1.1 a 250 ok? ?"],
  ["100%", "", "550 5.1.1 100%"],
];
for (const [text, contact, expected] of rows) {
  Deno.test(`reply ${JSON.stringify(text)}`, () => assert.equal(reply("550 5.1.1", text, contact), expected));
}

Deno.test("no line of a reply exceeds 512 octets", () => {
  for (const line of reply("550 5.1.1", "x".repeat(2000), "y".repeat(2000)).split("\r\n")) {
    assert.ok(line.length + 2 <= 512);
  }
});
