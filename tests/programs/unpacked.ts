/**
 * Debian programs that cannot be installed together with the machine's own mail program: they are unpacked with their
 * libraries into a folder and run chrooted there, with their configuration and spool in the usual places.
 */
import assert from "node:assert/strict";
import { CREATED, Home, type Ran, SECRET } from "../rig.ts";
import { mayFetch, type Test, tests, withAptLock } from "./need.ts";

/** Registers tests, and unpacks the programs for one of them. */
export interface Unpacked {
  test: Test;
  unpack: () => Promise<Root>;
}

/** Provides these packages, by the same rules as need(). Only root can use them, because of chroot(2). */
export async function unpacked(...packages: string[]): Promise<Unpacked> {
  let debs = cached(packages);
  if (Deno.uid() === 0 && debs === undefined && mayFetch()) {
    await withAptLock(() => download(packages));
    debs = cached(packages);
  }
  const what = packages.join(", ");
  const missing = Deno.uid() !== 0
    ? `${what}: only root can run unpacked programs`
    : debs === undefined
    ? `${what}: not fetched, set COUNTERSIGN_TEST_INSTALL=1`
    : "";
  return { test: tests(missing), unpack: () => Root.of(debs!) };
}

/** The folder that caches packages between runs. Root runs its content, so nobody else may write to it. */
function cache(): string {
  const folder = `${Deno.env.get("TMPDIR") || "/tmp"}/countersign-tests-debs.${Deno.uid()}`;
  try {
    Deno.mkdirSync(folder, { mode: 0o700 });
  } catch {
    // It exists, or the next line fails.
  }
  const { isDirectory, uid, mode } = Deno.lstatSync(folder);
  assert.ok(isDirectory && uid === Deno.uid() && ((mode ?? 0) & 0o077) === 0, `${folder} belongs to somebody else`);
  return folder;
}

function debOf(folder: string, name: string): string | undefined {
  return [...Deno.readDirSync(folder)].find((entry) => entry.name.startsWith(`${name}_`))?.name;
}

/** The files of the packages and of all libraries that they need; undefined if one is missing. */
function cached(packages: string[]): string[] | undefined {
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

/** The libraries that a package depends on. Its other dependencies are needed only for its installation. */
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

/** A user of {@link Root} who does not exist on the machine. */
export const GREG = 4711;

/** The root folder of the programs. It is removed when it is disposed. */
export class Root {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-root-" });
  #started: Deno.ChildProcess[] = [];

  static async of(debs: string[]): Promise<Root> {
    const root = new Root();
    // Copying takes much less time than decompressing.
    await outside("cp", "-a", `${await contentOf(debs)}/.`, root.path);
    // Programs run as greg and as mail, which must be able to access the folder.
    Deno.chmodSync(root.path, 0o755);
    for (const folder of ["tmp", "dev", "etc", "run", "var/log"]) {
      Deno.mkdirSync(`${root.path}/${folder}`, { recursive: true });
    }
    Deno.chmodSync(`${root.path}/tmp`, 0o1777);
    for (const device of ["null", "urandom", "random"]) {
      await outside("cp", "-a", `/dev/${device}`, `${root.path}/dev/`);
    }
    Deno.symlinkSync("../run", `${root.path}/var/run`);
    // Newer packages expect that /lib is a link to /usr/lib.
    for (const folder of ["bin", "sbin", "lib", "lib64"]) {
      if (!exists(`${root.path}/${folder}`) && exists(`${root.path}/usr/${folder}`)) {
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

  /** Writes a file below the root, and creates its folders. */
  write(name: string, text: string, mode = 0o644): void {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, mode);
  }

  /** Creates a folder that belongs to this user. */
  folder(name: string, uid: number): void {
    Deno.mkdirSync(`${this.path}/${name}`, { recursive: true });
    Deno.chownSync(`${this.path}/${name}`, uid, uid);
  }

  /** Creates a world-writable FIFO. */
  fifo(name: string): void {
    const { success } = new Deno.Command("mkfifo", { args: ["-m", "0666", `${this.path}/${name}`] }).outputSync();
    assert.ok(success);
  }

  /** The text of a file below the root; empty if it does not exist. */
  read(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.path}/${name}`);
    } catch {
      return "";
    }
  }

  /** The names in a folder below the root. */
  list(folder: string): string[] {
    return [...Deno.readDirSync(`${this.path}/${folder}`)].map(({ name }) => name).sort();
  }

  #argv(program: string, user: string): string[] {
    return ["/usr/sbin/chroot", `--userspec=${user}`, this.path, program];
  }

  /** Writes a script in the home that runs a program in the root. @returns its path */
  command(home: Home, program: string, user = `${GREG}:${GREG}`): string {
    const words = this.#argv(program, user).join(" ");
    return home.write(`bin/in-root-${program.replaceAll("/", "-")}`, `#!/bin/sh\nexec ${words} "$@"\n`, 0o755);
  }

  /** Runs a program in the root. */
  run(home: Home, argv: string[], input = "", user = "0:0"): Promise<Ran> {
    return home.run([...this.#argv(argv[0]!, user), ...argv.slice(1)], input);
  }

  /** Starts a program in the root. */
  start(argv: string[], user = "0:0"): void {
    const [program, ...args] = [...this.#argv(argv[0]!, user), ...argv.slice(1)];
    const options = { args, clearEnv: true, stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#started.push(new Deno.Command(program!, options).spawn());
  }

  /** Starts a program in the root with these files and folders mounted, in its own mount namespace. */
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

  /** The processes in the root: those that were started, and those that they left running to deliver mail. */
  *#processes(): Generator<number> {
    for (const { name } of Deno.readDirSync("/proc")) {
      try {
        if (/^\d+$/.test(name) && Deno.readLinkSync(`/proc/${name}/root`) === this.path) yield Number(name);
      } catch {
        // It has exited.
      }
    }
  }

  /** Waits until no process runs in the root, so that all deliveries have been tried. */
  async quiet(): Promise<void> {
    while (!this.#processes().next().done) await new Promise((done) => setTimeout(done, 5));
  }

  /** Kills all processes in the root, as a reboot does. */
  async stop(): Promise<void> {
    for (let pids; (pids = [...this.#processes()]).length > 0;) {
      for (const pid of pids) {
        try {
          Deno.kill(pid, "SIGKILL");
        } catch {
          // It has exited.
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

/** The folders with the content of packages, for all tests of a file. */
const contents = new Map<string, Promise<string>>();

/** Unpacks these files once. @returns the folder, which must not be changed */
function contentOf(debs: string[]): Promise<string> {
  const key = debs.join(" ");
  const content = contents.get(key) ?? unpackAll(debs);
  contents.set(key, content);
  return content;
}

async function unpackAll(debs: string[]): Promise<string> {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-content-" });
  for (const deb of debs) await outside("dpkg", "-x", deb, folder);
  return folder;
}

Deno.test.afterAll(async () => {
  for (const folder of contents.values()) Deno.removeSync(await folder, { recursive: true });
});

async function outside(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** greg's home outside of the root, with the settings of a hook that delivers there. */
export function hookHome(root: Root): Home {
  const home = new Home();
  home.write(".config/countersign/keys", `k1 ${CREATED} greg ${SECRET}\n`, 0o600);
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/Maildir/.Spam"\n`);
  Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
  const { success } = new Deno.Command("chown", { args: ["-R", `${GREG}:${GREG}`, home.path] }).outputSync();
  assert.ok(success);
  root.write("etc/passwd", root.read("etc/passwd").replace(/^(greg:.*:)[^:]+:([^:]+)$/m, `$1${home.path}:$2`));
  return home;
}
