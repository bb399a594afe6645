/** Takes away what `deno task install` has put below a prefix, and nothing that is not as it was put there. */
import { Fail, reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { readArguments } from "../../admin/arguments.ts";
import { isThere } from "../../admin/files.ts";
import { checkPrefix, digestOf, HOME, linkAt, readInstalled } from "./installed.ts";

const HELP = `Usage: deno task uninstall [--prefix DIR]
Removes what was installed below DIR. What was changed there since is left and named. Settings, keys and state of users
(~/.config/countersign, ~/.local/state/countersign) stay: without its key, nobody knows what comes back of late.
First take the shim out of muttrc and the hook out of .qmail and the rest: what is not there cannot take mail.`;

async function uninstall(prefix: string): Promise<string[]> {
  const installed = readInstalled(prefix);
  if (installed === undefined) throw new Fail("usage", `Nothing of ours is installed below ${prefix}`);
  const kept: string[] = [];
  // The programs go first: half of them gone, none may still be called.
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
      // Somebody else has put something there.
    }
  }
  return kept;
}

if (import.meta.main) {
  try {
    if (Deno.args.includes("--help")) console.log(HELP);
    else {
      const given = readArguments(Deno.args, { values: ["prefix"] });
      if (given.operands.length > 0) throw new Fail("usage", "Say where: --prefix /usr/local");
      const prefix = checkPrefix(given.value("prefix"));
      for (const path of await uninstall(prefix)) console.log(`Left, for it was changed: ${path}`);
    }
  } catch (error) {
    printError("uninstall", reason(error));
    Deno.exit(error instanceof Fail ? 64 : 73);
  }
}
