/**
 * Debian's programs that cannot be installed beside the machine's own mail
 * program: unpacked with their libraries into a folder that they take for the
 * whole machine, with their configuration and spool in its usual place.
 */
import assert from "node:assert/strict";
import type { Home, Ran } from "../rig.ts";
import { alone, mayFetch, type Test, tests } from "./need.ts";

/** What registers tests, and what unpacks for one of them. */
export interface Unpacked {
  test: Test;
  unpack: () => Promise<Root>;
}

/** What has these packages. The same rules as need(); root besides, for chroot(2). */
export async function unpacked(...packages: string[]): Promise<Unpacked> {
  let debs = found(packages);
  if (Deno.uid() === 0 && debs === undefined && mayFetch()) {
    await alone(() => download(packages));
    debs = found(packages);
  }
  const what = packages.join(", ");
  const missing = Deno.uid() !== 0
    ? `${what}: only root can run what is unpacked`
    : debs === undefined
    ? `${what}: not fetched, set COUNTERSIGN_TEST_INSTALL=1`
    : "";
  return { test: tests(missing), unpack: () => Root.of(debs!) };
}

/** Where packages are kept from one run to the next. Root runs what is in it, so it must be ours alone. */
function cache(): string {
  const folder = `${Deno.env.get("TMPDIR") || "/tmp"}/countersign-tests-debs.${Deno.uid()}`;
  try {
    Deno.mkdirSync(folder, { mode: 0o700 });
  } catch {
    // It is there, or the next line fails.
  }
  const { isDirectory, uid, mode } = Deno.lstatSync(folder);
  assert.ok(isDirectory && uid === Deno.uid() && ((mode ?? 0) & 0o077) === 0, `${folder} is somebody else's`);
  return folder;
}

function debOf(folder: string, name: string): string | undefined {
  return [...Deno.readDirSync(folder)].find((entry) => entry.name.startsWith(`${name}_`))?.name;
}

/** The packages with all libraries that they need; undefined when one is not here. */
function found(packages: string[]): string[] | undefined {
  const folder = cache();
  const debs = new Map<string, string>();
  const queue = [...packages];
  for (let name; (name = queue.pop()) !== undefined;) {
    if (debs.has(name)) continue;
    const deb = debOf(folder, name);
    if (deb === undefined) return undefined;
    debs.set(name, `${folder}/${deb}`);
    queue.push(...libraries(`${folder}/${deb}`));
  }
  return [...debs.values()];
}

/** The libraries that a package wants; what else it wants belongs to its installation. */
function libraries(deb: string): string[] {
  const { stdout } = new Deno.Command("dpkg-deb", { args: ["-f", deb, "Pre-Depends", "Depends"] }).outputSync();
  const names = new TextDecoder().decode(stdout).replace(/^[\w-]+:/gm, ",").split(",");
  return names.map((name) => name.trim().replace(/[\s:(|][^]*$/, "")).filter((name) =>
    /^lib(?!pam-runtime)/.test(name)
  );
}

async function download(packages: string[]): Promise<void> {
  const folder = cache();
  const seen = new Set<string>();
  for (let names = packages; names.length > 0;) {
    const wanted = names.filter((name) => debOf(folder, name) === undefined);
    if (wanted.length > 0) {
      const { code, stderr } = await new Deno.Command("apt-get", { args: ["download", "-q", ...wanted], cwd: folder })
        .output();
      if (code !== 0) return console.error(`apt-get download: ${new TextDecoder().decode(stderr).trim()}`);
    }
    for (const name of names) seen.add(name);
    names = [...new Set(names.flatMap((name) => libraries(`${folder}/${debOf(folder, name)}`)))]
      .filter((name) => !seen.has(name));
  }
}

/** A user of {@link Root}, who is nobody on the machine. */
export const GREG = 4711;

/** The folder that the programs take for the machine. Removed when it is disposed of. */
export class Root {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-root-" });
  #started: Deno.ChildProcess[] = [];

  static async of(debs: string[]): Promise<Root> {
    const root = new Root();
    // Programs run as greg and as mail: the way in must be open.
    Deno.chmodSync(root.path, 0o755);
    for (const deb of debs) await root.#outside("dpkg", "-x", deb, root.path);
    for (const folder of ["tmp", "dev", "etc", "run", "var/log"]) {
      Deno.mkdirSync(`${root.path}/${folder}`, { recursive: true });
    }
    Deno.chmodSync(`${root.path}/tmp`, 0o1777);
    for (const device of ["null", "urandom", "random"]) {
      await root.#outside("cp", "-a", `/dev/${device}`, `${root.path}/dev/`);
    }
    Deno.symlinkSync("../run", `${root.path}/var/run`);
    // Newer packages leave it to the installed system that /lib is /usr/lib.
    for (const folder of ["bin", "sbin", "lib", "lib64"]) {
      if (!there(`${root.path}/${folder}`) && there(`${root.path}/usr/${folder}`)) {
        Deno.symlinkSync(`usr/${folder}`, `${root.path}/${folder}`);
      }
    }
    root.write(
      "etc/passwd",
      `root:x:0:0:root:/root:/bin/sh\nmail:x:8:8:mail:/var/mail:/bin/sh\ngreg:x:${GREG}:${GREG}:Greg:/tmp:/bin/sh\n`,
    );
    root.write("etc/group", `root:x:0:\nmail:x:8:\ngreg:x:${GREG}:\n`);
    root.write("etc/hosts", "127.0.0.1 localhost\n127.0.0.1 laptop.example.org laptop\n");
    root.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
    return root;
  }

  async #outside(program: string, ...args: string[]): Promise<void> {
    const { code, stderr } = await new Deno.Command(program, { args }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }

  /** Writes a file of the machine, with its folders. */
  write(name: string, text: string, mode = 0o644): void {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, mode);
  }

  /** Makes a folder that belongs to this user. */
  folder(name: string, uid: number): void {
    Deno.mkdirSync(`${this.path}/${name}`, { recursive: true });
    Deno.chownSync(`${this.path}/${name}`, uid, uid);
  }

  /** Makes a FIFO into which everybody may write. */
  fifo(name: string): void {
    const { success } = new Deno.Command("mkfifo", { args: ["-m", "0666", `${this.path}/${name}`] }).outputSync();
    assert.ok(success);
  }

  /** The text of a file of the machine; empty when it is not there. */
  read(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.path}/${name}`);
    } catch {
      return "";
    }
  }

  /** The names in a folder of the machine. */
  list(folder: string): string[] {
    return [...Deno.readDirSync(`${this.path}/${folder}`)].map(({ name }) => name).sort();
  }

  #argv(program: string, user: string): string[] {
    return ["/usr/sbin/chroot", `--userspec=${user}`, this.path, program];
  }

  /** A script in the home that is this program of the machine. */
  command(home: Home, program: string, user = `${GREG}:${GREG}`): string {
    const words = this.#argv(program, user).join(" ");
    return home.write(`bin/in-root-${program.replaceAll("/", "-")}`, `#!/bin/sh\nexec ${words} "$@"\n`, 0o755);
  }

  /** Runs a program of the machine. */
  run(home: Home, argv: string[], input = "", user = "0:0"): Promise<Ran> {
    return home.run([...this.#argv(argv[0]!, user), ...argv.slice(1)], input);
  }

  /** Starts a program of the machine. */
  start(argv: string[], user = "0:0"): void {
    const [program, ...args] = [...this.#argv(argv[0]!, user), ...argv.slice(1)];
    const options = { args, clearEnv: true, stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#started.push(new Deno.Command(program!, options).spawn());
  }

  /** Starts a program of the machine that also sees these files and folders of ours, in a mount namespace of its own. */
  startWith(paths: string[], argv: string[]): Promise<Deno.CommandStatus> {
    for (const path of paths) {
      if (Deno.statSync(path).isDirectory) Deno.mkdirSync(`${this.path}${path}`, { recursive: true });
      else this.write(path.slice(1), "");
    }
    const script =
      'set -e; for path; do mount --rbind "$path" "$root$path"; done; exec env -u root -u program chroot "$root" $program';
    const child = new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script, "sh", ...paths],
      clearEnv: true,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", root: this.path, program: argv.join(" ") },
      stdin: "null",
    });
    const started = child.spawn();
    this.#started.push(started);
    return started.status;
  }

  /** The processes that live in it: what was started, and what a program has left behind to deliver. */
  *#processes(): Generator<number> {
    for (const { name } of Deno.readDirSync("/proc")) {
      try {
        if (/^\d+$/.test(name) && Deno.readLinkSync(`/proc/${name}/root`) === this.path) yield Number(name);
      } catch {
        // It has ended.
      }
    }
  }

  /** When nothing runs in it any more: what a program left behind to deliver has tried. */
  async quiet(): Promise<void> {
    while (!this.#processes().next().done) await new Promise((done) => setTimeout(done, 5));
  }

  /** Stops everything that runs in it, as a reboot does. */
  async stop(): Promise<void> {
    for (let pids; (pids = [...this.#processes()]).length > 0;) {
      for (const pid of pids) {
        try {
          Deno.kill(pid, "SIGKILL");
        } catch {
          // It has ended.
        }
      }
      await new Promise((done) => setTimeout(done, 5));
    }
    for (const child of this.#started.splice(0)) await child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    Deno.removeSync(this.path, { recursive: true });
  }
}

function there(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
