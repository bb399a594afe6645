/**
 * What comes before build/run.sh: in a checkout a stub that reads it in, in an installed program the same lines with its
 * text behind them.
 */

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
  /** Deno's flags that say where code may come from, as words. */
  readonly flags: string;
  /** The settings of Deno, a path. */
  readonly manifest?: string;
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

/**
 * KB of data with and without {@link LEAN} under which Deno 2.9.6 does not start, measured with `ulimit`, and some more:
 * V8 reserves memory for compiled code only where it compiles. The 41 GB of address space in run.sh are measured, too.
 */
const [DATA_LEAN, DATA] = [50_000, 600_000];

/** What each command of `countersign` may do that is not under an MTA. */
const COMMAND_RIGHTS: readonly [commands: string, rights: string][] = [
  ["explain sign verify log help version", "read"],
  ["keys plain expire audit sandbox", "read write"],
  ["doctor", "read run net"],
  ["serve", "read write net"],
  ["*", "read write run"],
];

/** Permission flags in the form in which run.sh holds them: one a line. */
const flagLines = (rights: string) => rights.split(" ").map((one) => `--allow-${one}`).join("$newline");

/** The launcher of a checkout: Deno from PATH, sources beside it. */
export function checkoutStart({ launcher, rights, entry, up }: typeof PROGRAMS[number]): Start {
  return {
    program: launcher,
    rights,
    deno: "deno",
    cache: "", // sources are compiled once for all runs: the user must be able to write there
    flags: `${LEAN} --frozen`,
    manifest: `$here/${up}/deno.json`,
    entry: `$here/${up}/${entry}`,
  };
}

/** Which program it is: `countersign` goes by its name, or by its first argument. */
function programLines(rights: string): string {
  if (rights !== "") return `part=${rights} program=${rights} finds=none\n`;
  return `part=countersign program=\${0##*/} finds=none
[ "$program" != countersign ] || program=\${1-}
case $program in
  sendmail | qmail-inject | mailq | newaliases) program=shim ;;
  doctor | verify) finds=1 ;; # they say 1 for what they found; from all others 1 is Deno's own status
esac
`;
}

/** The permissions without a sandbox. */
function wideLines(rights: string): string {
  const lines = COMMAND_RIGHTS.map(([commands, given]) => {
    return `    ${commands.replaceAll(" ", " | ")}) wide=${flagLines(given)} ;;\n`;
  });
  return rights === ""
    ? `  case $program in\n${lines.join("")}  esac\n  [ "$name" = countersign ] || export NO_COLOR=1\n`
    : `  wide=${flagLines("read write run")}\n  export NO_COLOR=1 # what it says goes into logs and bounces\n`;
}

/** Looks at Deno: a file of its own, or a name on PATH, behind which a script may stand, as npm writes it. */
function denoLines(deno: string): string {
  const missing = `  command -v "$deno" >/dev/null 2>&1 || later "Deno ($deno) is not there"\n`;
  if (deno.includes("/")) {
    return `${missing}  [ -s "$deno" ] || later "Deno ($deno) is empty" # a shell would run it, and call it a success\n`;
  }
  return `${missing}  { IFS= read -r first <"$(command -v "$deno")"; } 2>/dev/null
  case $first in "#!"*) unset COUNTERSIGN_LAUNCHER ;; esac # a script is another parent of the program
`;
}

/** The lines that come first: what is started, and how. */
function headLines(start: Start): string {
  const { program, rights, deno, entry, flags, manifest = "", cache } = start;
  const data = flags.includes(LEAN) ? DATA_LEAN : DATA;
  return `#!/bin/sh
# Starts ${program}. Made from build/run.sh by build/install/launcher.ts: change it there.
${programLines(rights)}parts() {
  deno="${deno}" entry="${entry}" manifest="${manifest}"
  cache="${cache}" data=${data} first=
  flags="${flags}"
${wideLines(rights)}${denoLines(deno)}}
`;
}

const FROM = new URL("../run.sh", import.meta.url);

/** The text of a launcher that is installed: it finds everything by its own place. */
export function launcherText(start: Start): string {
  return `${headLines(start)}${Deno.readTextFileSync(FROM)}`;
}

/** The text of a launcher in the checkout, which reads build/run.sh in. */
export function stubText(start: Start): string {
  return `${headLines(start)}self=$0
[ ! -L "$self" ] || self=$(readlink -f -- "$self")
case $self in */*) ;; *) self=./$self ;; esac
run=\${self%/*}/../build/run.sh
[ -r "$run" ] || { echo "\${0##*/}: $run cannot be read" >&2; exit 75; }
. "$run"
`;
}

if (import.meta.main) {
  for (const program of PROGRAMS) {
    Deno.writeTextFileSync(program.launcher, stubText(checkoutStart(program)), { mode: 0o755 });
    Deno.chmodSync(program.launcher, 0o755);
  }
}
