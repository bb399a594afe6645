/** Checks that the sandbox file lists what the settings need, and nothing else. */
import { ownershipFix } from "../../io/system/files.ts";
import type { PathInfo } from "./filesystem.ts";
import { type Finding, findingsOf, type TextFile } from "./finding.ts";

const FIX = "countersign sandbox";

/** Returns the finding for a sandbox file that exists and cannot be read: the launchers defer all mail. */
export function unreadable({ path: file, uid }: PathInfo, user = Deno.uid()): Finding {
  // Only the owner of a file can replace it; a user of a site must be allowed to read it.
  const fix = user === 0 || uid === user ? `${FIX} --remove; ${FIX}` : ownershipFix(file, user);
  return {
    id: "sandbox-unreadable",
    what: "The sandbox file cannot be read",
    where: { file },
    why: "The launchers defer all mail of users who cannot read it.",
    fix,
  };
}

/** Returns the finding for the file of an earlier version without a new one: the launchers defer all mail. */
export function outdated(file: string): Finding {
  const what = "The sandbox file was written by an earlier version";
  return { id: "sandbox-outdated", what, where: { file }, why: "All mail is deferred.", fix: FIX };
}

/**
 * Compares the sandbox file with what the settings need.
 *
 * @param sandbox the sandbox file
 * @param wanted the text that it should have
 */
export function checkSandbox(sandbox: TextFile, wanted: string): Finding[] {
  const { list, add } = findingsOf(sandbox.file);
  const lines = sandbox.text.split("\n");
  const needed = wanted.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of needed.filter((one) => !lines.includes(one))) {
    add("sandbox-missing-line", `"${line}" is missing from the sandbox`, undefined, effectOf(line), FIX);
  }
  for (const [nth, line] of lines.entries()) {
    if (line === "" || line.startsWith("#") || needed.includes(line)) continue;
    const why = line.startsWith("ordinary ")
      ? "The hook must judge mail to this address."
      : "The settings no longer need it.";
    add("sandbox-extra-line", `"${line}" is in the sandbox`, nth + 1, why, FIX);
  }
  if (((sandbox.mode ?? 0) & 0o002) !== 0) {
    add(
      "sandbox-writable",
      "The file is world-writable",
      undefined,
      "Anybody could extend the sandbox.",
      `chmod 644 ${sandbox.file}`,
    );
  }
  return list;
}

/** Returns the effect of a missing line. */
function effectOf(line: string): string {
  if (line.startsWith("ordinary ")) return "The hook is started for each message to this address.";
  if (line.startsWith("door ")) return "hooks/queue does not know what countersign serve may reject.";
  if (line.startsWith("serve ")) return "countersign serve needs it, and may not start.";
  return "The settings require it, so mail is deferred.";
}
