/** Reads the environment, and makes the environment of a child process. */
import { PRINTENV } from "../../lib/paths.ts";
import { type Bytes, text } from "../../lib/bytes.ts";
import { Fail, quote } from "../../lib/fail.ts";

/**
 * Returns the bytes of an environment variable; undefined if it is not set.
 *
 * qmail copies bytes of the SMTP session into SENDER and other variables. Deno cannot read a value that is not UTF-8,
 * so this function runs printenv for it.
 */
export async function envBytes(name: string): Promise<Bytes | undefined> {
  try {
    const value = Deno.env.get(name);
    return value === undefined ? undefined : new TextEncoder().encode(value);
  } catch {
    try {
      childEnvironment();
      const { code, stdout } = await new Deno.Command(PRINTENV, { args: [name], stderr: "null" }).output();
      if (code === 0) return new Uint8Array(stdout.subarray(0, -1));
    } catch {
      // printenv is missing, or not permitted by the sandbox. The variable is set, but its bytes remain unknown.
    }
    return new TextEncoder().encode("\ufffd"); // never equals an address
  }
}

/** Returns an environment variable as text; bytes that are not UTF-8 become U+FFFD. */
export async function env(name: string): Promise<string | undefined> {
  const bytes = await envBytes(name);
  return bytes && text(bytes);
}

/** Returns a variable that the user sets; empty if it is not set. @throws {Fail} `config` if it is not UTF-8 */
export function plainEnv(name: string): string {
  try {
    return Deno.env.get(name) ?? "";
  } catch {
    throw new Fail("config", `Environment variable ${name} is not UTF-8`);
  }
}

/** Rejects arguments that were not UTF-8, in which Deno silently put U+FFFD. @throws {Fail} `usage` */
export function checkArguments(args: readonly string[]): void {
  for (const argument of args) {
    if (argument.includes("\ufffd")) throw new Fail("usage", `Argument ${quote(argument)} is not UTF-8`);
  }
}

/** Holds the process id of the launcher, which is the parent of this process as long as it lives. */
export const LAUNCHER = "COUNTERSIGN_LAUNCHER";

/** Holds the hard limit of open files, for servers. */
export const FILES = "COUNTERSIGN_FILES";

/** The launcher of submitd sets them. */
const ALLOCATOR = ["MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"];

/**
 * Returns the environment for a child process, without the variables that are meant only for this program.
 *
 * Also removes variables of the dynamic linker from the environment of this process, because with limited permissions
 * Deno does not start a program while one is set.
 */
export function childEnvironment(): Record<string, string> {
  const all = Deno.env.toObject();
  for (const name of Object.keys(all)) {
    if (!/^(?:LD|DYLD)_/.test(name)) continue;
    Deno.env.delete(name);
    delete all[name];
  }
  if (all.DENO_DIR?.endsWith("/countersign/cache")) delete all.DENO_DIR; // set by the launcher
  for (const name of [LAUNCHER, FILES, ...ALLOCATOR]) delete all[name];
  return all;
}

/** Returns the same, without the variables that would change how a mail program interprets its arguments. */
export function cleanEnvironment(): Record<string, string> {
  const all = childEnvironment();
  for (const name of Object.keys(all)) {
    if (
      /^(QMAIL(INJECT|USER|HOST|NAME|SUSER|SHOST|IDHOST|DEFAULTDOMAIN|DEFAULTHOST|PLUSDOMAIN|MFTFILE|RCPTS)|MAIL(USER|HOST|NAME)|NULLMAILER_.*)$/
        .test(name)
    ) {
      delete all[name];
    }
  }
  return all;
}

/** Variables with which a program finds its files, the user's keyring and the place to prompt for a passphrase. */
const KEYRING_VARIABLES =
  /^(?:HOME|PATH|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TERM|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_[A-Z_]+|TMPDIR|DBUS_SESSION_BUS_ADDRESS|GNUPGHOME|GPG_TTY|SSH_AUTH_SOCK|PASSWORD_STORE_[A-Z_]+)$/;

/** Returns the environment for a program that prints a password: only what it needs to reach a keyring. */
export function keyringEnvironment(): Record<string, string> {
  const all = childEnvironment();
  const kept = Object.entries(all).filter(([name]) => KEYRING_VARIABLES.test(name));
  // Without a PATH, Deno sets one that contains only its own folder.
  const path = (all.PATH ?? "").split(":").filter((one) => !one.endsWith("/node_compat_bin")).join(":");
  return { ...Object.fromEntries(kept), PATH: path || "/usr/local/bin:/usr/bin:/bin" };
}
