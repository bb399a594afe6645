/** What may be how large: bench/budgets.json held against what was measured. */
import type { Budget, Judged } from "./budget.ts";
import { ratio, type Results } from "./report.ts";

/** The table in budgets.json. */
export function readBudgets(): Budget[] {
  return JSON.parse(Deno.readTextFileSync(new URL("budgets.json", import.meta.url)));
}

/** The figure of a row; undefined when it is not there. */
export function figureOf(results: Results, [table, row]: Budget["of"], figure: Budget["figure"]): number | undefined {
  const tables = Object.values(results).flatMap((group) => group.tables);
  const found = tables.find((one) => one.title === table)?.rows.find((one) => one.name === row);
  return (found as Partial<Record<Budget["figure"], number>> | undefined)?.[figure];
}

/** Holds each budget against the results. */
export function judgeBudgets(results: Results, budgets: readonly Budget[]): Judged[] {
  return budgets.map((budget) => {
    const [of, to] = [budget.of, budget.to].map((row) => figureOf(results, row, budget.figure));
    if (of === undefined || to === undefined) return { budget, is: undefined, holds: undefined };
    const is = ratio(of, to);
    return { budget, is, holds: is <= (budget.most ?? Infinity) && is >= (budget.least ?? 0) };
  });
}
