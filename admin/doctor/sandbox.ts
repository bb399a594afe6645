/** The sandbox file against the settings: does it still list what they need, and nothing else? */
import { type Finding, findingsOf, type TextFile } from "./finding.ts";

const FIX = "countersign sandbox";

/** The finding for a sandbox file that exists and cannot be read: the launchers defer all mail. */
export function unreadable(file: string): Finding {
  const fix = `${FIX} --remove; ${FIX}`;
  return { what: "The sandbox file cannot be read", where: { file }, why: "All mail is deferred.", fix };
}

/** The finding for the file of a former version without a new one: the launchers defer all mail. */
export function former(file: string): Finding {
  const what = "The sandbox file was written by a former version";
  return { what, where: { file }, why: "All mail is deferred.", fix: FIX };
}

/**
 * Compares the sandbox file with what the settings need.
 *
 * @param there the sandbox file
 * @param wanted what it should hold
 */
export function checkSandbox(there: TextFile, wanted: string): Finding[] {
  const { list, add } = findingsOf(there.file);
  const lines = there.text.split("\n");
  const needed = wanted.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of needed.filter((one) => !lines.includes(one))) {
    const why = line.startsWith("ordinary ")
      ? "Each message to it starts the hook."
      : "The settings need it: mail is deferred.";
    add(`"${line}" is missing from the sandbox`, undefined, why, FIX);
  }
  for (const [nth, line] of lines.entries()) {
    if (line === "" || line.startsWith("#") || needed.includes(line)) continue;
    const why = line.startsWith("ordinary ")
      ? "The hook has to judge mail to it."
      : "The settings do not need it (any more).";
    add(`"${line}" is in the sandbox`, nth + 1, why, FIX);
  }
  if (((there.mode ?? 0) & 0o002) !== 0) {
    add("Everybody may write it", undefined, "Anybody could extend the sandbox.", `chmod 644 ${there.file}`);
  }
  return list;
}
