/** Time limits for peers. */

/**
 * The limits that are open, and the timer of all of them, which fires when the first one may have expired. A timer for
 * each would take a tenth of the time of a short session.
 */
const open = new Set<Deadline>();
let timer: ReturnType<typeof setTimeout> | undefined;
/** When the timer fires, in milliseconds of `performance.now()`. */
let fires = Infinity;

/** A time limit that is set for each packet and calls a function when it expires. */
export class Deadline {
  readonly #end: () => void;
  /** When the limit expires, in milliseconds of `performance.now()`. */
  #over = Infinity;
  #length: number | undefined;
  /** Whether the limit has expired. */
  passed = false;

  /** @param end is called when the limit expires */
  constructor(end: () => void) {
    this.#end = end;
  }

  /** Returns whether a limit of this length is running. */
  runs(length: number): boolean {
    return this.#length === length;
  }

  /** Starts or restarts the limit. */
  set(length: number): void {
    this.#length = length;
    this.#over = performance.now() + length;
    open.add(this);
    if (this.#over < fires) schedule(this.#over);
  }

  /** Clears the limit; it can be set again. */
  clear(): void {
    this.#length = undefined;
    this.#over = Infinity;
  }

  /**
   * Clears the limit for the last time. The timer ends with the last limit, because it would keep the program alive.
   */
  close(): void {
    this.clear();
    open.delete(this);
    if (open.size > 0) return;
    clearTimeout(timer);
    fires = Infinity;
  }

  /** Calls the function if the limit has expired. @returns when it will expire, otherwise */
  check(now: number): number {
    if (this.#over > now) return this.#over;
    this.#over = Infinity;
    this.passed = true;
    this.#end();
    return Infinity;
  }
}

function schedule(at: number): void {
  clearTimeout(timer);
  fires = at;
  timer = setTimeout(fire, Math.max(0, at - performance.now())); // Deno warns about negative times
}

function fire(): void {
  const now = performance.now();
  fires = Infinity;
  const next = [...open].reduce((first, one) => Math.min(first, one.check(now)), Infinity);
  if (next < fires) schedule(next);
}
