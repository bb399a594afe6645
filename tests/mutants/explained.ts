/** What tests/MUTANTS.md explains: changes to the source that no test can see, each with the reason. */

/** Where they stand, below the checkout. */
export const EXPLAINED = "tests/MUTANTS.md";

/** The modules that are changed, each with the tests that must see it. */
export const MODULES: Readonly<Record<string, readonly string[]>> = {
  "lib/srs.ts": ["tests/lib/srs_test.ts"],
  "lib/prvs.ts": ["tests/lib/prvs_test.ts"],
  "lib/tag.ts": ["tests/lib/tag_test.ts"],
  "lib/entry.ts": ["tests/lib/entry_test.ts"],
  "hooks/exits.ts": ["tests/hooks/options_test.ts"],
  "hooks/dotqmail.ts": ["tests/hooks/dotqmail_test.ts"],
};

/** One change to a module. */
export interface Change {
  readonly file: string;
  /** The source, by lines: the first and the last where more are changed. */
  readonly before: string;
  readonly after: string;
}

/** A change and why it is none. */
export interface Explained extends Change {
  readonly reason: string;
}

const BETWEEN = " … ";

/** What two changes that are the same have in common, wherever the line stands now. */
export const keyOf = ({ file, before, after }: Change): string => [file, before, after].join("\n");

/** Text without its layout. */
export const flat = (text: string): string => text.replace(/\s+/g, " ").trim();

/** The change that puts `text` in the place of source[from..to], shown with the lines around it. */
export function change(file: string, source: string, from: number, to: number, text: string): Change {
  const start = source.lastIndexOf("\n", from - 1) + 1;
  const end = (source.indexOf("\n", to) + source.length + 1) % (source.length + 1);
  const lines = source.slice(start, end).split("\n").map(flat);
  const before = lines.length === 1 ? lines[0]! : `${lines[0]}${BETWEEN}${lines.at(-1)}`;
  return { file, before, after: flat(source.slice(start, from) + text + source.slice(to, end)) };
}

/** Does this source contain the lines of a change? */
export function stands({ before }: Change, source: string): boolean {
  const lines = new Set(source.split("\n").map(flat));
  return before.split(BETWEEN).every((line) => lines.has(line));
}

/** Reads the list: a heading a module, blocks of `-` and `+` lines, and below each block its reason. */
export function parseExplained(text: string): Explained[] {
  return text.split(/^## /m).slice(1).flatMap((section) => {
    const file = section.slice(0, section.indexOf("\n"));
    return [...section.matchAll(/^```diff\n([^]*?)^```\n([^]*?)(?=^```|$(?![^]))/gm)].flatMap(([, block, reason]) =>
      [...block!.matchAll(/^- (.*)\n\+ (.*)$/gm)].map(([, before, after]) => (
        { file, before: before!, after: after!, reason: flat(reason!) }
      ))
    );
  });
}
