/** What is done once a day: a file in `daily` says by its time when that was, so that a message costs one look at it. */
import { dayOf } from "../../lib/date.ts";

/**
 * Does something with the first message of a day (UTC). What goes wrong is no reason to stop mail, and is tried again
 * with the next one.
 *
 * @param what a name that is a file's
 * @param work does a bounded part of it; returns whether it is done for today
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
    Deno.mkdirSync(`${state}/daily`, { recursive: true, mode: 0o700 });
    Deno.openSync(stamp, { write: true, create: true, mode: 0o600 }).close();
    Deno.utimeSync(stamp, now, now);
  } catch {
    // The message matters more.
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
