/**
 * Installs below a prefix: bundled programs, Deno's binary beside them, and the
 * launchers. Everything finds the rest by its own place, so that the prefix may
 * be moved, and needs nothing of the checkout.
 */
import { Fail, reason, show } from "../../lib/fail.ts";
import { complain } from "../../lib/host.ts";
import { VERSION } from "../../lib/version.ts";
import { bundle, ROOT } from "./bundle.ts";
import { launcherText, LEAN } from "./launcher.ts";

const HELP = `Usage: deno task install --prefix DIR
Installs
  DIR/bin/shim                           for mutt and others: set sendmail="DIR/bin/shim"
  DIR/bin/countersign                    all commands in one
  DIR/lib/countersign/hooks/incoming     for .qmail, maildrop, procmail
  DIR/lib/countersign/                   what they need, Deno too
  DIR/share/                             manual pages, and completions for bash, zsh and fish

No program named sendmail is installed. The shim goes by the name that it is called by, so a link is enough, when you
want it: ln -s DIR/bin/shim DIR/bin/sendmail (or qmail-inject).
Installing over a former version is safe while mail is under way.`;

/** From its launcher: where Deno is, and the module. */
const LAUNCHERS = [
  { at: "bin/shim", up: "../lib/countersign", entry: "shim/main.js" },
  { at: "bin/countersign", up: "../lib/countersign", entry: "main.js" },
  { at: "lib/countersign/hooks/incoming", up: "..", entry: "hooks/incoming.js" },
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
const KEEP = 24 * 60 * 60 * 1000;

/** Installs. @throws {Fail} `usage`; what the file system says */
async function install(args: readonly string[]): Promise<void> {
  const prefix = prefixIn(args);
  const home = `${prefix}/lib/countersign`;
  const made = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    await bundle(made);
    const modules = filesBelow(made);
    for (const folder of [`${prefix}/bin`, home, `${home}/shim`, `${home}/hooks`]) makeFolder(folder);
    for (const folder of [home, `${home}/shim`, `${home}/hooks`]) Deno.chmodSync(folder, 0o755);
    replace(`${home}/deno`, 0o755, (path) => Deno.copyFileSync(Deno.realPathSync(Deno.execPath()), path));
    // Those that are loaded first, those that load them last: whoever starts now finds all of its parts.
    const entries = ["main.js", "shim/main.js", "hooks/incoming.js"];
    for (const name of [...modules.filter((one) => !entries.includes(one)), ...entries]) {
      replace(`${home}/${name}`, 0o644, (path) => Deno.copyFileSync(`${made}/${name}`, path));
    }
    for (const { at, up, entry } of LAUNCHERS) {
      const flags = entry === "main.js" ? FLAGS : `${LEAN} ${FLAGS}`; // an audit lives long
      const text = launcherText({ program: at, deno: `$here/${up}/deno`, entry: `$here/${up}/${entry}`, flags });
      replace(`${prefix}/${at}`, 0o755, (path) => Deno.writeTextFileSync(path, text));
    }
    for (const [at, from] of Object.entries(DOCUMENTS)) {
      makeFolder(`${prefix}/${at.slice(0, at.lastIndexOf("/"))}`);
      replace(`${prefix}/${at}`, 0o644, (path) => Deno.copyFileSync(`${ROOT}contrib/${from}`, path));
    }
    removeFormer(home, modules);
  } finally {
    Deno.removeSync(made, { recursive: true });
  }
  await prove(`${prefix}/bin/countersign`);
  console.log(LAUNCHERS.map(({ at }) => `${prefix}/${at}`).join("\n"));
}

function prefixIn(args: readonly string[]): string {
  const [first = "", second, ...more] = args.length === 1 ? args[0]!.split(/=(.*)/s, 2) : args;
  if (first !== "--prefix" || second === undefined || more.length > 0) {
    throw new Fail("usage", "Say where: --prefix /usr/local");
  }
  if (!second.startsWith("/")) throw new Fail("usage", `Prefix ${show(second)} does not begin with /`);
  return second.replace(/\/+$/, "");
}

/** A folder that everybody may enter, whatever the umask; one that is there is left as it is. */
function makeFolder(path: string): void {
  try {
    if (Deno.statSync(path).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  makeFolder(path.slice(0, path.lastIndexOf("/")) || "/");
  Deno.mkdirSync(path);
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
  for (const { name, isFile } of Deno.readDirSync(home)) {
    if (!isFile || !name.endsWith(".js") || modules.includes(name)) continue;
    const { mtime } = Deno.statSync(`${home}/${name}`);
    if (mtime !== null && Date.now() - mtime.getTime() > KEEP) Deno.removeSync(`${home}/${name}`);
  }
}

function filesBelow(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${under}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(folder, `${under}${name}/`) : [`${under}${name}`]
  );
}

/** What was installed runs, and is ours. */
async function prove(program: string): Promise<void> {
  const { stdout, stderr } = await new Deno.Command(program, { args: ["version"], stdin: "null" }).output();
  const said = new TextDecoder().decode(stdout).trim();
  if (said === `countersign ${VERSION}`) return;
  throw new Error(`${program} does not run: ${said}${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) {
  try {
    if (Deno.args.length === 1 && Deno.args[0] === "--help") console.log(HELP);
    else await install(Deno.args);
  } catch (error) {
    complain("install", reason(error));
    Deno.exit(error instanceof Fail ? 64 : 73);
  }
}
