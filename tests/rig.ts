/** Helpers for tests of whole programs, and those that benchmarks and the demo use, too (build/rig). */
import assert from "node:assert/strict";
import { type Ran, ROOT } from "../build/rig/home.ts";

export * from "../build/rig/home.ts";
export * from "../build/rig/mails.ts";

/** A temporary folder, removed on disposal. */
export class TempFolder implements Disposable {
  readonly path: string;
  /** Creates the folder. @param dir where; the usual place by default */
  constructor(dir?: string) {
    this.path = Deno.makeTempDirSync({ prefix: "countersign-", ...(dir !== undefined && { dir }) });
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The permission bits of a file, in octal. */
export const modeOf = (path: string): string => (Deno.statSync(path).mode! & 0o777).toString(8);

/** Whether this is a file that exists. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The files below these folders of the checkout, relative to it. */
export const sourceFiles = (...folders: string[]): string[] =>
  folders.flatMap((folder) => filesBelow(`${ROOT}/${folder}`)).map((path) => path.slice(ROOT.length + 1));

/** The files of a ledger, by their state. */
export function ledgerFiles(folder: string): Record<"issued" | "claimed" | "spent", string[]> {
  const out = { issued: [] as string[], claimed: [] as string[], spent: [] as string[] };
  for (const path of filesBelow(folder)) {
    if (/\/lists\/[^/]*\/[^/]*$/.test(path)) continue;
    out[path.endsWith(".spent") ? "spent" : path.includes(".claimed.") ? "claimed" : "issued"].push(path);
  }
  return out;
}

/** The files below a folder, sorted; an empty list if the folder does not exist. */
export function filesBelow(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
      isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
    ).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Asserts the exit status, and exactly one line on standard error, which matches the pattern. */
export function oneLine(ran: Ran, code: number, pattern: RegExp): void {
  assert.equal(ran.code, code, ran.stderr);
  assert.match(ran.stderr, pattern);
  assert.equal(ran.stderr.trimEnd().split("\n").length, 1, `not one line: ${ran.stderr}`);
}

/** Asserts the exit status and that the last line on standard error matches. @returns the lines before it */
export function lastLine(ran: Ran, code: number, pattern: RegExp): string[] {
  assert.equal(ran.code, code, ran.stderr);
  const lines = ran.stderr.trimEnd().split("\n");
  assert.match(lines.pop()!, pattern);
  return lines;
}
