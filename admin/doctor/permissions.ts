/** The permission line against the settings: have they drifted apart? */
import { type Permission, printPermissions } from "../../lib/settings/permissions.ts";
import { type Finding, findingsOf, type TextFile } from "./finding.ts";

const MEND = "countersign permit";

/** The finding for a file that is there and cannot be read, or is none: the launchers stop at it. */
export function unreadable(file: string): Finding {
  const fix = `${MEND} --remove; ${MEND}`;
  return { what: "The permissions cannot be read", where: { file }, why: "All mail will wait.", fix };
}

/**
 * Compares what is permitted with what the settings need.
 *
 * @param there the file of permissions
 * @param wanted what it should hold
 */
export function checkPermissions(there: TextFile, wanted: readonly Permission[]): Finding[] {
  const { list, add } = findingsOf(there.file);
  const lines = there.text.split("\n");
  const needed = wanted.map((one) => printPermissions([one]).split("\n").at(-2)!);
  for (const line of needed.filter((one) => !lines.includes(one))) {
    add(`"${line}" is not permitted`, undefined, "The settings need it: mail will wait.", MEND);
  }
  for (const [nth, line] of lines.entries()) {
    if (line === "" || line.startsWith("#") || needed.includes(line)) continue;
    add(`"${line}" is permitted`, nth + 1, "The settings do not need it (any more).", MEND);
  }
  if (((there.mode ?? 0) & 0o002) !== 0) {
    add("Everybody may write it", undefined, "Anybody could permit more.", `chmod 644 ${there.file}`);
  }
  return list;
}
