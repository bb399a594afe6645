/** Removes expired entries of the ledger and of the index of sent mail. */
import { dayOf } from "../../lib/date.ts";
import { daily } from "./daily.ts";
import { noteForgotten } from "./forgotten.ts";
import { fileLedger } from "./ledger.ts";
import { expireSent, SENT_DAYS } from "./sent.ts";

/** How many items were removed. */
export interface Expired {
  /** Entries of the ledger. */
  readonly entries: number;
  /** Periods of the index of sent mail. */
  readonly periods: number;
}

/**
 * Removes what has expired below a state folder.
 *
 * @param limit maximum number of ledger entries to remove
 * @throws {Fail} `temporary` when the ledger cannot be read
 */
export async function expireState(state: string, now: Date, limit: number): Promise<Expired> {
  const entries = await fileLedger(`${state}/ledger`).expire(dayOf(now), limit);
  const periods = expireSent(`${state}/sent`, now);
  if (expireStamps(`${state}/daily`, now)) noteForgotten(state, now);
  return { entries, periods };
}

/** Entries removed while one message is handled, so that it does not wait for the entries of a busy day. */
const MAX_ENTRIES = 200;

/**
 * Removes expired state while the first messages of a day are handled, {@link MAX_ENTRIES} entries at a time.
 *
 * @param more removes what else has expired, once a day
 */
export async function expireDaily(state: string, program: string, now: Date, more: () => void): Promise<void> {
  await daily(state, program, now, async () => {
    const { entries } = await expireState(state, now, MAX_ENTRIES);
    if (entries === MAX_ENTRIES) return false;
    more();
    return true;
  });
}

/**
 * Removes stamps of daily work that has not run for {@link SENT_DAYS} days.
 *
 * @returns whether there was one that lies ahead: the clock was wrong then, and what is still needed may have been
 *   removed
 */
function expireStamps(folder: string, now: Date): boolean {
  let ahead = false;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const { mtime } = Deno.statSync(`${folder}/${name}`);
      const age = mtime === null ? 0 : dayOf(now) - dayOf(mtime);
      ahead ||= age < -1; // hosts that share the folder may have different days around midnight
      if (age > SENT_DAYS || age < -1) Deno.removeSync(`${folder}/${name}`);
    }
  } catch {
    // The folder does not exist yet, or another process is cleaning.
  }
  return ahead;
}
