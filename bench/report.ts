/** Prints the results as the tables in README.md. */
import type { Judged } from "./budget.ts";
import type { Measured } from "./measure.ts";

/** Subjects that were measured together. */
export interface Table {
  /** Also its name in budgets.json. */
  readonly title: string;
  /** The ratios are relative to the first row. */
  readonly rows: readonly (Measured | Rate)[];
}

/** A rate per second. */
export interface Rate {
  readonly name: string;
  readonly rate: number;
}

/** bench/results.json: the tables of each group, and the number of runs. */
export interface Results {
  readonly [group: string]: { readonly times: number; readonly tables: readonly Table[] };
}

/** A ratio with two decimals, as it is printed and compared with its budget. */
export const roundedRatio = (a: number, b: number): number => Math.round((a / b) * 100) / 100;

const cell = (text: string) => text.replaceAll("|", "\\|");
const thousands = (value: number) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");

function printTable({ title, rows }: Table): string {
  const [base] = rows;
  const lines = rows.map((row) => {
    if ("rate" in row) return `| ${cell(row.name)} | ${thousands(row.rate)} | ${ratioTo(base, "rate", row.rate)} |`;
    return `| ${cell(row.name)} | ${row.ms.toFixed(1)} | ${ratioTo(base, "ms", row.ms)} | ${
      row.mb === undefined ? "" : Math.round(row.mb)
    } |`;
  });
  const head = base !== undefined && "rate" in base
    ? ["per second | ratio", "-: | -:"]
    : ["ms | ratio | MB", "-: | -: | -:"];
  return [`| ${cell(title)} | ${head[0]} |`, `| - | ${head[1]} |`, ...lines].join("\n");
}

function ratioTo(base: unknown, figure: string, value: number): string {
  return roundedRatio(value, (base as Record<string, number>)[figure]!).toFixed(2);
}

function printBudget({ budget, ratio, holds }: Judged): string {
  const limit = budget.maximum === undefined ? `at least ${budget.minimum}` : `at most ${budget.maximum}`;
  const result = holds === undefined ? "not measured" : holds ? "met" : "**missed**";
  return `| ${cell(budget.name)} | ${ratio ?? ""} | ${limit} | ${result} | ${cell(budget.compares)} |`;
}

/** All tables, as README.md contains them between its markers. */
export function print(results: Results, judged: readonly Judged[]): string {
  const tables = Object.values(results).flatMap(({ tables }) => tables.map(printTable));
  const budgets = [
    "| Budget | ratio | limit | result | compares |",
    "| - | -: | -: | - | - |",
    ...judged.map(printBudget),
  ];
  return [...tables, budgets.join("\n")].join("\n\n");
}

const MARKERS = /(<!-- results -->)[^]*(<!-- \/results -->)/;

/** README.md with these tables. */
export function insertTables(readme: string, printed: string): string {
  const body = `\n\n<!-- deno-fmt-ignore-start -->\n${printed}\n<!-- deno-fmt-ignore-end -->\n\n`;
  return readme.replace(MARKERS, (_, open, close) => `${open}${body}${close}`);
}
