/** Daily work. The mtime of a file in `daily` records the last run, so that the check costs each message one stat. */
import { dayOf } from "../../lib/date.ts";
import { writeStamp } from "../system/files.ts";

/**
 * Runs work with the first message of a day (UTC). Errors do not stop mail; the work is retried with the next message.
 *
 * @param what the name of the work, used as a file name
 * @param work does a bounded part of the work; returns whether it is finished for today
 */
export async function daily(
  state: string,
  what: string,
  now: Date,
  work: () => Promise<boolean> | boolean,
): Promise<void> {
  const stamp = `${state}/daily/${what}`;
  try {
    if (lastDay(stamp) === dayOf(now) || !await work()) return;
    writeStamp(stamp, now);
  } catch {
    // Delivering the message has priority.
  }
}

function lastDay(stamp: string): number | undefined {
  try {
    return dayOf(Deno.statSync(stamp).mtime!);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
