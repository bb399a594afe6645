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

/**
 * KB of address space, and of data with and without {@link LEAN}, under which Deno 2.9.6 does not start, measured with
 * `ulimit`, and some more: V8 reserves 38 GB, and memory for compiled code only where it compiles.
 */
const [ADDRESSES, DATA_LEAN, DATA] = [41_000_000, 50_000, 600_000];

/**
 * Variables that make Deno 2.9.6 write files, load other code, trust other certificates, say more, wait, or stop.
 * Those of the dynamic linker that only children would obey are removed where children are started.
 */
export const UNSET = {
  LD: "PRELOAD LIBRARY_PATH AUDIT DEBUG DEBUG_OUTPUT PROFILE PROFILE_OUTPUT SHOW_AUXV TRACE_LOADED_OBJECTS",
  DENO: "AUDIT_PERMISSIONS AUTH_TOKENS AUTO_SERVE CACHE_DB_MODE CERT COMPAT CONDITIONS CONNECTED COVERAGE_DIR " +
    "EMIT_CACHE_MODE EXTRA_STDIO_FDS INTERNAL_CHILD_ENTRYPOINT LOG LOG_LAZY_LOAD LOG_STYLE NO_PACKAGE_JSON " +
    "NODE_TRACE_EVENT_CATEGORIES NODE_USE_OPENSSL_CA PATCH_REACT_CVE PERMISSION_BROKER_PATH SERVE_ADDRESS " +
    "SNAPSHOT_IMPORT_GRAPH STARTUP_PHASES TLS_CA_STORE TOKIO_EVENT_INTERVAL TOKIO_GLOBAL_QUEUE_INTERVAL " +
    "TOKIO_MAX_IO_EVENTS_PER_TICK TOKIO_METRICS TOKIO_METRICS_INTERVAL TRACE_PERMISSIONS UNSTABLE_CONTROL_SOCK " +
    "UNSTABLE_CRON_SOCK UNSTABLE_FFI_TRACE_TURBO UNSTABLE_LAZY_DYNAMIC_IMPORTS UNSTABLE_NPM_LAZY_CACHING " +
    "UNSTABLE_OTEL_DETERMINISTIC UNSTABLE_SLOPPY_IMPORTS USE_CGROUPS USR2_MEMORY_TRIM V8_COVERAGE V8_FLAGS",
  NODE:
    "CHANNEL_FD CHANNEL_SERIALIZATION_MODE CLUSTER_SCHED_POLICY DEBUG DEBUG_NATIVE EXTRA_CA_CERTS ICU_DATA OPTIONS " +
    "PATH TLS_REJECT_UNAUTHORIZED UNIQUE_ID USE_ENV_PROXY USE_OPENSSL_CA USE_SYSTEM_CA V8_COVERAGE",
  OTEL: "DENO DENO_CONSOLE DENO_METRICS DENO_TRACING DENO_VSOCK EXPORTER_OTLP_ENDPOINT SDK_DISABLED",
  RUST: "BACKTRACE LIB_BACKTRACE LOG LOG_STYLE MIN_STACK",
  TOKIO: "WORKER_THREADS",
  SSLKEYLOGFILE: "",
};

/** The names in full, as words of a line of shell that is folded. */
function unset(): string {
  const names = Object.entries(UNSET).flatMap(([prefix, rest]) => rest.split(" ").map((one) => `${prefix}_${one}`));
  const text = names.map((name) => name.replace(/_$/, "")).join(" ");
  return text.replace(/(.{1,110})(?: |$)/g, "$1 \\\n  ").replace(/ \\\n {2}$/, "");
}

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

const template = new URL("../run.sh", import.meta.url);

/** The text of a launcher. */
export function launcherText(start: Start): string {
  return Deno.readTextFileSync(template)
    .replace("@PROGRAM@", start.program)
    .replace("@DENO@", start.deno)
    .replace("@FLAGS@", start.flags)
    .replace("@UNSET@", unset())
    .replace("@ADDRESSES@", String(ADDRESSES))
    .replace("@DATA@", String(start.flags.includes(LEAN) ? DATA_LEAN : DATA))
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
