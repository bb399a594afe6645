/** Parses tests/MUTANTS.md: changes to the source that no test can detect, each with the reason. */

/** Its path in the repository. */
export const EXPLAINED = "tests/MUTANTS.md";

/** The modules that are mutated, each with the tests that must detect the changes. */
export const MODULES: Readonly<Record<string, readonly string[]>> = {
  "lib/srs.ts": ["tests/lib/srs_test.ts"],
  "lib/prvs.ts": ["tests/lib/prvs_test.ts"],
  "lib/tag.ts": ["tests/lib/tag_test.ts"],
  "lib/entry.ts": ["tests/lib/entry_test.ts"],
  "lib/settings/accounts.ts": ["tests/lib/settings/accounts_test.ts", "tests/lib/settings/parse_test.ts"],
  "outgoing/account.ts": ["tests/outgoing/account_test.ts"],
  "outgoing/login.ts": ["tests/outgoing/login_test.ts"],
  "serve/sockets/deadline.ts": ["tests/serve/sockets/deadline_test.ts"],
  "incoming/named_ids.ts": ["tests/incoming/named_ids_test.ts"],
  "io/state/sent.ts": ["tests/io/state/sent_test.ts"],
  "submit/sasl.ts": ["tests/submit/sasl_test.ts"],
  "hooks/exits.ts": ["tests/hooks/options_test.ts"],
  "hooks/dotqmail.ts": ["tests/hooks/dotqmail_test.ts"],
};

/** One change to a module. */
export interface Change {
  readonly file: string;
  /** The changed line; if more lines are changed, the first and the last. */
  readonly before: string;
  readonly after: string;
}

/** A change and the reason why no test can detect it. */
export interface Explained extends Change {
  readonly reason: string;
}

const BETWEEN = " … ";

/** A key that equal changes share, whatever their line numbers. */
export const keyOf = ({ file, before, after }: Change): string => [file, before, after].join("\n");

/** Text with white space collapsed. */
export const collapseSpace = (text: string): string => text.replace(/\s+/g, " ").trim();

/** The change that replaces source[from..to] by `text`, as whole lines. */
export function change(file: string, source: string, from: number, to: number, text: string): Change {
  const start = source.lastIndexOf("\n", from - 1) + 1;
  const end = (source.indexOf("\n", to) + source.length + 1) % (source.length + 1);
  const lines = source.slice(start, end).split("\n").map(collapseSpace);
  const before = lines.length === 1 ? lines[0]! : `${lines[0]}${BETWEEN}${lines.at(-1)}`;
  return { file, before, after: collapseSpace(source.slice(start, from) + text + source.slice(to, end)) };
}

/** Whether the source contains the lines of a change. */
export function occursIn({ before }: Change, source: string): boolean {
  const lines = new Set(source.split("\n").map(collapseSpace));
  return before.split(BETWEEN).every((line) => lines.has(line));
}

/** Parses the list: a heading per module, blocks of `-` and `+` lines, and after each block its reason. */
export function parseExplained(text: string): Explained[] {
  return text.split(/^## /m).slice(1).flatMap((section) => {
    const file = section.slice(0, section.indexOf("\n"));
    return [...section.matchAll(/^```diff\n([^]*?)^```\n([^]*?)(?=^```|$(?![^]))/gm)].flatMap(([, block, reason]) =>
      [...block!.matchAll(/^- (.*)\n\+ (.*)$/gm)].map(([, before, after]) => (
        { file, before: before!, after: after!, reason: collapseSpace(reason!) }
      ))
    );
  });
}
