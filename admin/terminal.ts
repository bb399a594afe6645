/** Words on a terminal: a stranger's text must not command it. */
import { quote, show } from "../lib/fail.ts";

/** As it is when it is printable ASCII, else quoted. */
export function plain(text: string): string {
  return /^[ -~]+$/.test(text) ? text : show(text);
}

/** Columns; all but the last are padded. */
export function rows(table: readonly (readonly string[])[]): string {
  const wide = (at: number) => Math.max(...table.map((row) => row[at]?.length ?? 0));
  return table.map((row) => row.map((cell, at) => at === row.length - 1 ? cell : cell.padEnd(wide(at) + 2)).join(""))
    .join("\n");
}

/** JSON that a terminal does not obey, either. */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/[\x7f-\x9f\u2028\u2029]/g, (c) => quote(c).slice(1, -1));
}

/** A line of a file, with nothing in it that a terminal would obey. */
export function clean(line: string): string {
  // deno-lint-ignore no-control-regex
  return line.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g, "\ufffd");
}
