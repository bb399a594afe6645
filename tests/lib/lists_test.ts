import assert from "node:assert/strict";
import { listAddress, parseLists, withList, withoutList } from "../../lib/lists.ts";

/** [the file, the lists] */
const good: [string, string[]][] = [
  ["", []],
  ["\n\n# nothing\n", []],
  ["a@b.example\n", ["a@b.example"]],
  ["A@B.Example", ["a@b.example"]],
  ["  a@b.example\t# why\r\nc@d.example\r\n", ["a@b.example", "c@d.example"]],
];
for (const [text, lists] of good) {
  Deno.test(`lists ${JSON.stringify(text)}`, { permissions: "none" }, () => {
    assert.deepEqual(parseLists(text, "/l"), lists);
  });
}

/** [the file, the line that is wrong] */
const bad: [string, number][] = [
  ["a", 1],
  ["# x\na@b.example\n<c@d.example>\n", 3],
  ["a@b.example c@d.example", 1],
  ["*@b.example", 1],
];
for (const [text, line] of bad) {
  Deno.test(`no lists ${JSON.stringify(text)}`, { permissions: "none" }, () => {
    assert.throws(() => parseLists(text, "/l"), (error: Error & { kind?: string }) => {
      return error.kind === "config" && error.message.startsWith(`/l line ${line}: `);
    });
  });
}

Deno.test("what was added can be removed, and all else is as before", { permissions: "none" }, () => {
  const list = listAddress("Talk@Lists.example.org");
  assert.equal(list, "talk@lists.example.org");
  for (const text of ["", "x@y.example\n", "# none\n\n  X@y.example # mine\n"]) {
    const more = withList(text, list);
    assert.deepEqual(parseLists(more, "/l"), [...parseLists(text, "/l"), list]);
    assert.equal(withoutList(more, list), text);
    assert.equal(withoutList(text, list), text);
  }
  assert.equal(withList("x@y.example", list), `x@y.example\n${list}\n`, "a last line without its end");
  assert.equal(withoutList("TALK@lists.example.org # why\nb@c.example\n", list), "b@c.example\n");
});
