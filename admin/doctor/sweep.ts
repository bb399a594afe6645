/** Checks that `countersign sweep` still runs, if the user has ever run it. */
import { dayOf, printDay } from "../../lib/date.ts";
import type { Finding } from "./finding.ts";

/** Days without a sweep after which a timer has probably stopped. */
const MAX_DAYS = 7;

/** Returns when a maildir was last swept; undefined if never. */
export function lastSweep(stateFolder: string): Date | undefined {
  let last: Date | undefined;
  try {
    for (const { name } of Deno.readDirSync(`${stateFolder}/sweep`)) {
      const { mtime } = Deno.statSync(`${stateFolder}/sweep/${name}/lock`);
      if (mtime !== null && (last === undefined || mtime > last)) last = mtime;
    }
  } catch {
    // It has never run, or is running for the first time.
  }
  return last;
}

/** Returns a finding if the last sweep was long ago. */
export function checkSweep(stateFolder: string, now: Date): Finding[] {
  const last = lastSweep(stateFolder);
  if (last === undefined || dayOf(now) - dayOf(last) <= MAX_DAYS) return [];
  return [{
    id: "sweep-stopped",
    what: `countersign sweep last ran on ${printDay(dayOf(last))}`,
    where: { file: `${stateFolder}/sweep` },
    why: "Forged bounces that were fetched since then are in the inbox.",
    fix:
      `run it after each fetch (contrib/mbsync); if another program judges your mail now, remove ${stateFolder}/sweep`,
  }];
}
