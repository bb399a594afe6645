/** Checks whether the user of a service of pipe(8) can use the state: the folder, or the socket `lookup`. */
import { asksLookup, lookupSocket } from "../../lib/settings/lookup.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { accounts, groupId, whyDenied } from "./access.ts";
import { pathAndParents } from "./filesystem.ts";
import type { Finding } from "./finding.ts";
import { isAllowedByAcl } from "./forward_hooks.ts";
import { checkFolder } from "./state.ts";

/** Returns the problem; undefined if there is none, or if the user is unknown. `group` is that of `user=NAME:GROUP`. */
export function pipeStateTrouble(
  settings: Settings,
  user: string,
  group: string | undefined,
): Pick<Finding, "what" | "fix"> | undefined {
  const account = accounts().find(({ name }) => name === user);
  if (account === undefined) return undefined;
  const { uid } = account;
  if (!asksLookup(settings)) {
    return checkFolder(pathAndParents(settings.state.folder), "the state folder", uid, true)[0];
  }
  const socket = lookupSocket(settings);
  // Postfix gives the program this group alone.
  const gid = group === undefined ? account.gid : groupId(group);
  const denied = gid === undefined ? undefined : whyDenied(socket, uid, new Set([gid]), 2, "the socket");
  if (denied === undefined || isAllowedByAcl(socket, uid, gid!)) return undefined;
  return {
    what: `the socket lookup cannot be opened: ${denied}`,
    fix: `user=${user}:GROUP, with the group of ${socket}`,
  };
}
