/** Removes the files that `deno task install` installed below a prefix, unless they were changed since. */
import { Fail } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { readArguments } from "../../admin/arguments.ts";
import { isThere } from "../../admin/files.ts";
import { digestOf, HOME, installationError, linkAt, prefixOf, readInstalled } from "./installed.ts";

const HELP = `Usage: deno task uninstall [--prefix DIR]
Remove the files installed below DIR. Files that were changed since are kept and listed.
Settings, keys and state of users (~/.config/countersign, ~/.local/state/countersign) are kept: late bounces can only be
verified with the keys. First remove the shim from muttrc and the hook from .qmail, or mail will be deferred.`;

async function uninstall(prefix: string): Promise<string[]> {
  const installed = readInstalled(prefix);
  if (installed === undefined) throw new Fail("usage", `Countersign is not installed below ${prefix}`);
  const kept: string[] = [];
  // Remove links and launchers first, so that no program is called without its files.
  for (const [at, to] of Object.entries(installed.links)) {
    if (linkAt(`${prefix}/${at}`) === to) Deno.removeSync(`${prefix}/${at}`);
    else if (isThere(`${prefix}/${at}`)) kept.push(`${prefix}/${at}`);
  }
  for (const [at, digest] of Object.entries(installed.files)) {
    const path = `${prefix}/${at}`;
    if (await digestOf(path) === digest) Deno.removeSync(path);
    else if (isThere(path)) kept.push(path);
  }
  Deno.removeSync(`${prefix}/${HOME}`, { recursive: true });
  for (const folder of installed.folders.toReversed()) {
    try {
      Deno.removeSync(folder);
    } catch {
      // The folder contains other files.
    }
  }
  return kept;
}

if (import.meta.main) {
  try {
    if (Deno.args.includes("--help")) console.log(HELP);
    else {
      const given = readArguments(Deno.args, { values: ["prefix"] });
      const prefix = prefixOf(given);
      for (const path of await uninstall(prefix)) console.log(`Kept, because it was changed: ${path}`);
    }
  } catch (error) {
    printError("uninstall", installationError(error));
    Deno.exit(error instanceof Fail && error.kind === "usage" ? 64 : 73);
  }
}
