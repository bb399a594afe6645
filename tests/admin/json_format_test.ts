import assert from "node:assert/strict";
import { JSON_FORMATS, type Member } from "../../admin/json_format.ts";
import { checkMembers, conforms } from "./json.ts";

const members: readonly Member[] = [
  { name: "a", type: "string", help: "A." },
  { name: "b", type: "number or null", help: "B.", optional: true },
  {
    name: "c",
    type: { each: [{ name: "d", type: { members: [{ name: "e", type: "boolean", help: "E." }] }, help: "D." }] },
    help: "C.",
  },
  { name: "f", type: "list of strings", help: "F." },
];
const right = { a: "", b: null, c: [{ d: { e: true } }], f: ["x"] };

Deno.test("an object with the documented members conforms", { permissions: "none" }, () => {
  checkMembers(members, right, "x");
  checkMembers(members, { ...right, b: 1 }, "x");
  checkMembers(members, { a: "", c: [], f: [] }, "x");
});

/** [the output, the path of the difference] */
const differs: [unknown, RegExp][] = [
  [null, /x is not an object/],
  [[], /x is not an object/],
  [{ ...right, a: undefined }, /x\.a/],
  [{ ...right, a: null }, /x\.a is null/],
  [{ ...right, a: 1 }, /x\.a/],
  [{ b: 1, c: [], f: [] }, /x\.a is missing/],
  [{ ...right, b: "1" }, /x\.b/],
  [{ ...right, c: {} }, /x\.c is not a list/],
  [{ ...right, c: [{}] }, /x\.c\[\]\.d is missing/],
  [{ ...right, c: [{ d: { e: 0 } }] }, /x\.c\[\]\.d\.e/],
  [{ ...right, c: [{ d: { e: true, g: 1 } }] }, /x\.c\[\]\.d has members that are not documented/],
  [{ ...right, f: [1] }, /x\.f\[\]/],
  [{ ...right, g: 1 }, /x has members that are not documented/],
];
for (const [given, where] of differs) {
  Deno.test(`${JSON.stringify(given)} does not conform`, { permissions: "none" }, () => {
    assert.throws(() => checkMembers(members, given, "x"), where);
  });
}

Deno.test("another version does not conform", { permissions: "none" }, () => {
  const doctor = { findings: [], notes: [] };
  assert.deepEqual(conforms("doctor --json", { version: 1, ...doctor }), { version: 1, ...doctor });
  assert.throws(() => conforms("doctor --json", { version: 2, ...doctor }));
  assert.throws(() => conforms("doctor --json", doctor), /version is missing/);
});

Deno.test("every member has a description in sentences, and a unique name", { permissions: "none" }, () => {
  const check = (all: readonly Member[], where: string) => {
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length, where);
    for (const { name, type, help } of all) {
      assert.match(help, /^[A-Z].*\.$/, `${where}.${name}`);
      if (typeof type !== "object") continue;
      check("each" in type ? type.each : type.members, `${where}.${name}`);
    }
  };
  for (const [command, all] of Object.entries(JSON_FORMATS)) check(all, command);
});
