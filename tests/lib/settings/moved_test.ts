/** The file of moved addresses: what it may hold, and errors that name the line. */
import assert from "node:assert/strict";
import { parseMoved } from "../../../lib/settings/moved.ts";

Deno.test("old addresses are compared in lower case, new ones are kept as written", () => {
  const text =
    "# moved in 2026\nGreg@Old.example  Greg@new.example # since May\n\n\tann@old.example\tann@new.example\r\n";
  assert.deepEqual([...parseMoved(text, "/moved")], [
    ["greg@old.example", "Greg@new.example"],
    ["ann@old.example", "ann@new.example"],
  ]);
  assert.equal(parseMoved("", "/moved").size, 0);
});

Deno.test("a line that is not understood is an error", () => {
  const rows: [string, RegExp][] = [
    ["a@old.example", /not an old and a new address/],
    ["a@old.example b@new.example c@new.example", /not an old and a new address/],
    ["a b@new.example", /"a" is not an address/],
    ["a@old.example <b@new.example>", /is not an address/],
    ["a@old.example b\u00fc@new.example", /is not an address in ASCII/],
    [`a@old.example ${"b".repeat(300)}@new.example`, /is not an address/],
    ["a@old.example A@OLD.example", /moved to itself/],
    ["x@old.example y@new.example\nX@old.example z@new.example", /moved twice/],
  ];
  for (const [text, message] of rows) {
    const line = text.split("\n").length + 1;
    assert.throws(() => parseMoved(`\n${text}\n`, "/moved"), { kind: "config", file: "/moved", line, message }, text);
  }
});
