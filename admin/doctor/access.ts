/** Determines whether another user may read a file, by the modes of the file and of its folders. */
import { textFile } from "./filesystem.ts";

/** Returns why a user may not read a file; undefined if they may, or if that cannot be determined. */
export const whyUnreadable = (path: string, uid: number): string | undefined =>
  whyDenied(path, uid, groupsOf(uid), 4, "the file");

/**
 * Returns why a user may not use a file or socket; undefined if they may, or if that cannot be determined.
 *
 * @param wanted the permission bits: 4 to read, 2 to write, which connecting to a socket requires
 */
export function whyDenied(
  path: string,
  uid: number,
  groups: ReadonlySet<number>,
  wanted: number,
  kind: string,
): string | undefined {
  if (uid === 0) return undefined;
  const parts = path.split("/").slice(1);
  for (let depth = 1; depth <= parts.length; depth++) {
    const name = `/${parts.slice(0, depth).join("/")}`;
    const last = depth === parts.length;
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(name);
    } catch {
      return undefined; // other checks report what is missing
    }
    const shift = info.uid === uid ? 6 : groups.has(info.gid ?? -1) ? 3 : 0;
    if ((((info.mode ?? 0) >> shift) & (last ? wanted : 1)) === 0) {
      const mode = ((info.mode ?? 0) & 0o777).toString(8);
      return `mode 0${mode} of ${last ? kind : name}, owner ${info.uid}, group ${info.gid}`;
    }
  }
  return undefined;
}

/** An account of this machine. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
  readonly home: string;
}

/** Returns the accounts in /etc/passwd. */
export function accounts(): Account[] {
  return lines("/etc/passwd").filter((fields) => fields.length >= 7).map(([name, , uid, gid, , home]) => {
    return { name: name!, uid: Number(uid), gid: Number(gid), home: home! };
  });
}

/** Returns the gid of a group in /etc/group; undefined if it is not there. */
export function groupId(name: string): number | undefined {
  const gid = lines("/etc/group").find(([group]) => group === name)?.[2];
  return gid === undefined ? undefined : Number(gid);
}

/** Returns the groups of a user in /etc/passwd and /etc/group. */
export function groupsOf(uid: number): ReadonlySet<number> {
  const account = lines("/etc/passwd").find((fields) => fields[2] === String(uid));
  const groups = new Set<number>();
  if (account === undefined) return groups;
  groups.add(Number(account[3]));
  for (const [, , gid, members = ""] of lines("/etc/group")) {
    if (members.split(",").includes(account[0]!)) groups.add(Number(gid));
  }
  return groups;
}

function lines(path: string): string[][] {
  return (textFile(path)?.text ?? "").split("\n").map((line) => line.split(":"));
}
