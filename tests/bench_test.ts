/** bench/: budgets refer to measured rows; README.md has the tables of results.json, and a reason per missed budget. */
import assert from "node:assert/strict";
import type { Budget } from "../bench/budget.ts";
import { figureOf, judgeBudgets, readBudgets } from "../bench/budgets.ts";
import { insertTables, print, type Results } from "../bench/report.ts";
import { ROOT } from "./rig.ts";

const budgets = readBudgets();
const results: Results = JSON.parse(Deno.readTextFileSync(`${ROOT}/bench/results.json`));
const readme = Deno.readTextFileSync(`${ROOT}/bench/README.md`);

/** The reasons for missed budgets in README.md: items that begin with the name of the budget. */
const reasons = new Map(
  [...readme.matchAll(/^- \*\*(.+?)\*\*: (.+(?:\n {2}.+)*)$/gm)].map(([, name, text]) => [name!, text!]),
);

for (const { name, figure, row, baseline, maximum, minimum } of budgets) {
  Deno.test(`budget ${name} refers to measured rows`, () => {
    for (const path of baseline === undefined ? [row] : [row, baseline]) {
      assert.ok(figureOf(results, path, figure)! > 0, `results.json has no ${figure} of ${path.join(", ")}`);
    }
    assert.notEqual(maximum === undefined, minimum === undefined, "exactly one limit");
  });
}

Deno.test("names of budgets, tables and rows are unique", () => {
  const tables = Object.values(results).flatMap((group) => group.tables);
  const assertUnique = (names: string[]) => assert.deepEqual(names, [...new Set(names)]);
  assertUnique(budgets.map(({ name }) => name));
  assertUnique(tables.map(({ title }) => title));
  for (const { rows } of tables) assertUnique(rows.map(({ name }) => name));
});

Deno.test("README.md explains each missed budget, and no unknown one", () => {
  const missed = judgeBudgets(results, budgets).filter(({ holds }) => holds === false).map(({ budget }) => budget.name);
  for (const name of missed) {
    const words = reasons.get(name)?.split(/\s+/).length ?? 0;
    assert.ok(words >= 10, `bench/README.md does not say why ${name} is missed`);
  }
  const names = budgets.map(({ name }) => name);
  assert.deepEqual([...reasons.keys()].filter((name) => !names.includes(name)), []);
});

Deno.test("README.md has the tables of results.json", () => {
  assert.equal(readme, insertTables(readme, print(results, judgeBudgets(results, budgets))));
  assert.notEqual(insertTables(readme, "x"), readme, "the markers are missing");
});

const measured: Results = {
  a: { times: 1, tables: [{ title: "t", rows: [{ name: "base", ms: 10, mb: 30 }, { name: "x|y", ms: 25, mb: 45 }] }] },
  b: { times: 1, tables: [{ title: "r", rows: [{ name: "base", rate: 1000 }, { name: "z", rate: 1_234_567 }] }] },
};
const budget = (more: Partial<Budget>): Budget => ({
  name: "n",
  compares: "c",
  figure: "ms",
  row: ["t", "x|y"],
  baseline: ["t", "base"],
  ...more,
});

const judged: [budget: Partial<Budget>, ratio: number | undefined, holds: boolean | undefined][] = [
  [{ maximum: 2.5 }, 2.5, true],
  [{ maximum: 2.49 }, 2.5, false],
  [{ figure: "mb", maximum: 1.5 }, 1.5, true],
  [{ figure: "rate", row: ["r", "z"], baseline: ["r", "base"], minimum: 1234.57 }, 1234.57, true],
  [{ figure: "rate", row: ["r", "z"], baseline: ["r", "base"], minimum: 1235 }, 1234.57, false],
  [{ row: ["t", "nobody"], maximum: 1 }, undefined, undefined],
  [{ row: ["nowhere", "x|y"], maximum: 1 }, undefined, undefined],
  [{ figure: "rate", maximum: 1 }, undefined, undefined],
];
for (const [more, ratio, holds] of judged) {
  Deno.test(`budget ${JSON.stringify(more)} has the ratio ${ratio}`, () => {
    const [result] = judgeBudgets(measured, [budget(more)]);
    assert.deepEqual([result!.ratio, result!.holds], [ratio, holds]);
  });
}

const limits: [budget: Partial<Budget>, figure: number | undefined, holds: boolean | undefined][] = [
  [{ maximum: 25 }, 25, true],
  [{ maximum: 24.99 }, 25, false],
  [{ figure: "rate", row: ["r", "z"], minimum: 1_234_568 }, 1_234_567, false],
  [{ row: ["t", "nobody"], maximum: 1 }, undefined, undefined],
];
for (const [more, figure, holds] of limits) {
  Deno.test(`budget ${JSON.stringify(more)} without a baseline limits the figure ${figure}`, () => {
    const { baseline: _, ...limit } = budget(more);
    const [result] = judgeBudgets(measured, [limit]);
    assert.deepEqual([result!.ratio, result!.holds], [figure, holds]);
  });
}

Deno.test("a bar in a name is escaped in the printed tables", () => {
  const rows = print(
    measured,
    judgeBudgets(measured, [budget({ maximum: 2 }), budget({ row: ["t", "no"], maximum: 2 })]),
  );
  assert.deepEqual(rows.split("\n").filter((line) => /^\| (x|z|n) ?/.test(line.replace("\\|y", ""))), [
    "| x\\|y | 25.0 | 2.50 | 45 |",
    "| z | 1,234,567 | 1234.57 |",
    "| n | 2.5 | at most 2 | **missed** | c |",
    "| n |  | at most 2 | not measured | c |",
  ]);
});

Deno.test("memory that was not measured has an empty cell", () => {
  const results: Results = { a: { times: 1, tables: [{ title: "t", rows: [{ name: "x", ms: 10 }] }] } };
  assert.match(print(results, []), /^\| x \| 10\.0 \| 1\.00 \| {2}\|$/m);
});

/** Usage errors, which are found before anything is measured. */
const usageErrors: [args: string[], message: RegExp][] = [
  [["nothing"], /^bench: Unknown group nothing: choose from out, in, .*, door, map, submit, million\n$/],
  [["--check", "out", "--chekc"], /^bench: Unknown group --chekc: /],
];
for (const [args, message] of usageErrors) {
  Deno.test(`bench ${args.join(" ")} is a usage error`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-check", "-A", `${ROOT}/bench/run.ts`, ...args],
      env: { NO_COLOR: "1" },
    }).output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [64, ""]);
    assert.match(new TextDecoder().decode(stderr), message);
  });
}
