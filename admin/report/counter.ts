/** Counts words that strangers may choose, such as domains, in memory that does not grow without limit. */

import { text, utf8 } from "../../lib/bytes.ts";

/** A word and how often it was counted. */
export interface Counted {
  readonly word: string;
  readonly count: number;
}

/** A counter of different words. */
export class Counter {
  readonly #counts = new Map<string, number>();
  /** Whether there were too many words to count them all. */
  truncated = false;

  /** @param limit number of different words that are counted; later ones are not */
  constructor(readonly limit: number) {}

  add(word: string): void {
    const count = this.#counts.get(word);
    if (count !== undefined) this.#counts.set(word, count + 1);
    else if (this.#counts.size >= this.limit) this.truncated = true;
    // A copy, because a part of a string keeps all of it in memory: here 256 KB of the log.
    else this.#counts.set(text(utf8(word)), 1);
  }

  /** Returns the most frequent words. */
  top(most = Infinity): Counted[] {
    const all = [...this.#counts].map(([word, count]) => ({ word, count }));
    return all.sort((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1)).slice(0, most);
  }

  get total(): number {
    return this.#counts.values().reduce((sum, one) => sum + one, 0);
  }
}
