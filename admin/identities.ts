/** Reads keys for the commands of an administrator, who is root while a site's files may belong to another user. */
import type { Identity } from "../lib/settings/identity.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { loadIdentities } from "../io/system/load.ts";
import { pathInfo } from "./doctor/filesystem.ts";

/**
 * Returns the user of a site when root runs the command: the owner of its state. Keys and logins may belong to them; if
 * they were given to root, the programs of the site could no longer read them.
 */
export function siteUser({ state }: Settings): number | undefined {
  const { kind, uid } = pathInfo(state.folder);
  return Deno.uid() === 0 && kind === "folder" && uid !== 0 ? uid : undefined;
}

/**
 * Returns the user and group as whom root runs programs of a site: the owner of its state, if they can read the keys.
 * Files that root creates there could not be read by the other programs.
 */
export function siteAccount(settings: Settings): { readonly uid?: number; readonly gid?: number } {
  const uid = siteUser(settings);
  const gid = uid === undefined ? undefined : Deno.statSync(settings.state.folder).gid ?? undefined;
  const readable = settings.identity.every(({ keys, group }) => pathInfo(keys).uid === uid || group);
  return gid === undefined || !readable ? {} : { uid: uid!, gid };
}

/** Returns the identities, whose key files may belong to the user of the site. */
export const readIdentities = (settings: Settings): Identity[] => loadIdentities(settings, siteUser(settings));
