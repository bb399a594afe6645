/** Compares bench/budgets.json with the results. */
import type { Budget, Judged } from "./budget.ts";
import { type Results, roundedRatio } from "./report.ts";

/** Reads budgets.json. */
export function readBudgets(): Budget[] {
  return JSON.parse(Deno.readTextFileSync(new URL("budgets.json", import.meta.url)));
}

/** The figure of a row; undefined if it was not measured. */
export function figureOf(results: Results, [table, row]: Budget["row"], figure: Budget["figure"]): number | undefined {
  const tables = Object.values(results).flatMap((group) => group.tables);
  const found = tables.find(({ title }) => title === table)?.rows.find(({ name }) => name === row);
  return (found as Partial<Record<Budget["figure"], number>> | undefined)?.[figure];
}

/** Compares each budget with the results. */
export function judgeBudgets(results: Results, budgets: readonly Budget[]): Judged[] {
  return budgets.map((budget) => {
    const value = figureOf(results, budget.row, budget.figure);
    const baseline = budget.baseline === undefined ? 1 : figureOf(results, budget.baseline, budget.figure);
    if (value === undefined || baseline === undefined) return { budget, ratio: undefined, holds: undefined };
    const ratio = roundedRatio(value, baseline);
    return { budget, ratio, holds: ratio <= (budget.maximum ?? Infinity) && ratio >= (budget.minimum ?? 0) };
  });
}
