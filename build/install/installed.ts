/** What was installed below a prefix, written down there, so that it can be taken away again and nothing else with it. */
import { Fail } from "../../lib/fail.ts";

/** What stands in the list. */
export interface Installed {
  /** Files outside of our own folder, by their digest: one that was changed since is somebody else's. */
  readonly files: Readonly<Record<string, string>>;
  /** Links, and what they lead to. */
  readonly links: Readonly<Record<string, string>>;
  /** Folders that were made, the inner ones last. */
  readonly folders: readonly string[];
}

/** Our own folder below the prefix; all in it is ours. */
export const HOME = "lib/countersign";

const list = (prefix: string) => `${prefix}/${HOME}/installed.json`;

/** What was installed; nothing, where nothing was. */
export function readInstalled(prefix: string): Installed | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(list(prefix)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof SyntaxError) throw new Error(`${list(prefix)} is broken: remove it and install again`);
    throw error;
  }
}

/** The text of the list, and its name. */
export function listOf(prefix: string, installed: Installed): [string, string] {
  return [list(prefix), `${JSON.stringify(installed, null, 2)}\n`];
}

/** A digest of a file, empty when it is not there. */
export async function digestOf(path: string): Promise<string> {
  try {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path))).toHex();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Where a link leads; undefined when there is no link. */
export function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/** Where programs go when nobody says where: for all by root, else for the user. */
export function usualPrefix(user: number | null, home = ""): string {
  return user === 0 ? "/usr/local" : home === "" ? "" : `${home}/.local`;
}

/** The value of `--prefix`, absolute and without a slash at its end. @throws {Fail} `usage` */
export function checkPrefix(prefix = usualPrefix(Deno.uid(), Deno.env.get("HOME"))): string {
  if (prefix === "") throw new Fail("usage", "Say where: --prefix /usr/local");
  if (!prefix.startsWith("/")) throw new Fail("usage", `Prefix ${JSON.stringify(prefix)} does not begin with /`);
  if (prefix.includes(",")) {
    throw new Fail("usage", `Prefix ${prefix} has a comma, which Deno takes for the end of a path`);
  }
  return prefix.replace(/\/+$/, "");
}
