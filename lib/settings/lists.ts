/** The file of lists to which mail goes with the plain sender: one address a line, comments behind `#`. */
import { canonical, parseAddress } from "../address.ts";
import { Fail, quote } from "../fail.ts";

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
      if (!(error instanceof Fail)) throw error;
      throw new Fail("config", error.message, { file: path, line: at + 1, fix: error.fix });
    }
  });
}

/** The file of lists, as the shim asks it. */
export interface PlainLists {
  /** Is there any list in it? */
  readonly some: boolean;
  /** Is this address, in lower case, one of them? */
  has(address: string): boolean;
}

/** Lookups that are searches of the text; for more it is taken apart, once. */
const MAX_SEARCHES = 16;

/**
 * The lists in a text that is read when they are first asked for. A message has few recipients and a file may have many
 * lists, so the text is searched, not taken apart.
 *
 * Asking throws what `read` throws, and {@link Fail} `config` for a line that is no list.
 *
 * @param path the file's name, for what is wrong
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

/** A line that is neither plainly a list nor empty: it is looked at closely. */
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

/** A list's address as it is compared. @throws {Fail} when it is none */
export function listAddress(text: string): string {
  const address = parseAddress(text);
  // A rule would take it for a pattern; and behind a # nothing is read.
  if (/[*#\s]/.test(text)) {
    throw new Fail("usage", `${quote(text)} is not the address of a list`, { fix: "use a [[rule]] for patterns" });
  }
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
