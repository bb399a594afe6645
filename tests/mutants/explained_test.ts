/** Consistency of tests/MUTANTS.md with the source; `deno task mutants` checks the rest. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { change, EXPLAINED, keyOf, MODULES, occursIn, parseExplained } from "./explained.ts";
import { numberMutants } from "./numbers.ts";

const source = (file: string) => Deno.readTextFileSync(`${ROOT}/${file}`);
const TEXT = source(EXPLAINED);

Deno.test("MUTANTS.md explains each change once, and only changes to lines of the source", () => {
  const all = parseExplained(TEXT);
  assert.equal(all.length, TEXT.match(/^\+ /gm)?.length ?? 0, "every change is parsed");
  assert.equal(new Set(all.map(keyOf)).size, all.length);
  for (const one of all) {
    const key = keyOf(one);
    assert.ok(Object.hasOwn(MODULES, one.file), key);
    assert.ok(
      occursIn(one, source(one.file)),
      `${key}\nis no longer in the source: run deno task mutants ${one.file}`,
    );
    assert.notEqual(one.before, one.after, key);
  }
});

Deno.test("MUTANTS.md explains only changes of numbers that are made", () => {
  for (const file of Object.keys(MODULES)) {
    const made = new Set(numberMutants(file, source(file)).map(keyOf));
    assert.ok(made.size > 0, file);
    for (const one of parseExplained(TEXT).filter((one) => one.file === file)) {
      // If only a number differs, numbers.ts made the change, not Stryker.
      const bare = (text: string) => text.replace(/-?\d+/g, "#");
      if (bare(one.before) === bare(one.after)) assert.ok(made.has(keyOf(one)), keyOf(one));
    }
  }
});

Deno.test("parseExplained parses a list", () => {
  const block = (...lines: string[]) => ["```diff", ...lines, "```"].join("\n");
  const text = `# Title\n\nText.\n\n## a.ts\n\n${block("- x", "+ y", "- v", "+ w")}\n\nNo\nmatter.\n\n` +
    `${block("- z", "+ ")}\n\nNor this.\n\n## b.ts\n\n${block("- x", "+ y")}\n\nNor that.\n`;
  assert.deepEqual(parseExplained(text), [
    { file: "a.ts", before: "x", after: "y", reason: "No matter." },
    { file: "a.ts", before: "v", after: "w", reason: "No matter." },
    { file: "a.ts", before: "z", after: "", reason: "Nor this." },
    { file: "b.ts", before: "x", after: "y", reason: "Nor that." },
  ]);
  assert.deepEqual(parseExplained("# Title\n"), []);
});

Deno.test("change() shows whole lines", () => {
  const text = "first\n  if (a) {\n    b();\n  }\nlast";
  const lines = (part: string, other: string) => {
    const at = text.indexOf(part);
    const { before, after } = change("f", text, at, at + part.length, other);
    return [before, after];
  };
  assert.deepEqual(lines("first", "1"), ["first", "1"]);
  assert.deepEqual(lines("last", ""), ["last", ""]);
  assert.deepEqual(lines("a)", "true)"), ["if (a) {", "if (true) {"]);
  assert.deepEqual(lines("{\n    b();\n  }", "{}"), ["if (a) { … }", "if (a) {}"]);
  for (
    const [before, expected] of [["if (a) { … }", true], ["b();", true], ["b()", false], ["b(); … c", false]] as const
  ) {
    assert.equal(occursIn({ file: "f", before, after: "" }, text), expected, before);
  }
});

Deno.test("numbers are changed by one, but not within names, comments and decimal fractions", () => {
  const changed = (text: string) => numberMutants("f", text).map(({ source }) => source);
  const good = (text: string, ...all: string[]) => assert.deepEqual(changed(text), all, text);
  good("a < 1;", "a < 2;", "a < 0;");
  good("f(1, 22);", "f(2, 22);", "f(0, 22);", "f(1, 23);", "f(1, 21);");
  good("86_400", "86401", "86399");
  good("x{0,6}", "x{1,6}", "x{-1,6}", "x{0,7}", "x{0,5}");
  for (const none of ["utf8(x1)", "1.5", "// 1", "a; // 1", "/* 1\n 2 */", '"\\0"', "SRS0"]) good(none);
  good("/* 1 */ 2\n3 // 4", "/* 1 */ 3\n3 // 4", "/* 1 */ 1\n3 // 4", "/* 1 */ 2\n4 // 4", "/* 1 */ 2\n2 // 4");
});
