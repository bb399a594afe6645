/** Removes expired entries of the ledger and of the index of sent mail. */
import { dayOf } from "../../lib/date.ts";
import { daily } from "./daily.ts";
import { fileLedger } from "./ledger.ts";
import { cleanSent, SENT_DAYS } from "./sent.ts";

/** Numbers of removed items. */
export interface Expired {
  /** Entries of the ledger. */
  readonly entries: number;
  /** Periods of the index of sent mail. */
  readonly periods: number;
}

/**
 * Removes what has expired below a state folder.
 *
 * @param most maximum number of ledger entries to remove
 * @throws {Fail} `temporary` when the ledger cannot be read
 */
export async function expireState(state: string, now: Date, most: number): Promise<Expired> {
  const entries = await fileLedger(`${state}/ledger`).clean(dayOf(now), most);
  const periods = cleanSent(`${state}/sent`, now);
  cleanStamps(`${state}/daily`, now);
  return { entries, periods };
}

/** Entries removed by one message, which must not wait for the leftovers of a busy day. */
const MAX_ENTRIES = 200;

/**
 * Does the same with the first messages of a day, until nothing is left.
 *
 * @param more what else is to be removed once a day
 */
export async function expireDaily(state: string, program: string, now: Date, more: () => void): Promise<void> {
  await daily(state, program, now, async () => {
    const { entries } = await expireState(state, now, MAX_ENTRIES);
    if (entries === MAX_ENTRIES) return false;
    more();
    return true;
  });
}

/** The stamps of what is not done any more. */
function cleanStamps(folder: string, now: Date): void {
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const { mtime } = Deno.statSync(`${folder}/${name}`);
      if (mtime !== null && dayOf(now) - dayOf(mtime) > SENT_DAYS) Deno.removeSync(`${folder}/${name}`);
    }
  } catch {
    // None was made yet, or another is cleaning.
  }
}
