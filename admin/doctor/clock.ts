/** Compares the clock with the time of the last log line. */
import type { Finding } from "./finding.ts";
import type { LogFile } from "./logfile.ts";

/** Difference that is tolerated, in milliseconds. */
const CLOCK_TOLERANCE_MS = 24 * 60 * 60 * 1000;

/** Reports a clock that is earlier than the last line of the log. */
export function checkClock(log: LogFile, now: Date): Finding[] {
  for (const line of log.lines()) {
    const [, stamp] = /^time=(\S+)/.exec(line.text) ?? [];
    if (stamp === undefined) continue;
    const time = Date.parse(stamp);
    if (Number.isNaN(time) || time - now.getTime() <= CLOCK_TOLERANCE_MS) return [];
    return [{
      id: "clock-wrong",
      what: `The clock is at ${now.toISOString()}, but the last line of the log is of ${stamp}`,
      where: { file: log.file, line: log.numberOf(line) },
      why: "Signed addresses and tags contain the date: with a wrong date they come back expired or forged.",
      fix:
        "Set the clock (timedatectl set-ntp true). If it is right now, remove the lines that are dated in the future.",
    }];
  }
  return [];
}
