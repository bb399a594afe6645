/** Checks whether the user of a mail server can open the socket `lookup` of `countersign serve`. */
import { accounts, groupsOf, whyDenied } from "./access.ts";
import type { SocketDenied } from "./clients.ts";
import { pathInfo } from "./filesystem.ts";
import { isAllowedByAcl } from "./forward_hooks.ts";

/**
 * Returns the first of these users that exists, and why they cannot open the socket; undefined if they can, or if the
 * socket is missing, because serve is not running.
 */
export function socketDenied(
  socket: string,
  users: readonly string[],
  groups: "primary" | "all",
): SocketDenied | undefined {
  const account = accounts().find(({ name }) => users.includes(name));
  if (account === undefined || pathInfo(socket).kind === "missing") return undefined;
  const { name, uid, gid } = account;
  const why = whyDenied(socket, uid, groups === "all" ? groupsOf(uid) : new Set([gid]), 2, "the socket");
  return why === undefined || isAllowedByAcl(socket, uid, gid) ? undefined : { user: name, why };
}
