/** Shared by what reads the folders of a doorbell: a missing file is not an error, anything else is. */
import { Fail, provesMissing, reason } from "../../../lib/fail.ts";

/** Returns the names in a folder, in alphabetical order; none if it is missing. */
export function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (provesMissing(error)) return [];
    throw trouble(folder, error);
  }
}

/** Returns when a file was last changed; undefined if it cannot be determined. */
export function mtimeOf(path: string): Date | undefined {
  try {
    return Deno.lstatSync(path).mtime ?? undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether a file exists. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw trouble(path, error);
  }
}

/** Removes a file. @returns whether it was there */
export function removeIfPresent(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw trouble(path, error);
  }
}

/** Returns the error for files that cannot be used. */
export function trouble(folder: string, error: unknown): Fail {
  return new Fail("temporary", `Held messages cannot be used: ${reason(error)}`, { file: folder, cause: error });
}
