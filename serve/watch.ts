/**
 * Detects changed files by polling, on request and at most every few seconds. `Deno.watchFs` would need permission to
 * read whole folders (an editor replaces a file), and does not report changes on a network file system.
 */

/** Polling interval, and the time for which a file must be unchanged, in milliseconds. */
export interface WatchTimes {
  readonly interval: number;
  /** A file that was changed more recently may still be incomplete. */
  readonly settled: number;
}

/** The times of `countersign serve`. */
export const WATCH_TIMES: WatchTimes = { interval: 3000, settled: 1000 };

/** The state of some files at one time. */
export class Watch {
  readonly #times: WatchTimes;
  readonly #seen: ReadonlyMap<string, string>;
  #next: number;

  /**
   * Records the state of the files.
   *
   * @param now the time in milliseconds
   * @param earlier states that are used instead, because the files were read after they were recorded
   */
  constructor(files: readonly string[], now: number, times: WatchTimes, earlier?: Watch) {
    this.#times = times;
    const known: ReadonlyMap<string, string> = earlier === undefined ? new Map() : earlier.#seen;
    this.#seen = new Map(files.map((path) => [path, known.get(path) ?? look(path).state]));
    this.#next = now + times.interval;
  }

  /** Returns whether a file has changed. Polls only if the interval has passed since the last poll. */
  changed(now: number): boolean {
    if (now < this.#next && now >= this.#next - this.#times.interval) return false;
    this.#next = now + this.#times.interval;
    let changed = false;
    for (const [path, seen] of this.#seen) {
      const { state, time } = look(path);
      if (state === seen) continue;
      if (Math.abs(now - time) < this.#times.settled) return false; // next time
      changed = true;
    }
    return changed;
  }
}

/** Returns everything that changes with a file. Its ctime alone has only milliseconds. */
function look(path: string): { state: string; time: number } {
  try {
    const { ino, ctime, size, mode, uid, gid } = Deno.statSync(path);
    const time = ctime?.getTime() ?? 0;
    return { state: [ino, time, size, mode, uid, gid].join(" "), time };
  } catch (error) {
    return { state: error instanceof Error ? error.name : "unknown", time: 0 };
  }
}
