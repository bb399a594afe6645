/** Checks a mailbox in mbox format. */
import { type Finding, findingsOf } from "./finding.ts";
import type { PathInfo } from "./filesystem.ts";
import { writable } from "./state.ts";

/** The programs by which the hook locks a mailbox, and their Debian packages. */
const LOCKERS = [["/usr/bin/dotlockfile", "liblockfile-bin"], ["/usr/bin/perl", "perl-base"]] as const;

/**
 * Checks the file and the programs that lock it.
 *
 * @param chain the path and its parents, up to the first that exists
 * @param purpose what the mailbox is used for
 */
export function checkMbox(
  chain: readonly PathInfo[],
  purpose: string,
  user: number,
  isFile: (path: string) => boolean,
): Finding[] {
  const [mailbox, folder] = chain as [PathInfo, PathInfo | undefined];
  const { path } = mailbox;
  const { list, add } = findingsOf(path);
  const why = `It is ${purpose}, and the hook defers mail that it cannot deliver.`;
  const missing = LOCKERS.filter(([program]) => !isFile(program));
  if (missing.length > 0) {
    const names = missing.map(([program]) => program).join(" and ");
    add(
      "mbox-lock",
      `${names} does not exist`,
      undefined,
      "The hook cannot lock a mailbox without it.",
      install(missing),
    );
  }
  const create = `install -o ${user} -g mail -m 660 /dev/null ${path}`;
  if (mailbox.kind === "inaccessible") {
    add("mbox-unusable", `${path} cannot be examined`, undefined, why, `ls -ld ${parent(path)}`);
  } else if (mailbox.kind === "missing") {
    if (folder?.kind !== "folder" || folder.path !== parent(path)) {
      add("mbox-missing", `The folder of ${path} does not exist`, undefined, why, `mkdir -p ${parent(path)}`);
    } else if (!writable(folder, user)) add("mbox-missing", `${path} does not exist`, undefined, why, create);
  } else if (mailbox.kind !== "file") {
    add("mbox-unusable", `${path} is not a file`, undefined, why, "In [incoming], name a maildir without mbox:");
  } else if (user !== 0 && mailbox.uid !== user) {
    add(
      "mbox-unusable",
      `${path} belongs to user ${mailbox.uid}, not to ${user}`,
      undefined,
      why,
      `chown ${user} ${path}`,
    );
  }
  return list;
}

const install = (missing: readonly (typeof LOCKERS[number])[]) =>
  `apt-get install ${missing.map(([, pack]) => pack).join(" ")}`;

const parent = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";
