/** The file of lists that get the plain sender: one address per line, comments after `#`. */
import { canonical, parseAddress } from "../address.ts";
import { Fail, quote } from "../fail.ts";

/**
 * Parses the file and returns the lists in lower case.
 *
 * @param path the name of the file, for errors
 * @throws {Fail} `config`, naming the line
 */
export function parseLists(text: string, path: string): string[] {
  return text.split("\n").flatMap((line, at) => {
    const written = listOn(line);
    if (written === "") return [];
    try {
      return [listAddress(written)];
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      throw new Fail("config", error.message, { file: path, line: at + 1, fix: error.fix });
    }
  });
}

/** The lookups that the shim makes in the file of lists. */
export interface PlainLists {
  /** Whether the file contains any list. */
  readonly some: boolean;
  /** Returns whether this address, in lower case, is in the file. */
  has(address: string): boolean;
}

/** Number of lookups that search the text; after that, it is parsed once. */
const MAX_SEARCHES = 16;

/**
 * Returns lookups in a text that is read on first use. A message has few recipients and a file may contain many lists,
 * so the text is searched instead of parsed.
 *
 * Lookups throw what `read` throws, and {@link Fail} `config` for a line that is not a list.
 *
 * @param path the name of the file, for errors
 */
export function plainLists(read: () => string, path: string): PlainLists {
  let lists: string | undefined;
  let all: ReadonlySet<string> | undefined;
  let searches = 0;
  const text = () => {
    if (lists === undefined) {
      const written = read();
      if (ODD_LINE.test(written)) parseLists(written, path);
      lists = written.toLowerCase();
    }
    return lists;
  };
  return {
    get some() {
      return /^[^\S\n]*[^\s#]/m.test(text());
    },
    has(address) {
      if (searches++ < MAX_SEARCHES) return hasLine(text(), address);
      all ??= new Set(text().split("\n").map(listOn));
      return address !== "" && all.has(address);
    },
  };
}

/** A line that is not obviously a list, a comment or empty, so that the file must be parsed. */
const ODD_LINE = /^(?![ \t]*(?:[\w.+=%~-]+@[\w-]+(?:\.[\w-]+)*)?[ \t]*(?:#.*)?\r?$)/m;

function hasLine(text: string, list: string): boolean {
  if (list === "") return false;
  for (let at = 0; (at = text.indexOf(list, at)) >= 0; at += list.length) {
    const newline = text.indexOf("\n", at);
    const line = text.slice(text.lastIndexOf("\n", at) + 1, newline < 0 ? text.length : newline);
    if (listOn(line) === list) return true;
  }
  return false;
}

/** Returns a list address in the form in which it is compared. @throws {Fail} when it is not an address */
export function listAddress(text: string): string {
  const address = parseAddress(text);
  // An asterisk would be a pattern in a rule, and a # begins a comment.
  if (/[*#\s]/.test(text)) {
    throw new Fail("usage", `${quote(text)} is not the address of a list`, { fix: "use a [[rule]] for patterns" });
  }
  return canonical(address);
}

/** Returns the text with another list. */
export function withList(text: string, list: string): string {
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${list}\n`;
}

/** Returns the text without the lines of this list and otherwise unchanged. */
export function withoutList(text: string, list: string): string {
  return text.split("\n").filter((line) => listOn(line).toLowerCase() !== list).join("\n");
}

const listOn = (line: string): string => line.replace(/#[^]*$/, "").trim();
