/** The control files of qmail that authup, fixsmtpio and ofmipd share. */
import { provesMissing, reason } from "../lib/fail.ts";
import { Fail } from "../lib/fail.ts";
import { plainEnv } from "../io/system/environment.ts";

/** Returns the path of a control file. The launcher permits this folder. */
export function controlFile(name: string): string {
  return `${plainEnv("COUNTERSIGN_CONTROL") || "/var/qmail/control"}/${name}`;
}

/**
 * Returns the lines of a control file, without blanks at their ends; undefined if it is missing.
 *
 * @throws {Fail} `config`
 */
function controlLines(name: string): string[] | undefined {
  const file = controlFile(name);
  try {
    return Deno.readTextFileSync(file).replace(/\n$/, "").split("\n").map((line) => line.replace(/[ \t]+$/, ""));
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw new Fail("config", `Control file cannot be read: ${reason(error)}`, { file, cause: error });
  }
}

/** Returns a list: the lines that are neither empty nor comments; undefined if the file is missing. */
export function controlList(name: string): string[] | undefined {
  return controlLines(name)?.filter((line) => line !== "" && !line.startsWith("#"));
}

/** Returns the number in a control file, or `fallback` if it is missing or contains none. */
export function controlNumber(name: string, fallback: number): number {
  const line = controlLines(name)?.[0] ?? "";
  return /^\d{1,9}$/.test(line) ? Number(line) : fallback;
}

/** Returns the name of this host as the control files give it: `NAMEgreeting`, or `me`. */
export function greetingName(protocol: string): string {
  const line = controlLines(`${protocol}greeting`)?.[0] || controlLines("me")?.[0] || "localhost";
  // deno-lint-ignore no-control-regex
  return line.replace(/[\x00-\x1f\x7f]/g, " ");
}
