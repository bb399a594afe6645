/**
 * Determines whether qmail-local delivers after this hook. If the hook is the last line of its dot-qmail file and exits
 * 0, the message is lost, and qmail does not tell a program whether it is the last one.
 */
import { lower } from "../lib/bytes.ts";
import { Fail, quote } from "../lib/fail.ts";
import { type Env, isUnreadable } from "../incoming/delivery.ts";

/**
 * - `more`: another line follows
 * - `last`: no line follows
 * - `unknown`: no line of the file calls the hook, so a wrapper does, which decides what comes next
 */
export type Following = "more" | "last" | "unknown";

/**
 * Finds the file as qmail-local(8) does: dot-qmail(5), section EXTENSION ADDRESSES.
 *
 * @param name the name by which the hook was called, which its line contains
 * @param readFile reads a file in the home directory; returns undefined only if it does not exist
 * @throws what `readFile` throws, because an unreadable file may contain only the hook
 */
export async function whatFollows(
  name: string,
  env: Env,
  readFile: (path: string) => string | undefined,
): Promise<Following> {
  const file = fileName(await env("EXT") ?? "", await env("DEFAULT"));
  const text = file === undefined ? undefined : readFile(file);
  if (text === undefined) return "unknown";
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !/^[#+]/.test(line));
  // qmail does not tell which line is running, so the last line that calls the hook counts.
  const own = lines.findLastIndex((line) => restOfCall(line, name) !== undefined);
  if (own < 0) return "unknown";
  if (own < lines.length - 1) return "more";
  // A line in which the shell runs more after the hook is a wrapper: `hook && deliver`, `if hook; then deliver; fi`.
  return /&&|;/.test(restOfCall(lines[own]!, name)!) ? "unknown" : "last";
}

/**
 * Returns the dot-qmail file for an extension. DEFAULT is the part that matched `default` in its name; for an address
 * that ends in a dash it is set, but empty. Dots become colons, so no name leads out of the home directory.
 */
function fileName(ext: string, rest: string | undefined): string | undefined {
  if (rest === undefined && ext === "") return ".qmail";
  if (rest !== undefined && !ext.endsWith(rest)) return undefined;
  // Only A to Z, as in qmail: other letters may have another length in lower case.
  const front = lower(rest === undefined ? ext : ext.slice(0, ext.length - rest.length)).replaceAll(".", ":");
  // A stranger cannot cause this: qmail-local uses the name only if such a file exists.
  if (isUnreadable(front)) throw new Fail("temporary", `The name of the dot-qmail file for ${quote(ext)} is not UTF-8`);
  return `.qmail-${front}${rest === undefined ? "" : "default"}`;
}

/** Returns the text after the hook's name in a program line; undefined if the line does not call it. */
function restOfCall(line: string, name: string): string | undefined {
  if (!line.startsWith("|")) return undefined;
  // The name is a word or the last part of a path; `check-incoming` is another program.
  const words = [...line.matchAll(/[^\s"'`|;&()<>=]+/g)];
  const call = words.findLast(([word]) => word === name || word.endsWith(`/${name}`));
  return call && line.slice(call.index + call[0].length);
}
