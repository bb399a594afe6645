/** Determines whether another user may read a file, by the modes of the file and of its folders. */
import { textFile } from "./filesystem.ts";

/** Returns why a user may not read a file; undefined if they may, or if that cannot be determined. */
export function whyUnreadable(path: string, uid: number): string | undefined {
  const groups = groupsOf(uid);
  const parts = path.split("/").slice(1);
  for (let depth = 1; depth <= parts.length; depth++) {
    const name = `/${parts.slice(0, depth).join("/")}`;
    const last = depth === parts.length;
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(name);
    } catch {
      return undefined; // the check of the keys reports it
    }
    const shift = info.uid === uid ? 6 : groups.has(info.gid ?? -1) ? 3 : 0;
    const wanted = last ? 4 : 1;
    if ((((info.mode ?? 0) >> shift) & wanted) === 0) {
      const mode = ((info.mode ?? 0) & 0o777).toString(8);
      return `mode 0${mode} of ${last ? "the file" : name}, owner ${info.uid}, group ${info.gid}`;
    }
  }
  return undefined;
}

/** Returns the groups of a user in /etc/passwd and /etc/group. */
function groupsOf(uid: number): ReadonlySet<number> {
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
