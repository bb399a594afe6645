/** contrib/README.md, the index, knows every folder, and says truly how each is tested. */
import assert from "node:assert/strict";
import { SETTINGS } from "../lib/settings/schema.ts";
import { ROOT } from "./rig.ts";

const INDEX = Deno.readTextFileSync(`${ROOT}/contrib/README.md`);
const FOLDERS = [...Deno.readDirSync(`${ROOT}/contrib`)].filter((one) => one.isDirectory).map(({ name }) => name)
  .sort();

/** The cells of the rows below a heading. */
function rows(heading: RegExp): string[][] {
  const table = INDEX.split(/\n\n/).find((block) => heading.test(block))!;
  const lines = table.split("\n").filter((line) => line.startsWith("|")).slice(2);
  return lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const ALL = rows(/^\| Folder /m);
const WHERE = new Map(ALL.map(([folder, where]) => [/^\[(\S+)\]/.exec(folder!)![1]!, where!.split(", ")]));

Deno.test("every folder has one row, in order", () => {
  assert.deepEqual(ALL.map(([folder]) => folder), FOLDERS.map((name) => `[${name}](${name})`));
});

Deno.test("every link leads somewhere", () => {
  const links = [...INDEX.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
  assert.ok(links.length > FOLDERS.length);
  for (const link of links) assert.ok(Deno.statSync(`${ROOT}/contrib/${link}`), link);
});

for (const [folder = "", , what, tested = ""] of ALL) {
  Deno.test(`${folder} is tested as it says`, () => {
    assert.notEqual(what, "");
    const name = /^\[(\S+)\]/.exec(folder)![1]!;
    const tests = [...tested.matchAll(/\]\(\.\.\/(tests\/[^)]+)\)/g)].map(([, path]) => path!);
    assert.ok(tests.length > 0, "no test");
    // A test may go by way of a helper that has the name of the folder.
    for (const path of tests) {
      const text = Deno.readTextFileSync(`${ROOT}/${path}`);
      assert.match(text, new RegExp(`contrib/${name}\\b|"${name}["/]|"\\./${name}\\.ts"`), path);
    }
  });
}

Deno.test("the table of cases names every program, in its column, and every preset but sendmail", () => {
  const cases = rows(/^\| You have /m);
  const columns = ["in front", "behind", "coming in"];
  const named = columns.map((_, at) => new Set(cases.flatMap((row) => row[at + 1]!.match(/(?<=\[)[^\]]+/g) ?? [])));
  for (const [folder, where] of WHERE) {
    columns.forEach((column, at) => {
      // A preset is enough for qmail: qmail-inject needs no settings of its own.
      if (folder === "qmail" && column === "behind") return;
      assert.equal(named[at]!.has(folder), where.includes(column), `${folder}, ${column}`);
    });
  }
  const presets = SETTINGS.find(({ name }) => name === "transport.preset")!.type as string[];
  for (const preset of presets.filter((one) => one !== "" && one !== "sendmail")) {
    assert.ok(cases.some((row) => row[2]!.includes(`\`${preset}\``)), preset);
  }
});
