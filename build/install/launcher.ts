/**
 * Generates launchers. In a checkout a launcher is a stub that sources build/run.sh; in an installation it contains the
 * same lines followed by the text of build/run.sh.
 */
import { USUAL_LOOKUP } from "../../lib/paths.ts";

/** The parameters of a launcher. */
export interface Start {
  /** The program's name, for the comment. */
  readonly program: string;
  /** Deno: a name on PATH, or an absolute path; `$here` is the folder of the launcher. */
  readonly deno: string;
  /** Paths at which Deno is looked for first, as words of sh, which may be patterns. */
  readonly denos?: readonly string[];
  /** What to do if Deno is in none of these places. */
  readonly missing?: string;
  /** The module, likewise. */
  readonly entry: string;
  /** Which permissions it gets, such as `shim` or `incoming`; empty: selected by its name or first argument. */
  readonly rights: string;
  /** The folder of Deno's cache; empty for the user's cache. */
  readonly cache: string;
  /** Deno's flags, separated by spaces. */
  readonly flags: string;
  /** The path of Deno's configuration file. */
  readonly manifest?: string;
}

/** The programs with a launcher, their paths in the checkout, and their modules. */
export const PROGRAMS = [
  { launcher: "shim/shim", rights: "shim", entry: "shim/main.ts", up: ".." },
  { launcher: "hooks/incoming", rights: "incoming", entry: "hooks/incoming.ts", up: ".." },
  { launcher: "hooks/doorbell", rights: "doorbell", entry: "hooks/doorbell.ts", up: ".." },
  { launcher: "hooks/ask", rights: "ask", entry: "hooks/ask.ts", up: ".." },
  { launcher: "hooks/opensmtpd", rights: "opensmtpd", entry: "hooks/opensmtpd.ts", up: ".." },
  { launcher: "submit/authup", rights: "authup", entry: "submit/authup.ts", up: ".." },
  { launcher: "submit/fixsmtpio", rights: "fixsmtpio", entry: "submit/fixsmtpio.ts", up: ".." },
  { launcher: "submit/ofmipd", rights: "ofmipd", entry: "submit/ofmipd.ts", up: ".." },
  { launcher: "submit/verify", rights: "verify", entry: "submit/verify.ts", up: ".." },
] as const;

/**
 * V8 flags for programs that handle one message. Optimizing compilers would cost memory and save no time. All code is
 * compiled when it is loaded, so that Deno's cache contains it. The larger semi-space avoids garbage collection.
 */
export const LEAN = "--v8-flags=--lite-mode,--no-lazy,--min-semi-space-size=8";

/**
 * V8 flags for `countersign serve`, which runs for months: a small young generation, and an old one that is collected
 * when it has grown by a fifth. Garbage is collected by the program's own thread: waiting for others takes a quarter of
 * the time of a forged bounce, and longest when the machine is busy.
 */
const SERVE =
  "--v8-flags=--min-semi-space-size=4,--max-semi-space-size=4,--heap-growing-percent=20,--single-threaded-gc";

/**
 * Variables of the GNU C library for `countersign submitd`. Each login takes 16 MB in another thread, which the library
 * would keep for later: 100 MB more, and as `detached` forks, a message for a program would take half as much time
 * again.
 */
const SUBMITD = "export MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=1000000";

/**
 * KB of data that Deno 2.9.6 needs to start with and without {@link LEAN}, measured with `ulimit`, plus a margin. They
 * differ because V8 reserves memory for optimized code. The 41 GB of address space in run.sh were measured, too.
 */
const [DATA_LEAN, DATA] = [50_000, 600_000];

/**
 * Programs that mail servers start as users who may not read the settings. They have no sandbox file: all that they may
 * do is connect to the socket `lookup` of `countersign serve`.
 */
export const CLIENTS: readonly string[] = ["ask", "opensmtpd"];

/** The programs of submit/, which tcpserver or stunnel starts. */
const CHAIN: readonly string[] = ["authup", "fixsmtpio", "ofmipd", "verify"];

/** The permissions of each command of `countersign` that is not run by an MTA. */
const COMMAND_RIGHTS: readonly [commands: string, rights: string][] = [
  ["config explain sign verify log report help version", "read"],
  ["init keys plain passwd expire audit sweep sandbox", "read write"],
  ["doctor", "read write run net"], // it writes no file, but Deno wants the permission for unix sockets
  ["doorbells", "read write run net"],
  ["serve", "read write net"],
  ["submitd", "read write run net"],
  ["*", "read write run"],
];

/** Deno's flags: ignore a configuration file in the working directory, and download nothing. */
export const FLAGS = "--no-config --no-lock --no-npm --no-remote --cached-only";

/** Formats permission flags for run.sh: one per line. */
const flagLines = (rights: string) => rights.split(" ").map((one) => `--allow-${one}`).join("$newline");

/** Returns V8's flags for a program that a mail server starts. The filter of OpenSMTPD runs as long as `smtpd`. */
export function flagsOf(rights: string): string {
  return rights === "opensmtpd" ? SERVE : LEAN;
}

/** Returns the parameters of a launcher in the checkout, which uses Deno on PATH and the sources. */
export function checkoutStart({ launcher, rights, entry, up }: typeof PROGRAMS[number]): Start {
  return {
    program: launcher,
    rights,
    deno: "deno",
    cache: "", // compiled sources are cached there, so the user must have write permission
    flags: `${flagsOf(rights)} --frozen`,
    manifest: `$here/${up}/deno.json`,
    entry: `$here/${up}/${entry}`,
  };
}

/** Returns lines that select the program; `countersign` by its name or its first argument. */
function programLines(rights: string): string {
  if (CHAIN.includes(rights)) {
    // authup and fixsmtpio pass on any status. What ofmipd may do is what the shim may do.
    const part = rights === "authup" || rights === "fixsmtpio" ? "chain" : rights;
    return `part=${part} program=${rights === "ofmipd" ? "shim" : rights} finds=none argument=\${1-}\n`;
  }
  if (rights === "doorbell") return `part=doorbell program=doorbell finds=none acts=\n${ACTS_LINES}`;
  if (rights !== "") return `part=${rights} program=${rights} finds=none\n`;
  return `part=countersign program=\${0##*/} finds=none
[ "$program" != countersign ] || program=\${1-}
case $program in
  sendmail | qmail-inject | mailq | newaliases) program=shim ;;
  doorbell) [ "\${0##*/}" != countersign ] || program=doorbells ;; # the command is not limited as the hook is
  doctor | verify) finds=1 ;; # 1 is their status for findings, and Deno's own status in all other programs
esac
`;
}

/** Lines that set `acts` to the program of a doorbell, which is the first word after `--`. */
const ACTS_LINES = `for word; do case $acts in --) acts=$word && break ;; esac; [ "$word" != -- ] || acts=--; done
`;

/** Lines that permit the program of a doorbell. */
const ACTS_PERMITTED = `  case $acts in *,*) later "$acts contains a comma, which a permission cannot express" ;; esac
  [ -z "$allowed" ] || case $acts in /*) allowed=$allowed--allow-run=$acts$newline ;; esac
`;

/** Returns lines that set the permissions without a sandbox. */
function wideLines(rights: string): string {
  if (CLIENTS.includes(rights)) return clientLines();
  if (CHAIN.includes(rights)) return rights === "verify" ? verifyLines() : controlLines(rights);
  const lines = COMMAND_RIGHTS.map(([commands, given]) => {
    const flags = commands === "serve" || commands === "submitd" ? `flags="$flags ${SERVE}" ` : "";
    const variables = commands === "submitd" ? `${SUBMITD}; ` : "";
    return `    ${commands.replaceAll(" ", " | ")}) ${variables}${flags}wide=${flagLines(given)} ;;\n`;
  });
  if (rights === "") {
    return `  case $program in
${lines.join("")}  esac
  [ "$name" = countersign ] || export NO_COLOR=1
${mailboxLines(`    [ "$program" != incoming ] || ${lockPermitted("hooks/mboxlock")}`)}`;
  }
  return `${rights === "doorbell" ? ACTS_PERMITTED : ""}  wide=${flagLines("read write run")}
  export NO_COLOR=1 # the output is copied into logs and bounces
${MAILBOX_LINES[rights] ?? ""}`;
}

/**
 * Returns lines that permit the mailbox of --maildir or --mbox.
 *
 * @param locks a line that permits the program that locks it
 */
function mailboxLines(locks: string): string {
  return `  if [ -n "$allowed" ]; then
    [ -z "$maildir" ] || real_path "$maildir" || real=$maildir
    for word in \${maildir:+"$maildir" "$real"}; do
      allowed=$allowed--allow-read=$word$newline--allow-write=$word$newline
    done
${locks}  fi
`;
}

/** Returns a line that permits the program that locks mailboxes. */
function lockPermitted(path: string): string {
  return `allowed=$allowed--allow-run=\${entry%/*}/${path}$newline\n`;
}

/** The lines of the hooks that deliver to mailboxes. A doorbell has no --mbox. */
const MAILBOX_LINES: Readonly<Record<string, string>> = {
  incoming: mailboxLines(`    ${lockPermitted("mboxlock")}`),
  doorbell: mailboxLines(""),
};

/** Returns lines that permit the socket `lookup` and nothing else. Deno requires three permissions for it. */
function clientLines(): string {
  return `  socket=\${COUNTERSIGN_LOOKUP:-${USUAL_LOOKUP}}
  case $socket in *,* | [!/]*) later "COUNTERSIGN_LOOKUP is not an absolute path without a comma" ;; esac
  wide=--allow-net=unix:$socket$newline--allow-read=$socket$newline--allow-write=$socket
  export NO_COLOR=1 # the output is copied into logs
`;
}

/** Returns lines that permit the file of logins, or the socket of Dovecot. */
function verifyLines(): string {
  return `  case $argument in *,*) later "$argument contains a comma, which a permission cannot express" ;; esac
  case $argument in
    file:/*) wide=--allow-read=\${argument#*:} ;;
    dovecot:/*) wide=--allow-net=unix:\${argument#*:}$newline--allow-read=\${argument#*:}$newline--allow-write=\${argument#*:} ;;
    *) wide=--allow-read=$entry ;; # it reports the wrong argument
  esac
  export NO_COLOR=1 # the output is copied into logs
`;
}

/**
 * Returns lines that permit the control files. authup and fixsmtpio run the program in their arguments, by way of a
 * shell; for authup, descriptor 5 is the client, because Deno needs standard input to give the password to that
 * program.
 */
function controlLines(rights: string): string {
  const control = `  control=\${COUNTERSIGN_CONTROL:-/var/qmail/control}
  case $control in *,*) later "COUNTERSIGN_CONTROL contains a comma, which a permission cannot express" ;; esac
  export NO_COLOR=1 # the output is copied into logs
`;
  if (rights !== "ofmipd") {
    const client = rights === "authup" ? "  exec 5<&0\n" : "";
    return `${control}${client}  wide=--allow-read=$control$newline--allow-run=/bin/sh\n`;
  }
  return `${control}  wide=${flagLines("read write run")}
  case $argument in /*,*) later "$argument contains a comma, which a permission cannot express" ;; esac
  [ -z "$allowed" ] || { real_home; for folder in "$control" "$HOME/.ofmipd" "$home/.ofmipd"; do
    allowed=$allowed--allow-read=$folder$newline; done; }
  case $argument in /*) [ -z "$allowed" ] || allowed=$allowed--allow-read=$argument$newline ;; esac
`;
}

/** Returns lines that check Deno: a file, or a name on PATH, which may be a script as installed by npm. */
function denoLines({ deno, denos = [], missing = "" }: Start): string {
  const find = denos.length === 0
    ? ""
    : `  for deno in ${denos.join(" ")} ${deno}; do ! command -v "$deno" >/dev/null 2>&1 || break; done\n`;
  const fix = missing === "" ? "" : `: ${missing}`;
  const found = `${find}  command -v "$deno" >/dev/null 2>&1 || later "Deno ($deno) is missing${fix}"\n`;
  if (deno.includes("/")) {
    return `${found}  [ -s "$deno" ] || later "Deno ($deno) is empty" # a shell would run it with status 0\n`;
  }
  return `${found}  { IFS= read -r first <"$(command -v "$deno")"; } 2>/dev/null
  case $first in "#!"*) unset COUNTERSIGN_LAUNCHER ;; esac # the script becomes the parent of the program
`;
}

/** Returns the first lines of a launcher, which set its parameters. */
function headLines(start: Start): string {
  const { program, rights, deno, entry, flags, manifest = "", cache } = start;
  const data = flags.includes(LEAN) ? DATA_LEAN : DATA;
  return `#!/bin/sh
# Starts ${program}. Made from build/run.sh by build/install/launcher.ts: edit these.
${programLines(rights)}parts() {
  deno="${deno}" entry="${entry}" manifest="${manifest}"
  cache="${cache}" data=${data} first=
  flags="${flags}"
${wideLines(rights)}${denoLines(start)}}
`;
}

const FROM = new URL("../run.sh", import.meta.url);

/** Returns the text of an installed launcher. Its paths are relative to its own folder. */
export function launcherText(start: Start): string {
  return `${headLines(start)}${Deno.readTextFileSync(FROM)}`;
}

/** Returns the text of a launcher in the checkout, which sources build/run.sh. */
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
