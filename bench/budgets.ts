/** What may be how large: bench/budgets.json held against what was measured. */
import { ratio, type Results } from "./report.ts";

/** One budget: a figure of a row, in relation to that of another row of the same run. */
export interface Budget {
  readonly name: string;
  /** What is compared, in words. */
  readonly compares: string;
  /** Wall time, memory, or how often in a second. */
  readonly figure: "ms" | "mb" | "rate";
  /** Table and row that are judged. */
  readonly of: readonly [table: string, row: string];
  /** Table and row of the same group that it is divided by. */
  readonly to: readonly [table: string, row: string];
  readonly most?: number;
  readonly least?: number;
}

/** A budget and what came of it; undefined where one of its rows was not measured on this machine. */
export interface Judged {
  readonly budget: Budget;
  readonly is: number | undefined;
  readonly holds: boolean | undefined;
}

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
