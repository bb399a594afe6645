/** Time limits for peers. */

/**
 * A time limit that is set for each packet and calls a function when it expires. One timer is kept, and restarted only when
 * it fires too early or too late, because timers would take a third of the time of a short session.
 */
export class Deadline {
  readonly #end: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, and when the limit expires; in milliseconds of `performance.now()`. */
  #fires = Infinity;
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
    if (this.#over < this.#fires) this.#schedule(length);
  }

  /** Clears the limit; it can be set again. */
  clear(): void {
    this.#length = undefined;
    this.#over = Infinity;
  }

  /** Clears the limit and its timer, which would keep the program alive. */
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
