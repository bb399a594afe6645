/** Parses the output of `countersign help` and `countersign help NAME` for the manual page and the completions. */

/** An entry of a list in a help text: an option or a word, and its description. */
export interface Entry {
  /** The option as written: `--address ADDRESS`. */
  readonly term: string;
  readonly text: string;
}

/** A long option. */
export interface Option {
  /** Without its dashes. */
  readonly name: string;
  /** The placeholder of its value, such as `FILE` or `in|out`; undefined if it takes none. */
  readonly value: string | undefined;
  readonly text: string;
}

/** A command and its help text. */
export interface Command {
  readonly name: string;
  /** From the list of commands. */
  readonly summary: string;
  /** The usage lines, without the word Usage. */
  readonly usage: readonly string[];
  /** Paragraphs and lists, in order. */
  readonly parts: readonly (string | readonly Entry[])[];
  readonly examples: readonly string[];
  readonly options: readonly Option[];
}

const MAIN = new URL("../../main.ts", import.meta.url);

/** Returns all commands in the order of the list. A command that is in two groups is returned once. */
export async function commands(): Promise<Command[]> {
  const entries = parts((await help()).replace(/^Usage: .*\n/, "")).flatMap((part) =>
    typeof part === "string" ? [] : part
  );
  const listed = [...new Map(entries.map((entry) => [entry.term, entry])).values()];
  const own = listed.filter(({ term }) => term !== "help" && term !== "version");
  const texts = new Map(await Promise.all(own.map(async ({ term }) => [term, await help(term)] as const)));
  return listed.map(({ term, text }) => command(term, text, texts.get(term) ?? `Usage: countersign ${term}\n`));
}

async function help(...words: string[]): Promise<string> {
  const args = ["run", "-q", "-A", MAIN.href, "countersign", "help", ...words];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "inherit" })
    .output();
  if (!success) throw new Error(`countersign help ${words.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

/** Parses a help text. */
export function command(name: string, summary: string, text: string): Command {
  const lines = text.trim().split("\n");
  const end = lines.findIndex((line) => !/^(?:Usage:| {7})/.test(line));
  const usage = lines.slice(0, end < 0 ? lines.length : end).map((line) => line.slice("Usage: ".length));
  const rest = end < 0 ? [] : lines.slice(end);
  // An example may continue on the next line.
  const first = rest.findIndex((line) => line.startsWith("Example: "));
  const examples = first < 0 ? [] : rest.slice(first).join("\n").split(/^Example: /m).slice(1).map((one) => one.trim());
  const body = parts((first < 0 ? rest : rest.slice(0, first)).join("\n"));
  const entries = body.flatMap((part) => typeof part === "string" ? [] : part);
  return { name, summary, usage, parts: body, examples, options: optionsIn(usage, entries) };
}

/** Matches lines with aligned columns. */
const COLUMNS = /\S {2,}\S/;

/** Splits a text into paragraphs, which keep their lines only if they have columns, and lists of `  --term  text`. */
function parts(text: string): (string | readonly Entry[])[] {
  const found: (string | Entry[])[] = [];
  let open = false;
  for (const line of text.split("\n")) {
    const last = found.at(-1);
    const [, term, meaning] = /^ {2}(\S.*?) {2,}(\S.*)$/.exec(line) ?? [];
    if (term !== undefined && meaning !== undefined) {
      if (Array.isArray(last)) last.push({ term, text: meaning });
      else found.push([{ term, text: meaning }]);
    } else if (/^ {3,}\S/.test(line) && Array.isArray(last)) {
      const { term, text } = last.pop()!;
      last.push({ term, text: `${text} ${line.trim()}` });
    } else if (line.startsWith(" ")) {
      throw new Error(`No term and text two spaces apart: ${line}`);
    } else if (line !== "") {
      if (open && typeof last === "string") {
        found[found.length - 1] = `${last}${COLUMNS.test(last) && COLUMNS.test(line) ? "\n" : " "}${line}`;
      } else found.push(line);
    }
    open = line !== "";
  }
  return found;
}

/** Returns the long options of the usage lines and the list. Either may name the value. */
function optionsIn(usage: readonly string[], entries: readonly Entry[]): Option[] {
  const found = new Map<string, Option>();
  const add = (text: string, meaning: string) => {
    for (const [, name, value] of text.matchAll(/--([a-z][a-z-]*)(?: ('?[A-Za-z|]+'?))?/g)) {
      const former = found.get(name!);
      // in|out in a usage line is more precise than the placeholder in the list.
      const better = former?.value?.includes("|") ? former.value : value?.replaceAll("'", "") ?? former?.value;
      found.set(name!, { name: name!, value: better, text: former?.text || meaning });
    }
  };
  for (const line of usage) add(line, "");
  for (const { term, text } of entries) if (term.startsWith("--")) add(term, text);
  // --config may be missing in the list, because it means the same for every command.
  return [...found.values()].map((option) => {
    return option.text === "" && option.name === "config" ? { ...option, text: "Settings file" } : option;
  });
}
