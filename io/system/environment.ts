/** The environment: reading it, and the part that a child gets. */
import { PRINTENV } from "../../lib/paths.ts";
import { type Bytes, text } from "../../lib/bytes.ts";
import { Fail, quote } from "../../lib/fail.ts";

/**
 * The bytes of an environment variable, undefined when it is not there.
 *
 * qmail puts a stranger's bytes into SENDER and others. Deno refuses to read
 * what is not UTF-8; printenv is asked then.
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
      // It is missing, or not permitted. Only what the bytes are remains unknown.
    }
    return new TextEncoder().encode("\ufffd"); // set, but unreadable: nobody's address
  }
}

/** An environment variable as text; bytes that are not UTF-8 become U+FFFD. */
export async function env(name: string): Promise<string | undefined> {
  const bytes = await envBytes(name);
  return bytes && text(bytes);
}

/** A variable that is the user's own doing, empty when it is not set. */
export function plainEnv(name: string): string {
  try {
    return Deno.env.get(name) ?? "";
  } catch {
    throw new Fail("config", `Environment variable ${name} is not UTF-8`);
  }
}

/** Refuses an argument that was not UTF-8: Deno has put U+FFFD in its place, silently. */
export function checkArguments(args: readonly string[]): void {
  for (const argument of args) {
    if (argument.includes("\ufffd")) throw new Fail("usage", `Argument ${quote(argument)} is not UTF-8`);
  }
}

/** Holds the launcher's process id: it is the parent of this process for as long as it lives. */
export const LAUNCHER = "COUNTERSIGN_LAUNCHER";

/**
 * The environment for a program that we run, less what was meant for us alone.
 *
 * Variables of the dynamic linker are removed from our own as well: with limited permissions Deno starts no program
 * while one is set, whatever its value.
 */
export function childEnvironment(): Record<string, string> {
  const all = Deno.env.toObject();
  for (const name of Object.keys(all)) {
    if (!/^(?:LD|DYLD)_/.test(name)) continue;
    Deno.env.delete(name);
    delete all[name];
  }
  if (all.DENO_DIR?.endsWith("/countersign/cache")) delete all.DENO_DIR; // a launcher's, of no use to others
  delete all[LAUNCHER];
  return all;
}

/** The same, less the variables that would change what a mail program does with our arguments. */
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
