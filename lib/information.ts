/** The options of all programs that ask for information. */
import { VERSION } from "./version.ts";

/**
 * Returns the text that an argument asks for: the help for `-h` and `--help`, the version for `-V` and `--version`;
 * undefined for any other argument.
 *
 * @param help the help text of the program
 */
export function information(argument: string | undefined, help: string): string | undefined {
  if (argument === "-h" || argument === "--help") return help.trim();
  return argument === "-V" || argument === "--version" ? `countersign ${VERSION}` : undefined;
}
