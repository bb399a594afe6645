/**
 * Checks that hooks in ~/.forward and dot-qmail files can open the socket `lookup`. Postfix and qmail-lspawn run them
 * as the user but without the user's additional groups, so that the socket may work for doctor, and for the user's
 * shim, but not for the hook.
 */
import { type Account, accounts, whyDenied } from "./access.ts";
import { isFile, textFile } from "./filesystem.ts";
import type { Finding } from "./finding.ts";
import { hookCall } from "./hook_call.ts";

/** The number of accounts whose files are read. */
const MAX_ACCOUNTS = 10_000;
const SITE_SETTINGS = "/etc/countersign/config.toml";
/** Where qmail gives a user another group. */
const ASSIGNED = "/var/qmail/users/assign";
const FILES = [".forward", ".qmail", ".qmail-srs-default"];
const GETFACL = "/usr/bin/getfacl";

/**
 * Returns the findings for all accounts as root, and for the user's own otherwise.
 *
 * @param socket the path of the socket
 * @param settings the settings file that names it; hooks with other settings are not checked
 */
export function checkForwardHooks(
  socket: string,
  settings: string,
  users: readonly Account[] = accounts(),
  assigned = ASSIGNED,
): Finding[] {
  const found: Finding[] = [];
  const own = Deno.uid();
  for (const { name, uid, gid, home } of users.slice(0, MAX_ACCOUNTS)) {
    if (uid === 0 || own !== 0 && uid !== own) continue;
    const ownSettings = `${home}/.config/countersign/config.toml`;
    const calls = FILES.map((file) => {
      return {
        file: `${home}/${file}`,
        line: hookLine(textFile(`${home}/${file}`)?.text ?? "", settings, ownSettings),
      };
    });
    const where = calls.find(({ line }) => line > 0);
    if (where === undefined) continue;
    const qmail = !where.file.endsWith("/.forward");
    const group = qmail ? assignedGroup(name, assigned) ?? gid : gid;
    const denied = whyDenied(socket, uid, new Set([group]), 2, "the socket");
    if (denied === undefined || isAllowedByAcl(socket, uid, group)) continue;
    found.push({
      id: "serve-lookup-denied",
      what: `The hook of ${name} cannot open the socket lookup: ${denied}`,
      where,
      why:
        `${qmail ? "qmail-lspawn" : "Postfix"} runs the hook without the additional groups of its user, so it defers ` +
        "mail that it cannot decide about.",
      fix: `setfacl -m u:${name}:rw ${socket} after each start, or ` +
        (qmail ? `lines for ${name} with its group in ${ASSIGNED}` : `use pipe(8) with user=${name}:GROUP`),
    });
  }
  return found;
}

/** Returns the group of a user's deliveries by qmail-users(5); undefined if it is that in /etc/passwd. */
function assignedGroup(name: string, path: string): number | undefined {
  const line = (textFile(path)?.text ?? "").split("\n").find((one) => one.startsWith(`=${name}:`));
  return line === undefined ? undefined : Number(line.split(":")[3]);
}

/** Returns the line that runs the hook with these settings; 0 if there is none. */
function hookLine(text: string, settings: string, ownSettings: string): number {
  return text.split("\n").findIndex((line) => {
    if (/^\s*#/.test(line) || hookCall(line) === undefined) return false;
    const named = /\s--config[=\s]\s*"?([^\s"]+)/.exec(line)?.[1];
    return (named ?? (isFile(ownSettings) ? ownSettings : SITE_SETTINGS)) === settings;
  }) + 1;
}

/** Returns whether an access control list permits what the mode does not. */
export function isAllowedByAcl(socket: string, uid: number, gid: number): boolean {
  if (!isFile(GETFACL)) return false;
  try {
    const { stdout } = new Deno.Command(GETFACL, { args: ["-pcn", socket], stderr: "null" }).outputSync();
    return new RegExp(`^(?:user:${uid}|group:${gid}):.w.`, "m").test(new TextDecoder().decode(stdout));
  } catch {
    return false;
  }
}
