/** `countersign sandbox`: writes the sandbox file, with which the launchers restrict shim and hook. */
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { atMost, runCommand } from "./arguments.ts";
import { readIdentities } from "./identities.ts";
import {
  changeAtomically,
  createAtomically,
  isGroupWritable,
  lastChange,
  makeFolder,
  realPath,
  waitUntilLater,
} from "./files.ts";
import { formerSandboxFile, sandboxFile } from "../lib/paths.ts";
import { permissions, sandboxText } from "../lib/settings/sandbox.ts";
import { sharedSecret } from "./shared_secret.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign sandbox [--print] [--config FILE]
       countersign sandbox --remove [--config FILE]
Writes the sandbox file beside the settings: config.sandbox for config.toml. It lists what the shim and the hook may
read, write, run and connect to, which is what the settings name and no more; Deno enforces it. It also lists the
addresses whose ordinary mail bypasses the hook under qmail, and those about which hooks/queue and hooks/rcptcheck query
serve for every sender. After changing the settings, run it again to update the sandbox; until then, access to anything
new in them is denied, and mail is deferred with a message that says so. Without the file both
programs may read, write and run what you may, and connect to nothing.

  --print        Print the sandbox file instead of writing it
  --remove       Remove the sandbox file
  --config FILE  Settings file. Default: ~/.config/countersign/config.toml

Example: countersign sandbox
`;

/** Runs the command. @returns the exit status */
export function sandbox(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"], flags: ["print", "remove"] }, (options) => {
    atMost(options, 0);
    const [prints, removes] = [options.has("print"), options.has("remove")];
    if (prints && removes) throw new Fail("usage", "Options --print and --remove cannot be combined");
    const source = configFile(options.value("config"));
    const paths = [sandboxFile(source.file), formerSandboxFile(source.file)];
    // Before the settings are read, so that it works even if they cannot be read.
    if (removes) return remove(paths);
    const changed = lastChange(source.file);
    const settings = loadSettings(source, "users");
    const shared = sharedSecret(readIdentities(settings));
    if (shared !== undefined) {
      throw new Fail("config", `${shared.join(" and ")} have the same secret in their key files`);
    }
    if (prints) {
      const list = permissions(settings, source, realPath, isGroupWritable);
      say(sandboxText(list, settings).trimEnd());
    } else say(`Written: ${writeSandbox(settings, source, changed)}`);
  });
}

const LISTS =
  "# Lists that get mail with your plain address as envelope sender, one per line. See countersign plain.\n";

/**
 * Writes the sandbox file and removes that of an earlier version. Also creates the parents of writable folders, which
 * the sandboxed programs may not create, and an empty file of lists, because looking for a missing one takes each
 * process two milliseconds.
 *
 * @param changed the time of the last change of the settings file, taken before it was read
 * @returns the path of the sandbox file
 */
export function writeSandbox(settings: Settings, source: ConfigSource, changed: Date | undefined): string {
  const list = permissions(settings, source, realPath, isGroupWritable);
  for (const { right, thing } of list) {
    if (right !== "write" || thing.startsWith("~")) continue;
    makeFolder(thing.slice(0, thing.lastIndexOf("/")));
  }
  const { mode, gid } = Deno.statSync(source.file);
  const create = (path: string, text: string) => {
    const made = createAtomically(path, text);
    if (!made) return false;
    // Whoever may read the settings must be able to read what belongs to them, such as the group of a service.
    const shared = Deno.statSync(path).gid === gid || giveTo(gid!, path) || (mode! & 0o004) !== 0;
    Deno.chmodSync(path, mode! & (shared ? 0o644 : 0o600));
    return true;
  };
  create(settings.plain_lists, LISTS);
  // The launcher passes ordinary mail without the hook only if the sandbox file is newer than the settings.
  if (changed !== undefined) waitUntilLater(changed);
  const [path, text] = [
    sandboxFile(source.file),
    sandboxText(list, settings),
  ];
  if (!create(path, text)) changeAtomically(path, () => text);
  // If the settings were changed since they were read, the sandbox file must not be newer.
  if (changed !== undefined && lastChange(source.file)?.getTime() !== changed.getTime()) {
    Deno.utimeSync(path, changed, changed);
  }
  removeIfPresent(formerSandboxFile(source.file));
  return path;
}

/** Changes the group of a file. @returns false if the user is not a member of the group, and therefore may not */
function giveTo(gid: number, path: string): boolean {
  try {
    Deno.chownSync(path, null, gid);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

function remove(paths: readonly string[]): void {
  const removed = paths.filter(removeIfPresent);
  say(removed.length > 0 ? `Removed: ${removed.join(", ")}` : `${paths[0]} does not exist`);
}

/** Removes a file. @returns whether it existed */
function removeIfPresent(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
