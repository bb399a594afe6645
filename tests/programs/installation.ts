/**
 * One installation for all tests that only use it: `deno task install` takes seconds. Its folder is named after a
 * digest of the sources, so that a change is installed anew, and runs of several checkouts do not disturb each other.
 * Tests that change an installation make their own.
 */
import assert from "node:assert/strict";
import { Home, ROOT, sourceFiles } from "../rig.ts";

/** What is installed depends on these folders and files. */
const FOLDERS = [
  "admin",
  "build",
  "contrib",
  "docs",
  "hooks",
  "incoming",
  "io",
  "lib",
  "outgoing",
  "serve",
  "shim",
  "submit",
];
const FILES = ["main.ts", "mod.ts", "deno.json", "deno.lock", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"];

/** Installations that have not been used for this long are removed. */
const STALE_AFTER_MS = 2 * 60 * 60 * 1000;

const PREFIX = `${Deno.env.get("TMPDIR") || "/tmp"}/countersign-tests-installed.${Deno.uid()}.`;

/** An installation that every user can access, and a home. */
export class Installed {
  readonly home = new Home();
  readonly hook: string;
  readonly shim: string;

  /**
   * @param folder where it is, with the prefix below it
   * @param owned whether nobody else uses it
   */
  private constructor(readonly folder: string, readonly owned = false) {
    this.hook = `${this.prefix}/lib/countersign/hooks/incoming`;
    this.shim = `${this.prefix}/bin/shim`;
  }

  static async make(): Promise<Installed> {
    const one = new Installed(await installOnce());
    Deno.chmodSync(one.home.path, 0o755);
    return one;
  }

  /** An installation of its own, which a test may change. */
  static async own(): Promise<Installed> {
    const one = new Installed(Deno.makeTempDirSync({ prefix: "countersign-installed-" }), true);
    for (const path of [one.folder, one.home.path]) Deno.chmodSync(path, 0o755);
    await one.install();
    return one;
  }

  /** Installs the checkout, over what is installed there. */
  async install(): Promise<void> {
    assert.ok(this.owned, "others use this installation");
    await install(this.prefix);
  }

  get prefix(): string {
    return `${this.folder}/prefix`;
  }

  [Symbol.dispose](): void {
    this.home[Symbol.dispose]();
    if (this.owned) remove(this.folder);
  }
}

let folder: Promise<string> | undefined;

/** Returns the folder of the installation, which must not be changed. */
export function installOnce(): Promise<string> {
  return folder ??= findOrInstall();
}

async function findOrInstall(): Promise<string> {
  const folder = PREFIX + await digest();
  using lock = Deno.openSync(`${PREFIX}lock`, { read: true, write: true, create: true, mode: 0o600 });
  await lock.lock(true); // released with the file, also if the process dies
  removeStale(folder);
  const complete = `${folder}/complete`;
  if (!exists(complete)) {
    remove(folder); // what a killed run left
    Deno.mkdirSync(folder, { mode: 0o755 });
    Deno.chmodSync(folder, 0o755);
    await install(`${folder}/prefix`);
  }
  // Root runs what is in it.
  const { isDirectory, uid, mode } = Deno.lstatSync(folder);
  assert.ok(isDirectory && uid === Deno.uid() && ((mode ?? 0) & 0o022) === 0, `${folder} belongs to somebody else`);
  Deno.writeTextFileSync(complete, ""); // its time is that of the last use
  return folder;
}

async function install(prefix: string): Promise<void> {
  const home = new Home();
  try {
    const task = `cd "$0" && exec "$1" task -q install --prefix "$2"`;
    const ran = await home.run(["/bin/sh", "-c", task, ROOT, Deno.execPath(), prefix]);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  } finally {
    home[Symbol.dispose]();
  }
}

/** A digest of everything that is installed. */
async function digest(): Promise<string> {
  const names = [...FILES, ...sourceFiles(...FOLDERS)];
  const digests = await Promise.all(names.map(async (name) => {
    const content = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${ROOT}/${name}`));
    return `${name} ${Deno.statSync(`${ROOT}/${name}`).mode} ${new Uint8Array(content).toHex()}\n`;
  }));
  const all = new TextEncoder().encode(`${Deno.version.deno} ${ROOT}\n${digests.join("")}`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all)).toHex().slice(0, 16);
}

function removeStale(current: string): void {
  const parent = PREFIX.slice(0, PREFIX.lastIndexOf("/"));
  for (const { name } of Deno.readDirSync(parent)) {
    const path = `${parent}/${name}`;
    if (!path.startsWith(PREFIX) || path === current || path === `${PREFIX}lock`) continue;
    const used = exists(`${path}/complete`) ? Deno.statSync(`${path}/complete`).mtime : Deno.lstatSync(path).mtime;
    if (Date.now() - used!.getTime() > STALE_AFTER_MS) remove(path);
  }
}

function remove(path: string): void {
  if (exists(path)) Deno.removeSync(path, { recursive: true });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
