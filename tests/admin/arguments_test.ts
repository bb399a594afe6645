import assert from "node:assert/strict";
import { atMost, readArguments } from "../../admin/arguments.ts";

const TAKES = { values: ["since", "way"], flags: ["follow"] };

/** [arguments, last values, all values of --way, --follow, operands, arguments after --] */
const good: [string[], Record<string, string>, string[], boolean, string[], string[] | undefined][] = [
  [[], {}, [], false, [], undefined],
  [["a", "--follow", "b"], {}, [], true, ["a", "b"], undefined],
  [["--way", "in", "--way=out"], { way: "out" }, ["in", "out"], false, [], undefined],
  [["--way=", "--since", "--follow"], { way: "", since: "--follow" }, [""], false, [], undefined],
  [["--way=a=b\nc"], { way: "a=b\nc" }, ["a=b\nc"], false, [], undefined],
  [["-", "--", "--way", "-x"], {}, [], false, ["-"], ["--way", "-x"]],
  [["--"], {}, [], false, [], []],
];
for (const [args, last, ways, follow, operands, rest] of good) {
  Deno.test(`arguments ${JSON.stringify(args)}`, () => {
    const given = readArguments(args, TAKES);
    for (const name of TAKES.values) assert.equal(given.value(name), last[name]);
    assert.deepEqual([given.values("way"), given.has("follow")], [ways, follow]);
    assert.deepEqual([given.operands, given.rest], [operands, rest]);
  });
}

/** [arguments, error message] */
const bad: [string[], RegExp, fix?: string][] = [
  [["--nothing"], /^Unknown option "--nothing"$/],
  [["--sinse", "x"], /^Unknown option "--sinse"$/, "did you mean --since?"],
  [["-f"], /^Unknown option "-f"$/],
  [["--way"], /^Option --way needs a value$/],
  [["--follow=yes"], /^Option --follow takes no value$/],
  [["--constructor"], /^Unknown option "--constructor"$/],
  [["--two\nlines"], /^Unknown option "--two\\nlines"$/],
];
for (const [args, message, fix] of bad) {
  Deno.test(`arguments ${JSON.stringify(args)} are rejected`, () => {
    assert.throws(() => readArguments(args, TAKES), { kind: "usage", message, fix });
  });
}

Deno.test("surplus operands are rejected", () => {
  for (const [args, most] of [[[], 0], [["a"], 1], [["a", "--"], 1]] as const) {
    atMost(readArguments(args, TAKES), most);
  }
  for (const [args, most, over] of [[["a"], 0, "a"], [["a", "b"], 1, "b"], [["--", "c"], 1, "c"]] as const) {
    assert.throws(() => atMost(readArguments(args, TAKES), most), { message: `Unknown argument "${over}"` });
  }
});
