/** Whether a group is a user's private one, by passwd(5) and group(5), as OpenSSH decides it. */

/** The fields of each line. */
const rows = (text: string): string[][] =>
  text.split("\n").filter((line) => line !== "").map((line) => line.split(":"));

/**
 * Is everybody in this group one of these users?
 *
 * A group without members is not private: such groups are those of setgid programs. Nor can anything be said where
 * further accounts are kept elsewhere (a line with `+`, NIS).
 *
 * @param gid the group
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
