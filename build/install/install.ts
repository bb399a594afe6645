/**
 * Installs the bundled programs, Deno's binary and the launchers below a prefix. All paths between them are relative,
 * so that the prefix may be moved. The checkout is not needed afterwards.
 */
import { readArguments } from "../../admin/arguments.ts";
import { isThere } from "../../admin/files.ts";
import { Fail, quote } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { readIfPresent } from "../../io/system/files.ts";
import { bundle, ROOT } from "./bundle.ts";
import { documents } from "./documents.ts";
import { digestOf, HOME, installationError, linkAt, listOf, prefixOf, readInstalled } from "./installed.ts";
import { FLAGS, flagsOf, launcherText, LEAN } from "./launcher.ts";
import { prove } from "./prove.ts";

const HELP = `Usage: deno task install [--prefix DIR] [--link NAME]
Install below DIR (default: /usr/local for root, ~/.local for others):
  DIR/bin/shim                           for mutt and others: set sendmail="DIR/bin/shim"
  DIR/bin/countersign                    all commands
  DIR/lib/countersign/hooks/incoming     for .qmail, maildrop, procmail
  DIR/lib/countersign/hooks/doorbell     for the address of a service
  DIR/lib/countersign/hooks/queue        for qmail-smtpd, as QMAILQUEUE
  DIR/lib/countersign/hooks/rcptcheck    for qmail-rcptcheck, in control/rcptchecks
  DIR/lib/countersign/hooks/opensmtpd    for OpenSMTPD, as a filter
  DIR/lib/countersign/submit/            reup, authup, checkpassword, checknotroot, fixsmtpio, ofmipd: for tcpserver
  DIR/lib/countersign/                   the files that they need, including Deno
  DIR/share/                             manual pages, and completions for bash, zsh and fish
  DIR/share/doc/countersign/             guides, and contrib with the paths of DIR

The shim behaves according to the name by which it is called: sendmail, qmail-inject, mailq or newaliases.
--link NAME creates such a link in DIR/bin. It may be repeated, and never replaces another program.
A new version can be installed while mail is being processed. deno task uninstall [--prefix DIR] removes all files.`;

/** Names by which the shim may be called. */
const NAMES = ["sendmail", "qmail-inject", "mailq", "newaliases"];

/** The launchers, with the paths from each to Deno and to its module. */
const LAUNCHERS = [
  { at: "bin/shim", rights: "shim", up: "../lib/countersign", entry: "shim/main.js" },
  { at: "bin/countersign", rights: "", up: "../lib/countersign", entry: "main.js" },
  { at: "lib/countersign/hooks/incoming", rights: "incoming", up: "..", entry: "hooks/incoming.js" },
  { at: "lib/countersign/hooks/doorbell", rights: "doorbell", up: "..", entry: "hooks/doorbell.js" },
  { at: "lib/countersign/hooks/ask", rights: "ask", up: "..", entry: "hooks/ask.js" },
  { at: "lib/countersign/hooks/opensmtpd", rights: "opensmtpd", up: "..", entry: "hooks/opensmtpd.js" },
  { at: "lib/countersign/submit/authup", rights: "authup", up: "..", entry: "submit/authup.js" },
  { at: "lib/countersign/submit/fixsmtpio", rights: "fixsmtpio", up: "..", entry: "submit/fixsmtpio.js" },
  { at: "lib/countersign/submit/ofmipd", rights: "ofmipd", up: "..", entry: "submit/ofmipd.js" },
  { at: "lib/countersign/submit/verify", rights: "verify", up: "..", entry: "submit/verify.js" },
] as const;

/** Folders of programs below that of all of them. */
const FOLDERS = ["shim", "hooks", "submit"];

/** Programs in sh, and what they read, which are copied from the checkout. */
const SCRIPTS = [
  ...["queue", "rcptcheck", "ordinary.sh", "mboxlock"].map((name) => `hooks/${name}`),
  ...["reup", "checkpassword", "checknotroot"].map((name) => `submit/${name}`),
];

/** Programs that are only started by other programs. */
const INNER = ["hooks/ask", "hooks/ordinary.sh", "hooks/mboxlock", "submit/verify"].map((name) => `${HOME}/${name}`);

/** Milliseconds for which chunks of an earlier version are kept, because running programs may still load them. */
const STALE_AFTER_MS = 24 * 60 * 60 * 1000;

/** Installs. @throws {Fail} `usage`; errors of the file system */
async function install(args: readonly string[]): Promise<void> {
  const given = readArguments(args, { values: ["prefix", "link"] });
  const prefix = prefixOf(given);
  for (const { at } of LAUNCHERS) checkOurs(`${prefix}/${at}`);
  const links = { ...readInstalled(prefix)?.links, ...linksFor(prefix, given.values("link")) };
  await installFiles(prefix, { links });
  await replaceCache(`${prefix}/${HOME}/cache`, (cache) => proveInstalled(prefix, cache));
  const programs = [...LAUNCHERS.map(({ at }) => at), ...SCRIPTS.map((name) => `${HOME}/${name}`)];
  console.log(programs.filter((at) => !INNER.includes(at)).map((at) => `${prefix}/${at}`).join("\n"));
}

/** Runs the installed programs. @throws {Error} with the output of a program that fails */
export async function proveInstalled(prefix: string, cache: string): Promise<void> {
  const paths = LAUNCHERS.map(({ at }) => `${prefix}/${at}`);
  const [shim, countersign, hook, doorbell, ask] = paths as [string, string, string, string, string];
  await prove({ shim, countersign, hook, doorbell, ask, submit: `${prefix}/${HOME}/submit`, cache });
}

/** What {@link installFiles} does besides installing the programs. */
interface Options {
  /** Links to create, and their targets. */
  readonly links?: Readonly<Record<string, string>>;
  /** Where a package will be unpacked. Its programs look for Deno there; otherwise they get a copy of this one. */
  readonly destination?: string;
}

/** Installs the files below a prefix. */
export async function installFiles(prefix: string, { links = {}, destination }: Options): Promise<void> {
  const former = readInstalled(prefix);
  const home = `${prefix}/${HOME}`;
  const folders = new Set(former?.folders);
  const folder = (path: string) => makeFolder(path, folders);
  const made = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    await bundle(made);
    const modules = filesBelow(made);
    const own = [home, ...FOLDERS.map((name) => `${home}/${name}`)];
    for (const path of [`${prefix}/bin`, ...own]) folder(path);
    for (const path of own) Deno.chmodSync(path, 0o755);
    if (destination === undefined) {
      replace(`${home}/deno`, 0o755, (path) => Deno.copyFileSync(Deno.realPathSync(Deno.execPath()), path));
    }
    // Copy the entry modules last, so that a program that starts now finds all of its chunks.
    const entries: string[] = LAUNCHERS.map(({ entry }) => entry);
    for (const name of [...modules.filter((one) => !entries.includes(one)), ...entries]) {
      replace(`${home}/${name}`, 0o644, (path) => Deno.copyFileSync(`${made}/${name}`, path));
    }
    for (const { at, rights, up, entry } of LAUNCHERS) {
      const lean = rights !== "" && flagsOf(rights) === LEAN; // an audit runs long
      const [deno, module] = [`$here/${up}/deno`, `$here/${up}/${entry}`];
      const flags = rights === "" ? FLAGS : `${flagsOf(rights)} ${FLAGS}`;
      // Code that V8 compiles with other flags would replace the cached code.
      const cache = lean ? `$here/${up}/cache` : "";
      const start = { program: at, rights, entry: module, flags, cache };
      const denos = [`"${deno}"`, "/usr/local/bin/deno", "/usr/bin/deno"];
      const missing = `install it as /usr/local/bin/deno, or as ${destination}/${HOME}/deno`;
      const found = destination === undefined ? { deno } : { deno: "deno", denos, missing };
      const text = launcherText({ ...start, ...found });
      replace(`${prefix}/${at}`, 0o755, (path) => Deno.writeTextFileSync(path, text));
    }
    for (const name of SCRIPTS) {
      const mode = name.endsWith(".sh") ? 0o644 : 0o755;
      replace(`${home}/${name}`, mode, (path) => Deno.copyFileSync(`${ROOT}${name}`, path));
    }
    const documented = documents(destination ?? prefix);
    for (const { at, mode, text } of documented) {
      folder(`${prefix}/${at.slice(0, at.lastIndexOf("/"))}`);
      replace(`${prefix}/${at}`, mode, (path) => Deno.writeTextFileSync(path, text), false);
    }
    for (const [at, to] of Object.entries(links)) {
      if (linkAt(`${prefix}/${at}`) !== to) Deno.symlinkSync(to, `${prefix}/${at}`);
    }
    const outside = [...LAUNCHERS.map(({ at }) => at), ...documented.map(({ at }) => at)].filter((at) =>
      !at.startsWith(HOME)
    );
    const files = Object.fromEntries(
      await Promise.all(outside.map(async (at) => [at, await digestOf(`${prefix}/${at}`)])),
    );
    const [list, text] = listOf(prefix, { files: { ...former?.files, ...files }, links, folders: [...folders] });
    replace(list, 0o644, (path) => Deno.writeTextFileSync(path, text));
    removeFormer(home, modules);
    const inside = [...modules, ...SCRIPTS].map((name) => `${HOME}/${name}`);
    const places = new Set([...outside, ...LAUNCHERS.map(({ at }) => at), ...inside, `${HOME}/deno`]);
    removeDrafts([...places].map((at) => `${prefix}/${at}`));
  } finally {
    Deno.removeSync(made, { recursive: true });
  }
}

/** Checks that no other program has this name. @throws {Fail} `usage` */
function checkOurs(path: string): void {
  const ours = "Made from build/run.sh";
  if (isThere(path) && !readIfPresent(path)?.includes(ours)) {
    throw new Fail("usage", "File exists and belongs to another program", { file: path });
  }
}

/** Returns the links to create. @throws {Fail} `usage` if another program has the name */
function linksFor(prefix: string, names: readonly string[]): Record<string, string> {
  for (const name of names) {
    if (!NAMES.includes(name)) throw new Fail("usage", `Link ${quote(name)} is not one of ${NAMES.join(", ")}`);
    const path = `${prefix}/bin/${name}`;
    if (isThere(path) && linkAt(path) !== "shim") {
      throw new Fail("usage", "File exists and belongs to another program", { file: path });
    }
  }
  return Object.fromEntries(names.map((name) => [`bin/${name}`, "shim"]));
}

/** Creates a folder with mode 0755, whatever the umask. An existing folder is not changed. */
function makeFolder(path: string, made: Set<string>): void {
  try {
    if (Deno.statSync(path).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  makeFolder(path.slice(0, path.lastIndexOf("/")) || "/", made);
  Deno.mkdirSync(path);
  made.add(path);
  Deno.chmodSync(path, 0o755);
}

/** Replaces a file atomically. Programs that have the old file open keep it. */
function replace(path: string, mode: number, make: (path: string) => void, durable = true): void {
  const beside = `${path}.${Deno.pid}.new`;
  try {
    make(beside);
    Deno.chmodSync(beside, mode);
    if (durable) {
      // Without this, the file could be empty after a power failure.
      using file = Deno.openSync(beside, { read: true });
      file.syncSync();
    }
    Deno.renameSync(beside, path);
  } catch (error) {
    try {
      Deno.removeSync(beside);
    } catch {
      // The file was not created.
    }
    throw error;
  }
}

function removeFormer(home: string, modules: readonly string[]): void {
  const there = ["", ...FOLDERS].flatMap((folder) =>
    [...Deno.readDirSync(`${home}/${folder}`)].filter((one) => one.isFile).map(({ name }) =>
      `${folder && `${folder}/`}${name}`
    )
  );
  for (const name of there) {
    if (!name.endsWith(".js") || modules.includes(name)) continue;
    const { mtime } = Deno.statSync(`${home}/${name}`);
    if (mtime !== null && Date.now() - mtime.getTime() > STALE_AFTER_MS) Deno.removeSync(`${home}/${name}`);
  }
}

/**
 * Fills a new cache and replaces the former one with it, which would otherwise keep the code of all earlier versions. A
 * program that starts in between has no cache and only starts more slowly.
 */
async function replaceCache(path: string, fill: (cache: string) => Promise<void>): Promise<void> {
  const [made, former] = [`${path}.${Deno.pid}.new`, `${path}.${Deno.pid}.old`];
  try {
    Deno.mkdirSync(made);
    Deno.chmodSync(made, 0o755);
    await fill(made);
    if (isThere(path)) Deno.renameSync(path, former);
    Deno.renameSync(made, path);
  } finally {
    for (const folder of [made, former]) if (isThere(folder)) Deno.removeSync(folder, { recursive: true });
    removeDrafts([path]);
  }
}

/** Removes temporary files that a killed installation left beside these paths. */
function removeDrafts(paths: readonly string[]): void {
  const folders = Map.groupBy(paths, (path) => path.slice(0, path.lastIndexOf("/")));
  for (const [folder, all] of folders) {
    const names = new Set(all.map((path) => path.slice(folder.length + 1)));
    for (const { name } of Deno.readDirSync(folder)) {
      const [, base] = /^(.+)\.\d+\.(?:new|old)$/.exec(name) ?? [];
      if (base === undefined || !names.has(base)) continue;
      const { mtime } = Deno.lstatSync(`${folder}/${name}`);
      if (mtime === null || Date.now() - mtime.getTime() <= STALE_AFTER_MS) continue;
      Deno.removeSync(`${folder}/${name}`, { recursive: true });
    }
  }
}

function filesBelow(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${under}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(folder, `${under}${name}/`) : [`${under}${name}`]
  );
}

if (import.meta.main) {
  try {
    if (Deno.args.length === 1 && Deno.args[0] === "--help") console.log(HELP);
    else await install(Deno.args);
  } catch (error) {
    printError("install", installationError(error));
    Deno.exit(error instanceof Fail && error.kind === "usage" ? 64 : 73);
  }
}
