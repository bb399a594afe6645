/** Files of the system that our programs use beyond what the settings name, and the sandbox file of a settings file. */

/** Tells what a variable holds that is not UTF-8. */
export const PRINTENV = "/usr/bin/printenv";

/** Kills a group, which Deno itself does for nobody who may run only some programs. */
export const KILL = "/bin/kill";

/** Where accounts and groups are listed: read only for a file that its group may write. */
export const [PASSWD, GROUP] = ["/etc/passwd", "/etc/group"];

/** The sandbox file of a settings file: `config.sandbox` beside `config.toml`. */
export function sandboxFile(config: string): string {
  return `${config.replace(/\.toml$/, "")}.sandbox`;
}

/** Where a former version kept it, in another format. */
export function formerSandboxFile(config: string): string {
  return `${config.replace(/\.toml$/, "")}.permissions`;
}
