/** Fills the launcher template: one text for the checkout and for what is installed. */

/** What a launcher starts. */
export interface Start {
  /** The program, for the comment. */
  readonly program: string;
  /** Deno: a name on PATH or an absolute path; `$here` is the folder of the launcher. */
  readonly deno: string;
  /** The module, likewise. */
  readonly entry: string;
  /** Whose permissions it gets: `shim`, `incoming`; empty: by its name, or the first argument. */
  readonly rights: string;
  /** The folder of Deno's cache; empty: the user's. */
  readonly cache: string;
  /** Deno's flags that say where code may come from. */
  readonly flags: string;
}

/** The programs that have a launcher, where they stand in the checkout, and their modules. */
export const PROGRAMS = [
  { launcher: "shim/shim", rights: "shim", entry: "shim/main.ts", up: ".." },
  { launcher: "hooks/incoming", rights: "incoming", entry: "hooks/incoming.ts", up: ".." },
] as const;

/**
 * For programs that live for a message. V8's optimising compilers gain them nothing and cost memory. All of the code is
 * compiled when it is first seen, so that Deno's cache has it all the next time. No garbage is collected on the way.
 */
export const LEAN = "--v8-flags=--lite-mode,--no-lazy,--min-semi-space-size=8";

/** The launcher of a checkout: Deno from PATH, sources beside it. */
export function checkoutStart({ launcher, rights, entry, up }: typeof PROGRAMS[number]): Start {
  return {
    program: launcher,
    rights,
    deno: "deno",
    cache: "", // sources are compiled once for all runs: the user must be able to write there
    flags: `${LEAN} --frozen --config "$here/${up}/deno.json"`,
    entry: `$here/${up}/${entry}`,
  };
}

/** The statuses that are a program's own word, by the file it starts: a hook's 64 would be a bounce under qmail. */
function statuses(entry: string): string {
  const [shim, hook] = ["6[4-9] | 7[0-8] | 100 | 111", "10 | 75 | 99 | 111"];
  if (entry.includes("incoming.")) return `0 | ${hook}`;
  return entry.includes("shim/") ? `0 | ${shim}` : `0 | 10 | 99 | ${shim}`;
}

/** Where Deno may not write it still starts fast, if its cache is in good order. */
const cacheLines = (folder: string) =>
  `# Where Deno can make no cache, as user nobody, it starts in half again the time: this one is ready.
# Taken away, it is not made again: one that root makes under a wide umask, others could fill.
[ -n "\${DENO_DIR-}" ] || [ ! -d "${folder}" ] || DENO_DIR=${folder}
export DENO_DIR
`;

const template = new URL("./launcher.sh", import.meta.url);

/** The text of a launcher. */
export function launcherText(start: Start): string {
  return Deno.readTextFileSync(template)
    .replace("@PROGRAM@", start.program)
    .replace("@DENO@", start.deno)
    .replace("@FLAGS@", start.flags)
    .replace("@ENTRY@", start.entry)
    .replace("@CACHE@", start.cache === "" ? "" : cacheLines(start.cache))
    .replace("@RIGHTS@", start.rights)
    .replace("@STATUSES@", statuses(start.entry));
}

if (import.meta.main) {
  for (const program of PROGRAMS) {
    Deno.writeTextFileSync(program.launcher, launcherText(checkoutStart(program)), { mode: 0o755 });
    Deno.chmodSync(program.launcher, 0o755);
  }
}
