/** System files that the programs use in addition to those in the settings, and the path of the sandbox file. */

/** Prints environment variables whose value is not UTF-8, which Deno cannot read. */
export const PRINTENV = "/usr/bin/printenv";

/** Kills a process group, which Deno itself only does with permission to run all programs. */
export const KILL = "/bin/kill";

/** The lists of accounts and groups, which are only read for a file that its group can write. */
export const [PASSWD, GROUP] = ["/etc/passwd", "/etc/group"];

/** The name of this machine. */
export const HOSTNAME = "/etc/hostname";

/** Returns the sandbox file of a settings file: `config.sandbox` next to `config.toml`. */
export function sandboxFile(config: string): string {
  return `${config.replace(/\.toml$/, "")}.sandbox`;
}

/** Returns the file in which an earlier version stored the permissions, in another format. */
export function formerSandboxFile(config: string): string {
  return `${config.replace(/\.toml$/, "")}.permissions`;
}

/**
 * The socket `lookup` that the programs for mail servers use, unless the environment variable COUNTERSIGN_LOOKUP names
 * another one: they run as users who may not read the settings.
 */
export const USUAL_LOOKUP = "/run/countersign/lookup";

/** The sockets of `countersign serve` in `serve.socket_folder`; each is for one role. */
export const SERVE_SOCKETS = ["door", "sign", "lookup", "policy", "map"] as const;
