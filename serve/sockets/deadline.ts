/** How long a peer may take. */

/** A timer that knows its length, and ends something when it is over. */
export class Deadline {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #length: number | undefined;
  readonly #end: () => void;
  /** Is the time over? */
  passed = false;

  /** @param end is called when the time is over */
  constructor(end: () => void) {
    this.#end = end;
  }

  /** Returns whether it runs for this long. */
  runs(length: number): boolean {
    return this.#length === length;
  }

  /** Starts it again. */
  set(length: number): void {
    this.clear();
    this.#length = length;
    this.#timer = setTimeout(() => {
      this.passed = true;
      this.#end();
    }, length);
  }

  /** Stops it. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#length = undefined;
  }
}
