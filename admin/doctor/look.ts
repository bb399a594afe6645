/** Access to the machine for doctor: files with mode and owner, programs, and DNS. */
import { provesMissing, reason } from "../../lib/fail.ts";
import { isThere, realPath } from "../files.ts";
import { NoAnswer, type Resolver } from "./resolver.ts";
import type { Programs, TextFile } from "./finding.ts";
import type { Seen } from "./state.ts";

/** Time limit for a program, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Bytes of a script that are read. */
const SCRIPT_BYTES = 64 * 1024;

/** Returns a file with its mode; undefined if it is missing, or cannot be read, in which case `unreadable` is called. */
export function look(path: string, unreadable: (path: string, why: string) => void = () => {}): TextFile | undefined {
  try {
    const { isFile, mode } = Deno.statSync(path);
    if (!isFile) return undefined;
    return { file: path, text: Deno.readTextFileSync(path), ...(mode === null ? {} : { mode: mode & 0o7777 }) };
  } catch (error) {
    if (!provesMissing(error)) unreadable(path, reason(error));
    return undefined;
  }
}

/** Returns the files that exist. */
export function lookAt(paths: readonly string[], unreadable?: (path: string, why: string) => void): TextFile[] {
  return paths.flatMap((path) => look(path, unreadable) ?? []);
}

/** Returns kind, mode and owner of a path. */
export function see(path: string): Seen {
  try {
    const { isFile, isDirectory, mode, uid } = Deno.statSync(path);
    return {
      path,
      kind: isFile ? "file" : isDirectory ? "folder" : "other",
      mode: (mode ?? 0) & 0o7777,
      uid: uid ?? 0,
    };
  } catch (error) {
    return { path, kind: error instanceof Deno.errors.NotFound ? "nothing" : "closed", mode: 0, uid: 0 };
  }
}

/** Returns the same for a path and its parents, up to the first that exists. */
export function seeUp(path: string): Seen[] {
  const seeLink = (): Seen => {
    const seen = see(path);
    // A dangling link: no folder can be created at its path.
    return seen.kind === "nothing" && isThere(path) ? { ...seen, kind: "other" } : seen;
  };
  const out = [seeLink()];
  while (out.at(-1)!.kind === "nothing" && path.lastIndexOf("/") > 0) {
    path = path.slice(0, path.lastIndexOf("/"));
    out.push(seeLink());
  }
  return out;
}

/** Returns the uid of a user in /etc/passwd; undefined for other users. */
export function userId(name: string): number | undefined {
  const line = look("/etc/passwd")?.text.split("\n").find((one) => one.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(":")[2]);
}

/** Creates the log as the owner of the state folder; run as root, the hook would create one that its user cannot write. */
export async function ownLog(state: string): Promise<void> {
  const [folder, log] = [see(state), see(`${state}/log`)];
  if (Deno.uid() !== 0 || folder.kind !== "folder" || folder.uid === 0 || log.kind !== "nothing") return;
  // This program has no write permission itself.
  const owner = ["-o", String(folder.uid), "-g", String(Deno.statSync(state).gid)];
  await run(["/usr/bin/install", "-m", "600", ...owner, "/dev/null", log.path]);
}

/** Returns the names in a folder. */
export function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** Returns the programs of this machine; a path may begin with `~` or `$HOME`, and relative paths are below the home. */
export function programsOf(home: string): Programs {
  const resolve = (path: string) => {
    const whole = path.replace(/^~(?=\/)|^\$\{?HOME\}?(?=\/)/, home);
    return whole.startsWith("/") ? whole : `${home}/${whole}`;
  };
  return {
    trouble(path) {
      const whole = resolve(path);
      if (whole.includes("$")) return undefined; // only the calling shell can expand it
      const { kind, mode } = see(whole);
      if (kind === "closed") return "cannot be examined";
      if (kind === "nothing") return "does not exist";
      if (kind !== "file") return "is not a program";
      return (mode & 0o111) === 0 ? "is not executable" : undefined;
    },
    isShim(path) {
      const whole = resolve(path);
      const called = whole.slice(whole.lastIndexOf("/") + 1);
      const real = realPath(whole);
      const named = /\/countersign$/.test(real) && ["shim", "sendmail", "qmail-inject"].includes(called);
      return named || /^# Starts (?:bin|shim)\/shim\b/m.test(beginning(real));
    },
    script(path) {
      const text = beginning(resolve(path), SCRIPT_BYTES);
      return text.startsWith("#!") ? text : undefined;
    },
  };
}

function beginning(path: string, length = 512): string {
  try {
    if (see(path).kind !== "file") return ""; // opening a pipe could block
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(length);
    return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return "";
  }
}

/** Finds a program in PATH. */
export function onPath(name: string): string | undefined {
  if (name === "" || name.includes("/")) return undefined;
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder.startsWith("/"));
  return folders.map((folder) => `${folder}/${name}`).find((path) => see(path).kind === "file");
}

/** Runs a program. @returns status, output, and the last line of standard error; status 127 if it cannot be run */
export async function run(
  argv: readonly string[],
  input = "",
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; said: string }> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  try {
    const child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).spawn();
    const writer = child.stdin.getWriter();
    const fed = writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
    const { code, stdout, stderr } = await child.output();
    await fed;
    return { code, out: text(stdout), said: text(stderr).trim().split("\n").at(-1)!.trim() };
  } catch (error) {
    return { code: 127, out: "", said: reason(error) };
  }
}

/** Returns the resolver of this machine; undefined if the program may not use the network. */
export async function systemDns(): Promise<Resolver | undefined> {
  if ((await Deno.permissions.query({ name: "net" })).state !== "granted") return undefined;
  return {
    mx: async (name) =>
      (await ask(() => Deno.resolveDns(name, "MX"))).map(({ exchange }) => exchange.replace(/(.)\.$/, "$1")),
    txt: async (name) => (await ask(() => Deno.resolveDns(name, "TXT"))).map((parts) => parts.join("")),
    address: async (name) => [
      ...await ask(() => Deno.resolveDns(name, "A")),
      ...await ask(() => Deno.resolveDns(name, "AAAA")),
    ],
  };
}

/** Returns the shell command that runs a command with all permissions. */
export function withNetwork(command: string, args: readonly string[]): string {
  const { standalone } = Deno.build;
  // A compiled binary cannot get other permissions than those it was compiled with.
  const words = standalone ? ["deno", "run", "-A", "main.ts"] : [Deno.execPath(), "run", "-A", mainModule()];
  const line = [...words, "countersign", command, ...args].map((word) => {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  }).join(" ");
  return standalone ? `${line} (in a checkout)` : line;
}

const mainModule = (): string => decodeURIComponent(new URL(Deno.mainModule).pathname);

async function ask<T>(question: () => Promise<T[]>): Promise<T[]> {
  try {
    return await question();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new NoAnswer(reason(error));
  }
}
