/** Files of the system that our programs use beyond what the settings name, and where the permissions of a settings file are. */

/** Tells what a variable holds that is not UTF-8. */
export const PRINTENV = "/usr/bin/printenv";

/** Kills a group, which Deno itself does for nobody who may run only some programs. */
export const KILL = "/bin/kill";

/** Where accounts and groups are listed: read only for a file that its group may write. */
export const [PASSWD, GROUP] = ["/etc/passwd", "/etc/group"];

/** Where the permissions of a settings file stand: `config.permissions` beside `config.toml`. */
export function permissionsFile(config: string): string {
  return `${config.replace(/\.toml$/, "")}.permissions`;
}
