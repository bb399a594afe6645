/** Decides from passwd(5) and group(5) whether a group is private, as OpenSSH does. */

/** Splits the lines into fields. */
const rows = (text: string): string[][] =>
  text.split("\n").filter((line) => line !== "").map((line) => line.split(":"));

/**
 * Returns whether all members of this group are among these users.
 *
 * A group without members is not private, because setgid programs use such groups. No group is private when further
 * accounts are stored elsewhere (a line with `+`, NIS).
 *
 * @param gid the group id
 * @param users user ids
 * @param accounts the text of /etc/passwd
 * @param groups the text of /etc/group
 */
export function isGroupOf(gid: number, users: readonly number[], accounts: string, groups: string): boolean {
  const [passwd, group] = [rows(accounts), rows(groups)];
  if ([...passwd, ...group].some(([name = ""]) => /^[+-]/.test(name))) return false;
  const primary = passwd.filter((row) => Number(row[3]) === gid).map(([name]) => name);
  const listed = group.filter((row) => Number(row[2]) === gid).flatMap((row) => (row[3] ?? "").split(","));
  const members = [...primary, ...listed].filter((name) => name !== "");
  return members.length > 0 && members.every((name) => {
    const ids = passwd.filter(([one]) => one === name).map((row) => Number(row[2]));
    return ids.length > 0 && ids.every((id) => users.includes(id));
  });
}
