/** `countersign sandbox`: writes the sandbox file, by which the launchers restrict shim and hook. */
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { atMost, runCommand } from "./arguments.ts";
import {
  changeWhole,
  createWhole,
  isGroupWritable,
  lastChange,
  makeFolder,
  realPath,
  waitUntilLater,
} from "./files.ts";
import { formerSandboxFile, sandboxFile } from "../lib/paths.ts";
import { ordinaryAddresses, permissions, printSandbox } from "../lib/settings/sandbox.ts";
import { sharedSecret } from "./shared_secret.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign sandbox [--print] [--config FILE]
       countersign sandbox --remove [--config FILE]
Writes the sandbox file beside the settings: config.sandbox for config.toml. It lists what the shim and the hook may
read, write, run and connect to, which is what the settings name and no more; Deno enforces it. It also lists the
addresses to which ordinary mail passes under qmail without the hook. After changing the settings, run it again to
update the sandbox; until then access to what they newly name is denied, and mail is deferred with a message that says
so. Without the file both programs may read, write and run what you may, and connect to nothing.

  --print        Print the sandbox file instead of writing it
  --remove       Remove the sandbox file
  --config FILE  Settings file, instead of ~/.config/countersign/config.toml

Example: countersign sandbox
`;

/** Runs the command. @returns the exit status */
export function sandbox(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"], flags: ["print", "remove"] }, (given) => {
    atMost(given, 0);
    const [prints, removes] = [given.has("print"), given.has("remove")];
    if (prints && removes) throw new Fail("usage", "Options --print and --remove exclude each other");
    const place = configFile(given.value("config"));
    const paths = [sandboxFile(place.file), formerSandboxFile(place.file)];
    // Also when the settings cannot be read: it is the way back.
    if (removes) return remove(paths);
    const changed = lastChange(place.file);
    const settings = loadSettings(place);
    const shared = sharedSecret(loadIdentities(settings));
    if (shared !== undefined) {
      throw new Fail("config", `${shared.join(" and ")} have the same secret in their key files`);
    }
    if (prints) {
      const list = permissions(settings, place, realPath, isGroupWritable);
      Deno.stdout.writeSync(new TextEncoder().encode(printSandbox(list, ordinaryAddresses(settings))));
    } else say(`Written: ${writeSandbox(settings, place, changed)}`);
  });
}

const LISTS =
  "# Lists to which mail goes with your plain address as sender, one a line; countersign plain add writes here.\n";

/**
 * Writes the sandbox file, and removes that of a former version. Makes the folders above those that may be written, which
 * is not permitted later, and an empty file of lists: to find that there is none would cost each process two
 * milliseconds.
 *
 * @param changed when the settings file was last changed, before it was read
 * @returns the file
 */
export function writeSandbox(settings: Settings, place: ConfigSource, changed: Date | undefined): string {
  const list = permissions(settings, place, realPath, isGroupWritable);
  for (const { right, thing } of list) {
    if (right !== "write" || thing.startsWith("~")) continue;
    makeFolder(thing.slice(0, thing.lastIndexOf("/")));
  }
  const mode = Deno.statSync(place.file).mode! & 0o644;
  const create = (path: string, text: string) => {
    const made = createWhole(path, text);
    if (made) Deno.chmodSync(path, mode);
    return made;
  };
  create(settings.plain_lists, LISTS);
  // The launcher lets ordinary mail pass only by a sandbox file that is newer than the settings.
  if (changed !== undefined) waitUntilLater(changed);
  const [path, text] = [sandboxFile(place.file), printSandbox(list, ordinaryAddresses(settings))];
  if (!create(path, text)) changeWhole(path, () => text);
  // By now the settings may be others than those that were read: then the file must not pass for newer.
  if (changed !== undefined && lastChange(place.file)?.getTime() !== changed.getTime()) {
    Deno.utimeSync(path, changed, changed);
  }
  removeIfPresent(formerSandboxFile(place.file));
  return path;
}

function remove(paths: readonly string[]): void {
  const removed = paths.filter(removeIfPresent);
  say(removed.length > 0 ? `Removed: ${removed.join(", ")}` : `${paths[0]} does not exist`);
}

/** @returns did it exist? */
function removeIfPresent(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
