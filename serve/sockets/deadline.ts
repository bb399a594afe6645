/** How long a peer may take. */

/**
 * A time limit that is set for each packet, and ends something when it is over. A timer is kept and only set again when
 * it fires too early or too late, because timers would take a third of the time of a short session.
 */
export class Deadline {
  readonly #end: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, and when the limit is over; in milliseconds of `performance.now()`. */
  #fires = Infinity;
  #over = Infinity;
  #length: number | undefined;
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
    this.#length = length;
    this.#over = performance.now() + length;
    if (this.#over < this.#fires) this.#schedule(length);
  }

  /** Stops it for now. */
  clear(): void {
    this.#length = undefined;
    this.#over = Infinity;
  }

  /** Stops it for good; without this its timer would keep the program alive. */
  close(): void {
    this.clear();
    clearTimeout(this.#timer);
    this.#fires = Infinity;
  }

  #schedule(length: number): void {
    clearTimeout(this.#timer);
    this.#fires = this.#over;
    this.#timer = setTimeout(() => this.#fire(), length);
  }

  #fire(): void {
    this.#fires = Infinity;
    if (this.#over === Infinity) return;
    const left = this.#over - performance.now();
    if (left > 0) return this.#schedule(left);
    this.passed = true;
    this.#end();
  }
}
