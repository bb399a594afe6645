/**
 * Will qmail-local do anything behind this hook? If the hook is the last line
 * of its dot-qmail file and ends with 0, the message is gone (qmail gives no
 * other sign of it).
 */
import { lower } from "../lib/bytes.ts";
import type { Env } from "./delivery.ts";

/** `more`: another instruction follows. `last`: none does. `unknown`: the file was not found. */
export type Behind = "more" | "last" | "unknown";

/**
 * Looks the file up as qmail-local(8) does: dot-qmail(5), section EXTENSION ADDRESSES.
 *
 * @param name the name by which the hook was called: its line holds it
 */
export async function whatIsBehind(
  name: string,
  env: Env,
  readFile: (path: string) => string | undefined,
): Promise<Behind> {
  const ext = await env("EXT") ?? "";
  const rest = await env("DEFAULT");
  if (rest !== undefined && !ext.endsWith(rest)) return "unknown";
  // A to Z only, as qmail does it: other letters may have another length in lower case.
  const front = lower(rest === undefined ? ext : ext.slice(0, ext.length - rest.length)).replaceAll(".", ":");
  const file = ext === "" ? ".qmail" : `.qmail-${front}${rest === undefined ? "" : "default"}`;
  if (file.includes("/")) return "unknown";
  const text = readFile(file);
  if (text === undefined) return "unknown";
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  // Which line we are is not told. A line that delivers, behind the last line with a program, is behind us.
  const program = lines.findLastIndex((line) => line.startsWith("|") && line.includes(name));
  if (program < 0) return "unknown";
  return program < lines.length - 1 ? "more" : "last";
}
