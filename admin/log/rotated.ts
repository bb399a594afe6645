/** The log and the files into which logrotate has renamed it, also compressed with gzip. */
import { provesMissing } from "../../lib/fail.ts";
import { MAX_LINE_LENGTH, wholeLines } from "./read.ts";

/** Matches what logrotate appends to the name: a number, or with `dateext` a date. */
const ROTATED = /^(?:\.\d{1,6}|-\d{8}(?:-\d{1,10})?)?(\.gz)?$/;

/**
 * Returns the paths of the log and its rotated files, the oldest first.
 *
 * @param since files that were last written before this time are left out
 * @throws the error of a folder that cannot be read
 */
export function logFiles(path: string, since: Date): string[] {
  const [, folder, name] = /^(.*)\/([^/]*)$/.exec(path)!;
  const found: { path: string; time: number }[] = [];
  for (const other of namesIn(folder === "" ? "/" : folder!)) {
    if (!other.startsWith(name!) || !ROTATED.test(other.slice(name!.length))) continue;
    const info = statIfPresent(`${folder}/${other}`); // missing if it was rotated meanwhile
    const time = other === name ? Infinity : info?.mtime?.getTime() ?? 0;
    if (info?.isFile && time >= since.getTime()) found.push({ path: `${folder}/${other}`, time });
  }
  return found.sort((a, b) => a.time - b.time || (a.path < b.path ? -1 : 1)).map((one) => one.path);
}

/** Returns the names in the folder of the log; none if nothing was logged yet. */
function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (provesMissing(error)) return [];
    throw error;
  }
}

function statIfPresent(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Yields whole lines, many at once, in memory that does not grow with the file.
 *
 * @throws the error of a file that cannot be read or decompressed to its end; what was read until then was yielded
 */
export async function* textsOf(path: string): AsyncGenerator<string> {
  if (!path.endsWith(".gz")) return yield* wholeLines(path, undefined);
  const packed = (await Deno.open(path)).readable.pipeThrough(new DecompressionStream("gzip"));
  const decoder = new TextDecoder();
  let begun = "";
  for await (const part of packed) {
    const text = begun + decoder.decode(part, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    begun = text.slice(end).slice(-MAX_LINE_LENGTH);
    if (end > 0) yield text.slice(0, end);
  }
  if (begun !== "") yield `${begun}\n`;
}
