/** bench/: the budgets are about what was measured, README.md tells what results.json holds and why a budget is missed. */
import assert from "node:assert/strict";
import type { Budget } from "../bench/budget.ts";
import { figureOf, judgeBudgets, readBudgets } from "../bench/budgets.ts";
import { intoReadme, print, type Results } from "../bench/report.ts";
import { ROOT } from "./rig.ts";

const budgets = readBudgets();
const results: Results = JSON.parse(Deno.readTextFileSync(`${ROOT}/bench/results.json`));
const readme = Deno.readTextFileSync(`${ROOT}/bench/README.md`);

/** Why a budget is missed, as README.md tells it: an item that begins with its name. */
const reasons = new Map(
  [...readme.matchAll(/^- \*\*(.+?)\*\*: (.+(?:\n {2}.+)*)$/gm)].map(([, name, text]) => [name!, text!]),
);

for (const { name, figure, of, to, most, least } of budgets) {
  Deno.test(`budget ${name} is about rows that were measured`, () => {
    for (const row of [of, to]) {
      assert.ok(figureOf(results, row, figure)! > 0, `results.json has no ${figure} of ${row.join(", ")}`);
    }
    assert.notEqual(most === undefined, least === undefined, "one bound, not two");
  });
}

Deno.test("names of budgets, tables and rows are there once", () => {
  const tables = Object.values(results).flatMap((group) => group.tables);
  const once = (names: string[]) => assert.deepEqual(names, [...new Set(names)]);
  once(budgets.map(({ name }) => name));
  once(tables.map(({ title }) => title));
  for (const { rows } of tables) once(rows.map(({ name }) => name));
});

Deno.test("each missed budget has its reason in README.md, and no other name has one", () => {
  const missed = judgeBudgets(results, budgets).filter(({ holds }) => holds === false).map(({ budget }) => budget.name);
  for (const name of missed) {
    const words = reasons.get(name)?.split(/\s+/).length ?? 0;
    assert.ok(words >= 10, `bench/README.md does not say why ${name} is missed`);
  }
  const names = budgets.map(({ name }) => name);
  assert.deepEqual([...reasons.keys()].filter((name) => !names.includes(name)), []);
});

Deno.test("README.md has the tables of results.json", () => {
  assert.equal(readme, intoReadme(readme, print(results, judgeBudgets(results, budgets))));
  assert.notEqual(intoReadme(readme, "x"), readme, "the marks are gone");
});

const measured: Results = {
  a: { times: 1, tables: [{ title: "t", rows: [{ name: "base", ms: 10, mb: 30 }, { name: "x|y", ms: 25, mb: 45 }] }] },
  b: { times: 1, tables: [{ title: "r", rows: [{ name: "base", rate: 1000 }, { name: "z", rate: 1_234_567 }] }] },
};
const budget = (more: Partial<Budget>): Budget => ({
  name: "n",
  compares: "c",
  figure: "ms",
  of: ["t", "x|y"],
  to: ["t", "base"],
  ...more,
});

/** [budget, what it is, does it hold] */
const judged: [Partial<Budget>, number | undefined, boolean | undefined][] = [
  [{ most: 2.5 }, 2.5, true],
  [{ most: 2.49 }, 2.5, false],
  [{ figure: "mb", most: 1.5 }, 1.5, true],
  [{ figure: "rate", of: ["r", "z"], to: ["r", "base"], least: 1234.57 }, 1234.57, true],
  [{ figure: "rate", of: ["r", "z"], to: ["r", "base"], least: 1235 }, 1234.57, false],
  [{ of: ["t", "nobody"], most: 1 }, undefined, undefined],
  [{ of: ["nowhere", "x|y"], most: 1 }, undefined, undefined],
  [{ figure: "rate", most: 1 }, undefined, undefined],
];
for (const [more, is, holds] of judged) {
  Deno.test(`budget ${JSON.stringify(more)} is ${is}`, () => {
    const [one] = judgeBudgets(measured, [budget(more)]);
    assert.deepEqual([one!.is, one!.holds], [is, holds]);
  });
}

Deno.test("tables and budgets are printed so that a name cannot break them", () => {
  const rows = print(measured, judgeBudgets(measured, [budget({ most: 2 }), budget({ of: ["t", "no"], most: 2 })]));
  assert.deepEqual(rows.split("\n").filter((line) => /^\| (x|z|n) ?/.test(line.replace("\\|y", ""))), [
    "| x\\|y | 25.0 | 2.50 | 45 |",
    "| z | 1,234,567 | 1234.57 |",
    "| n | 2.5 | at most 2 | **missed** | c |",
    "| n |  | at most 2 | not measured | c |",
  ]);
});

/** [arguments, the message] that end with 64 before anything is measured */
const wrong: [string[], RegExp][] = [
  [["nothing"], /^bench: no group nothing; there are out, in, /],
  [["--check", "out", "--chekc"], /^bench: no group --chekc; /],
];
for (const [args, message] of wrong) {
  Deno.test(`bench ${args.join(" ")} is a usage error`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-check", "-A", `${ROOT}/bench/run.ts`, ...args],
      env: { NO_COLOR: "1" },
    }).output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [64, ""]);
    assert.match(new TextDecoder().decode(stderr), message);
  });
}
