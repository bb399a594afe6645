/** Prints to a terminal, without control characters from untrusted text. */
import { Fail, HIDDEN, quote, quoteAll, reason } from "../lib/fail.ts";
import { JSON_VERSION } from "./json_format.ts";

/** Writes lines to standard output; a closed pipe is not an error. @throws {Fail} `io` */
export function say(text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    throw new Fail("io", `Standard output cannot be written: ${reason(error)}`, { cause: error });
  }
}

/** Whether a stream is a terminal with cursor control and colours. */
export function isRich(stream: { isTerminal(): boolean }): boolean {
  return stream.isTerminal() && Deno.env.get("TERM") !== "dumb";
}

/** Returns printable ASCII unchanged, and other text quoted. */
export function plain(text: string): string {
  return /^[ -~]+$/.test(text) ? text : quote(text);
}

/** Aligns columns; all but the last are padded. */
export function rows(table: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of table) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  return table.map((row) => row.map((cell, at) => at === row.length - 1 ? cell : cell.padEnd(widths[at]! + 2)).join(""))
    .join("\n");
}

/** Returns the versioned JSON of a command (see json_format.ts), without control characters. */
export function json(members: object): string {
  return JSON.stringify({ version: JSON_VERSION, ...members }, null, 2).replace(
    HIDDEN,
    (c) => quoteAll(c).slice(1, -1),
  );
}
