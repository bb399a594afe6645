/** Replies consist of lines that RFC 5321 allows, whatever the text contains. */
import assert from "node:assert/strict";
import { oneLine, reply } from "../../serve/reply.ts";

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

Deno.test("as an action of a policy service a reply has one line, and Postfix's line has at most 512 octets", () => {
  const contact = "https://example.org/mail";
  assert.equal(oneLine(reply("550 5.1.1", "No such address"), "x@b.example"), "550 5.1.1 No such address");
  const both = reply("551 5.1.6", "The address has changed, please write to <jo@b.example>", contact);
  const text = "551 5.1.6 The address has changed, please write to <jo@b.example>";
  assert.equal(oneLine(both, "x@b.example"), `${text}; Contact: ${contact}`);
  const long = `${"x".repeat(390)}@b.example`;
  assert.equal(oneLine(both, long), text, "the contact is omitted, and no address is cut");
  const line = (recipient: string) => {
    const [, codes, rest] = /^(\S+ \S+) (.*)$/.exec(oneLine(both, recipient))!;
    return `${codes} <${recipient}>: Recipient address rejected: ${rest}\r\n`;
  };
  for (const size of [1, 100, 300, 350, 360, 370, 380, 390]) {
    assert.ok(line(`${"x".repeat(size)}@b.example`).length <= 512, `${size}`);
  }
});
