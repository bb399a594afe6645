/** The clock, against what was written by it before. */
import type { Finding } from "./finding.ts";
import type { LogFile } from "./logfile.ts";

/** Milliseconds by which two machines may differ. */
const LEEWAY = 24 * 60 * 60 * 1000;

/** The last line of the log cannot have been written tomorrow. */
export function checkClock(log: LogFile, now: Date): Finding[] {
  for (const line of log.lines()) {
    const [, stamp] = /^time=(\S+)/.exec(line.text) ?? [];
    if (stamp === undefined) continue;
    const time = Date.parse(stamp);
    if (Number.isNaN(time) || time - now.getTime() <= LEEWAY) return [];
    return [{
      what: `The clock says ${now.toISOString()}, but the log goes on to ${stamp}`,
      where: { file: log.file, line: log.numberOf(line) },
      why: "Signed addresses and tags hold the day: with a wrong one they are expired, or forged, when they come back.",
      fix: "Set the clock (timedatectl set-ntp true); when it is right now, remove the lines that lie ahead.",
    }];
  }
  return [];
}
