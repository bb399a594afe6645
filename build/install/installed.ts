/** Records which files were installed below a prefix, so that uninstalling removes these and no others. */
import type { Arguments } from "../../admin/arguments.ts";
import { Fail, quote, reason } from "../../lib/fail.ts";

/** The contents of the record. */
export interface Installed {
  /** Files outside of the program's folder with their digests. A file that was changed since is not removed. */
  readonly files: Readonly<Record<string, string>>;
  /** Links and their targets. */
  readonly links: Readonly<Record<string, string>>;
  /** Created folders, inner ones last. */
  readonly folders: readonly string[];
}

/** The program's folder below the prefix. Everything in it belongs to the program. */
export const HOME = "lib/countersign";

const list = (prefix: string) => `${prefix}/${HOME}/installed.json`;

/** Reads the record; undefined if nothing was installed. @throws {Fail} `data` */
export function readInstalled(prefix: string): Installed | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(list(prefix)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof SyntaxError) {
      throw new Fail("data", "File is not valid JSON", { file: list(prefix), fix: "remove it and install again" });
    }
    throw error;
  }
}

/** Returns the path and the text of the record. */
export function listOf(prefix: string, installed: Installed): [string, string] {
  return [list(prefix), `${JSON.stringify(installed, null, 2)}\n`];
}

/** Returns the digest of a file; empty if it is missing. */
export async function digestOf(path: string): Promise<string> {
  try {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path))).toHex();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Returns the target of a link; undefined if there is no link. */
export function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/** Returns the default prefix: /usr/local for root, otherwise ~/.local. */
export function usualPrefix(user: number | null, home = ""): string {
  return user === 0 ? "/usr/local" : home === "" ? "" : `${home}/.local`;
}

/** Returns the value of `--prefix` without a trailing slash. @throws {Fail} `usage` */
export function prefixOf(options: Arguments): string {
  const [extra] = options.operands;
  const fix = "use --prefix /usr/local";
  if (extra !== undefined) throw new Fail("usage", `Unknown argument ${quote(extra)}`, { fix });
  const prefix = options.value("prefix") ?? usualPrefix(Deno.uid(), Deno.env.get("HOME"));
  if (prefix === "") throw new Fail("usage", "Prefix is missing", { fix });
  if (!prefix.startsWith("/")) throw new Fail("usage", `Prefix ${quote(prefix)} is not an absolute path`);
  if (prefix.includes(",")) {
    throw new Fail("usage", `Prefix ${quote(prefix)} contains a comma, which separates paths for Deno`);
  }
  return prefix.replace(/\/+$/, "");
}

/**
 * Returns why nothing was installed or removed, with what another user than root can do if the prefix is not theirs.
 */
export function installationError(error: unknown, user: number | null = Deno.uid()): string {
  const denied = error instanceof Deno.errors.PermissionDenied && user !== 0;
  return denied ? `${reason(error)}: run it as root, or with --prefix and a folder of yours` : reason(error);
}
