/** The documents that are installed: manual pages, completions, and below share/doc the guides and contrib. */
import { ROOT } from "./bundle.ts";

/** A document, and where it is installed. */
export interface Document {
  /** The path below the prefix. */
  readonly at: string;
  readonly mode: number;
  readonly text: string;
}

/** The folder of the guides and of contrib. */
export const GUIDES = "share/doc/countersign";

/** Files and folders of the checkout that are installed as guides, with the same paths below {@link GUIDES}. */
const PARTS = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "docs", "contrib"];

/** Folders of contrib whose files have places of their own. */
const ELSEWHERE = /^contrib\/(?:man|completions)\//;

const COMPLETIONS: Record<string, string> = {
  "share/bash-completion/completions/countersign": "countersign.bash",
  "share/zsh/site-functions/_countersign": "_countersign",
  "share/fish/vendor_completions.d/countersign.fish": "countersign.fish",
};

/** Returns the documents. Paths of programs in them are those below `prefix`. */
export function documents(prefix: string): Document[] {
  const read = (from: string) => withPrefix(Deno.readTextFileSync(`${ROOT}${from}`), prefix);
  const guides = PARTS.flatMap(filesOf).filter((name) => !ELSEWHERE.test(name));
  return [
    ...Object.entries(COMPLETIONS).map(([at, name]) => ({
      at,
      mode: 0o644,
      text: read(`contrib/completions/${name}`),
    })),
    ...filesOf("contrib/man").map((from) => {
      return {
        at: `share/man/man${from.at(-1)}/${from.slice(from.lastIndexOf("/") + 1)}`,
        mode: 0o644,
        text: read(from),
      };
    }),
    ...guides.map((name) => {
      const text = name.endsWith(".md") ? withoutDeadLinks(read(name), name, guides) : read(name);
      const mode = ((Deno.statSync(`${ROOT}${name}`).mode ?? 0) & 0o100) === 0 ? 0o644 : 0o755;
      return { at: `${GUIDES}/${name}`, mode, text };
    }),
  ];
}

/** The files of a file or folder of the checkout, with paths relative to it. */
function filesOf(name: string): string[] {
  if (Deno.statSync(`${ROOT}${name}`).isFile) return [name];
  return [...Deno.readDirSync(`${ROOT}${name}`)].flatMap((entry) => filesOf(`${name}/${entry.name}`)).sort();
}

/** Replaces the usual prefix in paths of programs. */
function withPrefix(text: string, prefix: string): string {
  return text.replace(/\/usr\/local(?=\/(?:bin\/(?:shim|countersign)|lib\/countersign)(?![\w-]))/g, () => prefix);
}

/** Replaces links to files that are not installed by their text. */
function withoutDeadLinks(text: string, name: string, installed: readonly string[]): string {
  return text.replace(/(?<!!)\[([^\]]*)\]\(([^)\s#]+)(?:#[^)]*)?\)/g, (link, words: string, target: string) => {
    if (/^\w+:/.test(target)) return link;
    const path = new URL(target, `file:///${name}`).pathname.slice(1).replace(/\/$/, "");
    return installed.some((one) => one === path || one.startsWith(`${path}/`)) ? link : words;
  });
}
