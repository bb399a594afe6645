/** Checks the folders and the log that the programs write to. */
import type { PathInfo } from "./filesystem.ts";
import { type Finding, findingsOf } from "./finding.ts";

/** Whether a user may write to a path; a group with write permission is assumed to be theirs. */
export function writable({ mode, uid }: PathInfo, user: number): boolean {
  if (user === 0) return true;
  return uid === user ? (mode & 0o200) !== 0 : (mode & 0o022) !== 0;
}

/**
 * Checks a folder that is created when needed.
 *
 * @param chain the path and its parents, up to the first that exists
 * @param purpose what the folder is used for
 */
export function checkFolder(chain: readonly PathInfo[], purpose: string, user: number, own: boolean): Finding[] {
  const [folder] = chain as [PathInfo];
  const there = chain.find(({ kind }) => kind !== "missing") ?? folder;
  const { list, add } = findingsOf(there.path);
  const why = `It is ${purpose}.`;
  if (there.kind === "inaccessible") {
    add("folder-inaccessible", `${there.path} cannot be examined`, undefined, why, `chmod u+rwx ${parent(there.path)}`);
  } else if (there.kind !== "folder") {
    add("folder-wrong", `${there.path} is not a folder`, undefined, why, `mv ${there.path} ${there.path}.old`);
  } else if (!writable(there, user)) {
    const fix = there === folder ? ownershipFix(there, user) : `install -d -o ${user} -m 700 ${folder.path}`;
    add("folder-unwritable", `${there.path} cannot be written by user ${user}`, undefined, why, fix);
  } else if (own && there === folder && (there.mode & 0o002) !== 0) {
    const harm = "Anybody could change the record of sent mail and of answered challenges.";
    add("folder-open", `${there.path} is world-writable`, undefined, harm, `chmod 700 ${there.path}`);
  } else if (own && there === folder && user !== 0 && there.uid !== user) {
    const harm = "The hook runs as this user and must be able to write there.";
    add(
      "folder-owner",
      `${there.path} belongs to user ${there.uid}, not to ${user}`,
      undefined,
      harm,
      ownershipFix(there, user),
    );
  }
  return list;
}

/** Checks that the log can be written. */
export function checkLog(log: PathInfo, user: number): Finding[] {
  const { list, add } = findingsOf(log.path);
  // checkRecentLog reports a log that cannot be examined.
  if (log.kind === "missing" || log.kind === "inaccessible") return list;
  const why = "There will be no record of what happened to a message.";
  if (log.kind !== "file") {
    add("log-wrong", `The log ${log.path} is not a file`, undefined, why, `mv ${log.path} ${log.path}.old`);
  } else if (!writable(log, user)) {
    add(
      "log-unwritable",
      `The log ${log.path} cannot be written by user ${user}`,
      undefined,
      why,
      ownershipFix(log, user),
    );
  }
  return list;
}

/** Returns the finding for a log that cannot be read. */
export function unreadableLog(file: string, why: string): Finding {
  return {
    id: "log-unreadable",
    what: `The log cannot be read: ${why}`,
    where: { file },
    why: "The clock, sent mail and rejected bounces are not checked against it.",
    fix: `chmod u+r ${file}, or run doctor as its owner`,
  };
}

/** Returns how a user gets access; what belongs to another user than root, such as that of a site, stays theirs. */
function ownershipFix({ path, uid }: PathInfo, user: number): string {
  if (uid === user) return `chmod u+w ${path}`;
  return uid === 0 ? `chown -R ${user} ${path}` : `Use a folder of your own, or run the program as user ${uid}`;
}

const parent = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";
