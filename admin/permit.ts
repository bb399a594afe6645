/** `countersign permit`: writes beside the settings what shim and hook may touch, for their launchers. */
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { atMost, runCommand } from "./arguments.ts";
import { changeWhole, createWhole, isGroupWritable, makeFolder, realPath } from "./files.ts";
import { permissionsFile } from "../lib/paths.ts";
import { permissions, printPermissions } from "../lib/settings/permissions.ts";
import { sharedSecret } from "./shared_secret.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign permit [--print] [--config FILE]
       countersign permit --remove [--config FILE]
Writes what the shim and the hook may read, write, run and connect to, beside the settings: config.permissions for
config.toml. It is what the settings name and no more, and Deno holds the programs to it. Run it again when the settings
have changed; until then what they newly name is refused, for the time being, with a line that says so. Without the file
both may read, write and run what you may, and connect to nothing.

  --print        writes nothing, shows it
  --remove       takes it away
  --config FILE  settings, instead of ~/.config/countersign/config.toml

Example: countersign permit
`;

/** Runs the command. @returns the exit status */
export function permit(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"], flags: ["print", "remove"] }, (given) => {
    atMost(given, 0);
    const [prints, removes] = [given.has("print"), given.has("remove")];
    if (prints && removes) throw new Fail("usage", "Options --print and --remove exclude each other");
    const place = configFile(given.value("config"));
    const path = permissionsFile(place.file);
    // Also when the settings cannot be read: it is the way back.
    if (removes) return remove(path);
    const settings = loadSettings(place);
    const shared = sharedSecret(loadIdentities(settings));
    if (shared !== undefined) {
      throw new Fail("config", `${shared.join(" and ")} have the same secret in their key files`);
    }
    if (prints) {
      Deno.stdout.writeSync(
        new TextEncoder().encode(printPermissions(permissions(settings, place, realPath, isGroupWritable))),
      );
    } else say(`Written: ${writePermissions(settings, place)}`);
  });
}

const LISTS =
  "# Lists to which mail goes with your plain address as sender, one a line; countersign plain add writes here.\n";

/**
 * Writes them. Makes the folders above those that may be written, which is not permitted later, and an empty file of
 * lists: to find that there is none would cost each process two milliseconds.
 *
 * @returns the file
 */
export function writePermissions(settings: Settings, place: ConfigSource): string {
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
  const [path, text] = [permissionsFile(place.file), printPermissions(list)];
  if (!create(path, text)) changeWhole(path, () => text);
  return path;
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    say(`${path} is not there`);
    return;
  }
  say(`Removed: ${path}`);
}
