/** Finds and runs programs for doctor. */
import { Fail, reason } from "../../lib/fail.ts";
import { realPath } from "../files.ts";
import { presetNamed } from "../machine.ts";
import { isFile, pathInfo } from "./filesystem.ts";
import type { Programs } from "./finding.ts";

/** Time limit for a program, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Bytes of a script that are read. */
const SCRIPT_BYTES = 64 * 1024;

/**
 * Returns the programs of this machine; a path may begin with `~` or `$HOME`, and relative paths are below the home.
 */
export function programsOf(home: string): Programs {
  const resolve = (path: string) => {
    const whole = path.replace(/^~(?=\/)|^\$\{?HOME\}?(?=\/)/, home);
    return whole.startsWith("/") ? whole : `${home}/${whole}`;
  };
  return {
    trouble(path) {
      const whole = resolve(path);
      if (whole.includes("$")) return undefined; // only the calling shell can expand it
      const { kind, mode } = pathInfo(whole);
      if (kind === "inaccessible") return "cannot be examined";
      if (kind === "missing") return "does not exist";
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
    preset(path) {
      const real = realPath(resolve(path));
      return presetNamed(real.slice(real.lastIndexOf("/") + 1));
    },
    script(path) {
      const text = beginning(resolve(path), SCRIPT_BYTES);
      return text.startsWith("#!") ? text : undefined;
    },
  };
}

function beginning(path: string, length = 512): string {
  try {
    if (!isFile(path)) return ""; // opening a pipe could block
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
  return folders.map((folder) => `${folder}/${name}`).find(isFile);
}

/**
 * Runs a program.
 *
 * @param as the user and group that run it, if root runs doctor
 * @returns status, output, and the last line of standard error; status 127 if it cannot be run
 */
export async function run(
  argv: readonly string[],
  input = "",
  env: Record<string, string> = {},
  as: { readonly uid?: number; readonly gid?: number } = {},
): Promise<{ code: number; out: string; said: string }> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  try {
    const child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      env: { NO_COLOR: "1", ...env },
      ...as,
      // Another user may not enter the working directory of root, and then cannot run anything.
      ...as.uid === undefined ? {} : { cwd: "/" },
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

/**
 * Creates the log as the owner of the state folder; run as root, the hook would create one that its user cannot write.
 */
export async function createLogAsOwner(state: string): Promise<void> {
  const [folder, log] = [pathInfo(state), pathInfo(`${state}/log`)];
  if (Deno.uid() !== 0 || folder.kind !== "folder" || folder.uid === 0 || log.kind !== "missing") return;
  // This program has no write permission itself.
  const owner = ["-o", String(folder.uid), "-g", String(Deno.statSync(state).gid)];
  await run(["/usr/bin/install", "-m", "600", ...owner, "/dev/null", log.path]);
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

/**
 * Throws an error again. If the launcher did not permit the command to connect to countersign serve, the fix is the
 * command that may.
 */
export function throwWithNetwork(error: unknown, command: string, args: readonly string[]): never {
  if (!(error instanceof Fail) || !(error.cause instanceof Deno.errors.NotCapable)) throw error;
  const { kind, message, file, cause } = error;
  throw new Fail(kind, message, { file, fix: withNetwork(command, args), cause });
}

const mainModule = (): string => decodeURIComponent(new URL(Deno.mainModule).pathname);
