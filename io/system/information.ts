/** Prints what the options ask for that all programs have. */
import { information } from "../../lib/information.ts";

/** Prints the help or the version if the argument asks for it. @returns whether it does */
export function printInformation(argument: string | undefined, help: string): boolean {
  const text = information(argument, help);
  if (text !== undefined) console.log(text);
  return text !== undefined;
}
