/** Reads muttrc as mutt does: joins lines, removes quotes, and follows `source`. */

/** A command, with the file and line in which it begins. */
export interface MuttCommand {
  readonly file: string;
  readonly line: number;
  readonly words: readonly string[];
  /** Whether it is in a hook, and runs for some messages only. */
  readonly hooked: boolean;
}

/** Maximum depth of sourced files. */
const MAX_DEPTH = 8;

/** Returns the commands in order of execution. `read` returns the text of a file, undefined if it is missing. */
export function muttCommands(
  file: string,
  home: string,
  read: (path: string) => string | undefined,
  depth = 0,
): MuttCommand[] {
  const text = depth > MAX_DEPTH ? undefined : read(file);
  if (text === undefined) return [];
  const out: MuttCommand[] = [];
  const take = (line: number, source: string, hooked: boolean) => {
    for (const words of splitCommands(source)) {
      const [name = ""] = words;
      if (name === "source" && words[1] !== undefined && !words[1].endsWith("|")) {
        out.push(...muttCommands(pathOf(words[1], home, file), home, read, depth + 1));
        continue;
      }
      out.push({ file, line, words, hooked });
      if (name.endsWith("-hook") && words.length > 2) take(line, words.slice(2).join(" "), true);
    }
  };
  for (const { line, source } of joinedLines(text)) take(line, source, false);
  return out;
}

/** Joins lines that end in a backslash with the next one. */
function joinedLines(text: string): { line: number; source: string }[] {
  const out: { line: number; source: string }[] = [];
  let open = false;
  for (const [index, one] of text.split("\n").entries()) {
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(one);
    const source = goesOn ? one.slice(0, -1) : one;
    if (open) out.at(-1)!.source += source;
    else out.push({ line: index + 1, source });
    open = goesOn;
  }
  return out;
}

/** Splits a line into commands at `;`, up to a `#`. In `set`, `name = value` becomes `name=value`. */
function splitCommands(source: string): string[][] {
  const commands: string[][] = [[]];
  const pattern = /\s+|;|#.*|(\s*[-+]?=\s*)|((?:"(?:\\.|[^"\\])*"?|'[^']*'?|`[^`]*`?|\\.|(?![-+]?=|\s|[;"'`\\]).)+)/gs;
  let glue = false;
  for (const [whole, equals, word] of source.matchAll(pattern)) {
    const command = commands.at(-1)!;
    const setting = /^(?:set|unset|reset|toggle|my_hdr)$/.test(command[0] ?? "") && command.length > 1;
    if (whole.startsWith("#")) break;
    if (whole === ";") {
      commands.push([]);
      glue = false;
    } else if (equals !== undefined) {
      if (command.length === 0) command.push(equals);
      else command[command.length - 1] += setting ? equals.trim() : equals;
      glue = true;
    } else if (word !== undefined) {
      if (glue) command[command.length - 1] += unquote(word);
      else command.push(unquote(word));
      glue = false;
    } else if (!(glue && setting)) glue = false;
  }
  return commands.filter((words) => words.length > 0);
}

/** Removes quotes; backticks and variables are kept. */
function unquote(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"?|'([^']*)'?|\\(.)/gs, (_, double, single, escaped) => {
    return double?.replace(/\\(.)/gs, "$1") ?? single ?? escaped;
  });
}

function pathOf(name: string, home: string, from: string): string {
  const path = name.replace(/^~(?=\/|$)|^\$\{?HOME\}?(?=\/|$)/, home);
  return path.startsWith("/") ? path : `${from.slice(0, from.lastIndexOf("/"))}/${path}`;
}
