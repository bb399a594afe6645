/** The file of lists to which mail goes with the plain sender: one address a line, comments behind `#`. */
import { canonical, parseAddress } from "./address.ts";
import { Fail, reason, show } from "./fail.ts";

/**
 * The lists in the text, in lower case.
 *
 * @param path the file's name, for what is wrong
 * @throws {Fail} `config`, naming the line
 */
export function parseLists(text: string, path: string): string[] {
  return text.split("\n").flatMap((line, at) => {
    const written = listOn(line);
    if (written === "") return [];
    try {
      return [listAddress(written)];
    } catch (error) {
      throw new Fail("config", `${path} line ${at + 1}: ${reason(error)}`);
    }
  });
}

/** A list's address as it is compared. @throws {Fail} when it is none */
export function listAddress(text: string): string {
  const address = parseAddress(text);
  // A rule would take it for a pattern; and behind a # nothing is read.
  if (/[*#\s]/.test(text)) throw new Fail("usage", `${show(text)} is not one list: write patterns into a [[rule]]`);
  return canonical(address);
}

/** The text with one more line. */
export function withList(text: string, list: string): string {
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${list}\n`;
}

/** The text without the lines of this list; all else stays as the user wrote it. */
export function withoutList(text: string, list: string): string {
  return text.split("\n").filter((line) => listOn(line).toLowerCase() !== list).join("\n");
}

const listOn = (line: string): string => line.replace(/#[^]*$/, "").trim();
