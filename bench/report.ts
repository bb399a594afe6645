/** Tables of what was measured, as README.md contains them. */
import type { Judged } from "./budget.ts";
import type { Measured } from "./measure.ts";

/** What was measured beside each other. */
export interface Table {
  /** Also its name in budgets.json. */
  readonly title: string;
  /** The first is what the ratios are of. */
  readonly rows: readonly (Measured | Rated)[];
}

/** How often in a second. */
export interface Rated {
  readonly name: string;
  readonly rate: number;
}

/** bench/results.json: the tables of each group, and of how many runs. */
export interface Results {
  readonly [group: string]: { readonly times: number; readonly tables: readonly Table[] };
}

/** A ratio, as it is printed and compared with its budget. */
export const ratio = (a: number, b: number): number => Math.round((a / b) * 100) / 100;

const cell = (text: string) => text.replaceAll("|", "\\|");
const thousands = (value: number) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");

function printTable({ title, rows }: Table): string {
  const [base] = rows;
  const lines = rows.map((row) => {
    if ("rate" in row) return `| ${cell(row.name)} | ${thousands(row.rate)} | ${times(row.rate, base, "rate")} |`;
    return `| ${cell(row.name)} | ${row.ms.toFixed(1)} | ${times(row.ms, base, "ms")} | ${Math.round(row.mb)} |`;
  });
  const head = base !== undefined && "rate" in base
    ? ["a second | ratio", "-: | -:"]
    : ["ms | ratio | MB", "-: | -: | -:"];
  return [`| ${cell(title)} | ${head[0]} |`, `| - | ${head[1]} |`, ...lines].join("\n");
}

function times(value: number, base: unknown, figure: string): string {
  return ratio(value, (base as Record<string, number>)[figure]!).toFixed(2);
}

function printBudget({ budget, is, holds }: Judged): string {
  const bound = budget.most === undefined ? `at least ${budget.least}` : `at most ${budget.most}`;
  const word = holds === undefined ? "not measured" : holds ? "holds" : "**missed**";
  return `| ${cell(budget.name)} | ${is ?? ""} | ${bound} | ${word} | ${cell(budget.compares)} |`;
}

/** All of it, as it stands between the marks of README.md. */
export function print(results: Results, judged: readonly Judged[]): string {
  const tables = Object.values(results).flatMap(({ tables }) => tables.map(printTable));
  const budgets = ["| Budget | is | may be | | compares |", "| - | -: | -: | - | - |", ...judged.map(printBudget)];
  return [...tables, budgets.join("\n")].join("\n\n");
}

const MARKS = /(<!-- results -->)[^]*(<!-- \/results -->)/;

/** README.md with these tables in it. */
export function intoReadme(readme: string, printed: string): string {
  const body = `\n\n<!-- deno-fmt-ignore-start -->\n${printed}\n<!-- deno-fmt-ignore-end -->\n\n`;
  return readme.replace(MARKS, (_, open, close) => `${open}${body}${close}`);
}
