/** The index contrib/README.md lists every folder and every preset. */
import assert from "node:assert/strict";
import { SETTINGS } from "../lib/settings/schema.ts";
import { ROOT } from "./rig.ts";

const INDEX = Deno.readTextFileSync(`${ROOT}/contrib/README.md`);
const FOLDERS = [...Deno.readDirSync(`${ROOT}/contrib`)].filter((entry) => entry.isDirectory).map(({ name }) => name)
  .sort();

/** The cells of the rows below a heading. */
function rows(heading: RegExp): string[][] {
  const table = INDEX.split(/\n\n/).find((block) => heading.test(block))!;
  const lines = table.split("\n").filter((line) => line.startsWith("|")).slice(2);
  return lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const ALL = rows(/^\| Folder /m);
const WHERE = new Map(ALL.map(([folder, where]) => [/^\[(\S+)\]/.exec(folder!)![1]!, where!.split(", ")]));

Deno.test("every folder has one row, in alphabetical order", () => {
  assert.deepEqual(ALL.map(([folder]) => folder), FOLDERS.map((name) => `[${name}](${name})`));
});

Deno.test("every link leads to a file or folder", () => {
  const links = [...INDEX.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
  assert.ok(links.length > FOLDERS.length);
  for (const link of links) assert.ok(Deno.statSync(`${ROOT}/contrib/${link}`), link);
});

Deno.test("the table of cases lists every program in its columns, and every preset except sendmail", () => {
  const cases = rows(/^\| You have /m);
  const columns = ["composing", "sending", "receiving"];
  const named = columns.map((_, at) => new Set(cases.flatMap((row) => row[at + 1]!.match(/(?<=\[)[^\]]+/g) ?? [])));
  for (const [folder, where] of WHERE) {
    columns.forEach((column, at) => {
      // qmail needs only the preset: qmail-inject has no configuration of its own.
      if (folder === "qmail" && column === "sending") return;
      assert.equal(named[at]!.has(folder), where.includes(column), `${folder}, ${column}`);
    });
  }
  const presets = SETTINGS.find(({ name }) => name === "transport.preset")!.type as string[];
  for (const preset of presets.filter((name) => name !== "" && name !== "sendmail")) {
    assert.ok(cases.some((row) => row[2]!.includes(`\`${preset}\``)), preset);
  }
});
