import assert from "node:assert/strict";
import type { Fail } from "../../../lib/fail.ts";
import { listAddress, parseLists, plainLists, withList, withoutList } from "../../../lib/settings/lists.ts";

/** [contents of the file, its lists] */
const good: [string, string[]][] = [
  ["", []],
  ["\n\n# nothing\n", []],
  ["a@b.example\n", ["a@b.example"]],
  ["A@B.Example", ["a@b.example"]],
  ["  a@b.example\t# why\r\nc@d.example\r\n", ["a@b.example", "c@d.example"]],
];
for (const [text, lists] of good) {
  Deno.test(`parseLists parses ${JSON.stringify(text)}`, { permissions: "none" }, () => {
    assert.deepEqual(parseLists(text, "/l"), lists);
  });
}

/** [contents of the file, the invalid line] */
const bad: [string, number][] = [
  ["a", 1],
  ["# x\na@b.example\n<c@d.example>\n", 3],
  ["a@b.example c@d.example", 1],
  ["*@b.example", 1],
];
for (const [text, line] of bad) {
  Deno.test(`parseLists rejects ${JSON.stringify(text)}`, { permissions: "none" }, () => {
    assert.throws(() => parseLists(text, "/l"), (error: Fail) => {
      return error.kind === "config" && error.file === "/l" && error.line === line;
    });
  });
}

Deno.test("an added list can be removed, and nothing else changes", { permissions: "none" }, () => {
  const list = listAddress("Talk@Lists.example.org");
  assert.equal(list, "talk@lists.example.org");
  for (const text of ["", "x@y.example\n", "# none\n\n  X@y.example # mine\n"]) {
    const extended = withList(text, list);
    assert.deepEqual(parseLists(extended, "/l"), [...parseLists(text, "/l"), list]);
    assert.equal(withoutList(extended, list), text);
    assert.equal(withoutList(text, list), text);
  }
  assert.equal(withList("x@y.example", list), `x@y.example\n${list}\n`, "the last line has no line ending");
  assert.equal(withoutList("TALK@lists.example.org # why\nb@c.example\n", list), "b@c.example\n");
});

/** Addresses to look up. Each is looked up more often than plainLists searches the text before it builds a set. */
const ADDRESSES = [
  "",
  "a@b.example",
  "c@d.example",
  "b.example",
  "@b.example",
  "xa@b.example",
  "a@b.examplex",
  "# why",
];
for (
  const [text, lists] of [...good, ["xa@b.example\n # a@b.example\na@b.examplex\n", [
    "xa@b.example",
    "a@b.examplex",
  ]]] as const
) {
  Deno.test(`plainLists looks addresses up in ${JSON.stringify(text)}`, { permissions: "none" }, () => {
    let read = 0;
    const file = plainLists(() => (read++, text), "/l");
    assert.equal(read, 0, "the file is read only when needed");
    for (let round = 0; round < 4; round++) {
      for (const address of ADDRESSES) assert.equal(file.has(address), lists.includes(address as never), address);
    }
    assert.equal(file.some, lists.length > 0);
    assert.equal(read, 1);
  });
}
for (const [text, line] of bad) {
  Deno.test(
    `plainLists reports an error on first use of ${JSON.stringify(text)}`,
    { permissions: "none" },
    () => {
      for (
        const use of [
          (file: ReturnType<typeof plainLists>) => file.has("a@b.example"),
          ({ some }: { some: boolean }) => some,
        ]
      ) {
        assert.throws(() => use(plainLists(() => text, "/l")), {
          kind: "config",
          file: "/l",
          line,
        });
      }
    },
  );
}
for (const odd of ['"a!b"@c.example', "a@[192.0.2.1]", "jörg@bücher.example"]) {
  Deno.test(`plainLists finds ${odd}`, { permissions: "none" }, () => {
    assert.ok(plainLists(() => `x@y.example\n${odd}\n`, "/l").has(odd));
  });
}
