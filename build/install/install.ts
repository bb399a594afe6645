/**
 * Installs below a prefix: bundled programs, Deno's binary beside them, and the
 * launchers. Everything finds the rest by its own place, so that the prefix may
 * be moved, and needs nothing of the checkout.
 */
import { readArguments } from "../../admin/arguments.ts";
import { isThere } from "../../admin/files.ts";
import { Fail, quote, reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { readIfPresent } from "../../io/system/files.ts";
import { bundle, ROOT } from "./bundle.ts";
import { checkPrefix, digestOf, HOME, linkAt, listOf, readInstalled } from "./installed.ts";
import { launcherText, LEAN } from "./launcher.ts";
import { prove } from "./prove.ts";

const HELP = `Usage: deno task install [--prefix DIR] [--link NAME]
Installs, below /usr/local for root and ~/.local for others when no DIR is named,
  DIR/bin/shim                           for mutt and others: set sendmail="DIR/bin/shim"
  DIR/bin/countersign                    all commands in one
  DIR/lib/countersign/hooks/incoming     for .qmail, maildrop, procmail
  DIR/lib/countersign/                   what they need, Deno too
  DIR/share/                             manual pages, and completions for bash, zsh and fish

The shim goes by the name that it is called by: sendmail, qmail-inject, mailq or newaliases. --link NAME makes such a link
in DIR/bin; it may be repeated, and takes the place of nobody's program.
Installing over a former version is safe while mail is under way. deno task uninstall [--prefix DIR] takes it all away.`;

/** Names by which the shim may be called. */
const NAMES = ["sendmail", "qmail-inject", "mailq", "newaliases"];

/** From its launcher: where Deno is, and the module. */
const LAUNCHERS = [
  { at: "bin/shim", rights: "shim", up: "../lib/countersign", entry: "shim/main.js" },
  { at: "bin/countersign", rights: "", up: "../lib/countersign", entry: "main.js" },
  { at: "lib/countersign/hooks/incoming", rights: "incoming", up: "..", entry: "hooks/incoming.js" },
] as const;

/** What is only read: where, and from which folder of contrib/. */
const DOCUMENTS: Record<string, string> = {
  "share/bash-completion/completions/countersign": "completions/countersign.bash",
  "share/zsh/site-functions/_countersign": "completions/_countersign",
  "share/fish/vendor_completions.d/countersign.fish": "completions/countersign.fish",
  ...Object.fromEntries(
    [...Deno.readDirSync(`${ROOT}contrib/man`)].map((
      { name },
    ) => [`share/man/man${name.at(-1)}/${name}`, `man/${name}`]),
  ),
};

/** Only what stands beside it is run: no settings of Deno from the working folder, nothing fetched. */
const FLAGS = "--no-config --no-lock --no-npm --no-remote --cached-only";

/** A former version's late parts are left for this long: who started before may still load them. */
const STALE_AFTER_MS = 24 * 60 * 60 * 1000;

/** Installs. @throws {Fail} `usage`; what the file system says */
async function install(args: readonly string[]): Promise<void> {
  const given = readArguments(args, { values: ["prefix", "link"] });
  if (given.operands.length > 0) throw new Fail("usage", "Say where: --prefix /usr/local");
  const prefix = checkPrefix(given.value("prefix"));
  const former = readInstalled(prefix);
  for (const { at } of LAUNCHERS) checkOurs(`${prefix}/${at}`);
  const links = { ...former?.links, ...linksFor(prefix, given.values("link")) };
  const home = `${prefix}/${HOME}`;
  const folders = new Set(former?.folders);
  const folder = (path: string) => makeFolder(path, folders);
  const made = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    await bundle(made);
    const modules = filesBelow(made);
    const own = [home, `${home}/shim`, `${home}/hooks`];
    for (const path of [`${prefix}/bin`, ...own]) folder(path);
    for (const path of own) Deno.chmodSync(path, 0o755);
    replace(`${home}/deno`, 0o755, (path) => Deno.copyFileSync(Deno.realPathSync(Deno.execPath()), path));
    // Those that are loaded first, those that load them last: whoever starts now finds all of its parts.
    const entries = ["main.js", "shim/main.js", "hooks/incoming.js"];
    for (const name of [...modules.filter((one) => !entries.includes(one)), ...entries]) {
      replace(`${home}/${name}`, 0o644, (path) => Deno.copyFileSync(`${made}/${name}`, path));
    }
    for (const { at, rights, up, entry } of LAUNCHERS) {
      const lean = entry !== "main.js"; // an audit lives long
      const [deno, module] = [`$here/${up}/deno`, `$here/${up}/${entry}`];
      const flags = lean ? `${LEAN} ${FLAGS}` : FLAGS;
      // What V8 compiles with other flags would take the place of what is there.
      const cache = lean ? `$here/${up}/cache` : "";
      const text = launcherText({ program: at, rights, deno, entry: module, flags, cache });
      replace(`${prefix}/${at}`, 0o755, (path) => Deno.writeTextFileSync(path, text));
    }
    for (const [at, from] of Object.entries(DOCUMENTS)) {
      folder(`${prefix}/${at.slice(0, at.lastIndexOf("/"))}`);
      replace(`${prefix}/${at}`, 0o644, (path) => Deno.copyFileSync(`${ROOT}contrib/${from}`, path));
    }
    for (const [at, to] of Object.entries(links)) {
      if (linkAt(`${prefix}/${at}`) !== to) Deno.symlinkSync(to, `${prefix}/${at}`);
    }
    const outside = [...LAUNCHERS.map(({ at }) => at), ...Object.keys(DOCUMENTS)].filter((at) => !at.startsWith(HOME));
    const files = Object.fromEntries(
      await Promise.all(outside.map(async (at) => [at, await digestOf(`${prefix}/${at}`)])),
    );
    const [list, text] = listOf(prefix, { files: { ...former?.files, ...files }, links, folders: [...folders] });
    replace(list, 0o644, (path) => Deno.writeTextFileSync(path, text));
    removeFormer(home, modules);
    const places = [...outside, ...modules.map((name) => `${HOME}/${name}`), `${HOME}/deno`, `${HOME}/hooks/incoming`];
    removeDrafts(places.map((at) => `${prefix}/${at}`));
  } finally {
    Deno.removeSync(made, { recursive: true });
  }
  const [shim, countersign, hook] = LAUNCHERS.map(({ at }) => `${prefix}/${at}`) as [string, string, string];
  await replaceCache(`${home}/cache`, (cache) => prove({ shim, countersign, hook, cache }));
  console.log(LAUNCHERS.map(({ at }) => `${prefix}/${at}`).join("\n"));
}

/** @throws {Fail} `usage` where a program of somebody else has the name of one of ours */
function checkOurs(path: string): void {
  const ours = "Made from build/run.sh";
  if (isThere(path) && !readIfPresent(path)?.includes(ours)) throw new Fail("usage", `${path} is there, and not ours`);
}

/** The links that are wanted. @throws {Fail} `usage` where something else has the name */
function linksFor(prefix: string, names: readonly string[]): Record<string, string> {
  for (const name of names) {
    if (!NAMES.includes(name)) throw new Fail("usage", `Link ${quote(name)} is not one of ${NAMES.join(", ")}`);
    const path = `${prefix}/bin/${name}`;
    if (isThere(path) && linkAt(path) !== "shim") throw new Fail("usage", `${path} is there, and not ours`);
  }
  return Object.fromEntries(names.map((name) => [`bin/${name}`, "shim"]));
}

/** A folder that everybody may enter, whatever the umask; one that is there is left as it is. */
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

/** Puts a file in place of another at once; who has the old one open keeps it. */
function replace(path: string, mode: number, make: (path: string) => void): void {
  const beside = `${path}.${Deno.pid}.new`;
  try {
    make(beside);
    Deno.chmodSync(beside, mode);
    {
      // A name without its bytes, after a power cut, would be worse than the old version.
      using file = Deno.openSync(beside, { read: true });
      file.syncSync();
    }
    Deno.renameSync(beside, path);
  } catch (error) {
    try {
      Deno.removeSync(beside);
    } catch {
      // It was never made.
    }
    throw error;
  }
}

function removeFormer(home: string, modules: readonly string[]): void {
  const there = ["", "shim", "hooks"].flatMap((folder) =>
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
 * Fills a cache and puts it in place of the former one, which would keep what V8 made of all versions before. Whoever
 * starts in between starts without a cache, which only takes longer.
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

/** What an installation that was killed has left beside these. */
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
    printError("install", reason(error));
    Deno.exit(error instanceof Fail ? 64 : 73);
  }
}
