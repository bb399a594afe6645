/** The clock, against what was written by it before. */
import type { Finding, TextFile } from "./finding.ts";

/** Milliseconds by which two machines may differ. */
const LEEWAY = 24 * 60 * 60 * 1000;

/** The last line of the log cannot have been written tomorrow. */
export function checkClock(log: TextFile, now: Date): Finding[] {
  const lines = log.text.split("\n");
  const last = lines.findLastIndex((line) => line.startsWith("time="));
  const [, stamp = ""] = /^time=(\S+)/.exec(lines[last] ?? "") ?? [];
  const time = Date.parse(stamp);
  if (Number.isNaN(time) || time - now.getTime() <= LEEWAY) return [];
  return [{
    what: `The clock says ${now.toISOString()}, but the log goes on to ${stamp}`,
    where: { file: log.file, line: last + 1 },
    why: "Signed addresses and tags hold the day: with a wrong one they are expired, or forged, when they come back.",
    mend: "Set the clock (timedatectl set-ntp true); when it is right now, remove the lines that lie ahead.",
  }];
}
