/** Reads files and their attributes for doctor. */
import { provesMissing, reason } from "../../lib/fail.ts";
import { isThere } from "../files.ts";
import type { TextFile } from "./finding.ts";

/** Kind, mode and owner of a path. */
export interface PathInfo {
  readonly path: string;
  readonly kind: "file" | "folder" | "other" | "missing" | "inaccessible";
  readonly mode: number;
  readonly uid: number;
}

/**
 * Returns a file with its mode; undefined if it is missing, or cannot be read, in which case `unreadable` is called.
 */
export function textFile(
  path: string,
  unreadable: (path: string, why: string) => void = () => {},
): TextFile | undefined {
  try {
    const { isFile, mode } = Deno.statSync(path);
    if (!isFile) return undefined;
    return { file: path, text: Deno.readTextFileSync(path), ...(mode === null ? {} : { mode: mode & 0o7777 }) };
  } catch (error) {
    if (!provesMissing(error)) unreadable(path, reason(error));
    return undefined;
  }
}

/** Returns the files that exist. */
export function textFiles(paths: readonly string[], unreadable?: (path: string, why: string) => void): TextFile[] {
  return paths.flatMap((path) => textFile(path, unreadable) ?? []);
}

/** Returns kind, mode and owner of a path. */
export function pathInfo(path: string): PathInfo {
  try {
    const { isFile, isDirectory, mode, uid } = Deno.statSync(path);
    return {
      path,
      kind: isFile ? "file" : isDirectory ? "folder" : "other",
      mode: (mode ?? 0) & 0o7777,
      uid: uid ?? 0,
    };
  } catch (error) {
    return { path, kind: error instanceof Deno.errors.NotFound ? "missing" : "inaccessible", mode: 0, uid: 0 };
  }
}

/** Whether a path is that of a file. */
export const isFile = (path: string): boolean => pathInfo(path).kind === "file";

/** Returns the same for a path and its parents, up to the first that exists. */
export function pathAndParents(path: string): PathInfo[] {
  const infoOf = (): PathInfo => {
    const info = pathInfo(path);
    // A dangling link: no folder can be created at its path.
    return info.kind === "missing" && isThere(path) ? { ...info, kind: "other" } : info;
  };
  const out = [infoOf()];
  while (out.at(-1)!.kind === "missing" && path.lastIndexOf("/") > 0) {
    path = path.slice(0, path.lastIndexOf("/"));
    out.push(infoOf());
  }
  return out;
}

/** Returns the names in a folder; none if it is missing, or cannot be read, in which case `unreadable` is called. */
export function namesIn(folder: string, unreadable: (path: string, why: string) => void = () => {}): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (!provesMissing(error)) unreadable(folder, reason(error));
    return [];
  }
}
