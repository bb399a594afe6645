/** Words on a terminal: a stranger's text must not command it. */
import { Fail, quote, quoteAll, reason } from "../lib/fail.ts";
import { JSON_VERSION } from "./json_format.ts";

/** Writes lines to standard output; one who reads no further needs no telling. @throws {Fail} `io` */
export function say(text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    throw new Fail("io", `Standard output cannot be written: ${reason(error)}`, { cause: error });
  }
}

/** Is it a terminal that can do more than write one line below the other? */
export function isRich(stream: { isTerminal(): boolean }): boolean {
  return stream.isTerminal() && Deno.env.get("TERM") !== "dumb";
}

/** As it is when it is printable ASCII, else quoted. */
export function plain(text: string): string {
  return /^[ -~]+$/.test(text) ? text : quote(text);
}

/** Columns; all but the last are padded. */
export function rows(table: readonly (readonly string[])[]): string {
  const wide = (at: number) => Math.max(...table.map((row) => row[at]?.length ?? 0));
  return table.map((row) => row.map((cell, at) => at === row.length - 1 ? cell : cell.padEnd(wide(at) + 2)).join(""))
    .join("\n");
}

/** The versioned JSON of a command (see json_format.ts), without anything that a terminal would obey. */
export function json(members: object): string {
  return JSON.stringify({ version: JSON_VERSION, ...members }, null, 2).replace(
    /[\x7f-\x9f\u2028\u2029]/g,
    (c) => quoteAll(c).slice(1, -1),
  );
}

/** Lines of a file, with nothing in them that a terminal would obey. */
export function cleanLines(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]/g, "\ufffd");
}
