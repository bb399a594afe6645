/** Finds the block of lines around a position: a returned header, up to an empty line on either side. */

/** The most characters of quoting and indentation before a line. */
export const MAX_QUOTE = 256;

/** The most empty lines between two lines of a header that a gateway has spread out. */
const MAX_GAP = 2;
/** Fields that show that empty lines separate nothing here. */
const MIN_FIELDS = 4;
const FIELD = /[^A-Za-z0-9\n]{0,256}[A-Za-z][!-9;-~]{0,80}[ \t]{0,16}:/y;

/** Where a block begins and ends in its text. */
export interface Block {
  readonly top: number;
  readonly bottom: number;
}

/** The text before a position in its line, if it can be quoting and indentation. */
export function quoteBefore(text: string, at: number): string {
  const before = text.slice(Math.max(0, at - MAX_QUOTE), at);
  const quote = before.slice(before.lastIndexOf("\n") + 1);
  return /[A-Za-z0-9]/.test(quote) ? "" : quote;
}

/** A line without its quoting. White space after the quoting is often missing on an empty line. */
export function unquoted(line: string, quote: string): string {
  if (line.startsWith(quote)) return line.slice(quote.length);
  const marks = quote.trimEnd();
  return line.startsWith(marks) ? line.slice(marks.length) : line;
}

/** Finds the blocks of a text in order. Each line is visited a bounded number of times. */
export class Blocks {
  readonly #text: string;
  #last: Block = { top: 0, bottom: 0 };
  /** Up to this offset, empty lines are known to separate blocks. */
  #separated = 0;

  /** Those of this text. */
  constructor(text: string) {
    this.#text = text;
  }

  /**
   * The block around the lines from `start` to `end`; the same object as long as it is the same block. Where empty
   * lines are above and below, and the lines beyond them are fields, a gateway has put one behind each line: then they
   * belong to the block.
   */
  around(start: number, end: number): Block {
    const text = this.#text;
    const floor = this.#last.bottom;
    if (start < floor) return this.#last;
    const lines = new Lines(text, quoteBefore(text, start), floor);
    const [top, bottom] = [lines.start(start), lines.end(end)];
    const gap = start < this.#separated ? 0 : lines.emptyAbove(top);
    if (gap > 0 && (bottom >= text.length || lines.isEmpty(bottom + 1))) {
      const spread = lines.walk(top, bottom, gap);
      if (spread.fields >= MIN_FIELDS) return this.#last = spread;
      this.#separated = spread.bottom;
    }
    return this.#last = lines.walk(top, bottom, 0);
  }
}

/** The lines of a text, each quoted as one of them is, as far up as `floor`. */
class Lines {
  constructor(readonly text: string, readonly quote: string, readonly floor: number) {}

  /** As far as lines go between which there are at most `gap` empty ones. */
  walk(from: number, to: number, gap: number): Block & { fields: number } {
    let [top, bottom, fields] = [from, to, 1];
    for (let at = from, empty = 0; at > this.floor;) {
      at = this.start(at - 1);
      if (!this.isEmpty(at)) [top, empty, fields] = [at, 0, fields + this.#isField(at)];
      else if (++empty > gap) break;
    }
    for (let at = to + 1, empty = 0; at < this.text.length; at = this.end(at) + 1) {
      if (!this.isEmpty(at)) [bottom, empty, fields] = [this.end(at), 0, fields + this.#isField(at)];
      else if (++empty > gap) break;
    }
    return { top, bottom, fields };
  }

  /** How many empty lines there are directly above a line, as far as it matters. */
  emptyAbove(top: number): number {
    let count = 0;
    for (let at = top; at > this.floor && count < MAX_GAP; count++) {
      at = this.start(at - 1);
      if (!this.isEmpty(at)) break;
    }
    return count;
  }

  /** Is there nothing in the line that begins here? */
  isEmpty(at: number): boolean {
    if (at >= this.text.length) return false;
    const line = this.text.slice(at, this.end(at));
    if (unquoted(line, this.quote).trim() !== "") return false;
    // It may be the end of a Message-ID that was wrapped before its last bracket.
    const above = line.includes(">") ? this.text.slice(this.start(at - 1), at) : "";
    return above.lastIndexOf("<") <= above.lastIndexOf(">");
  }

  #isField(at: number): number {
    FIELD.lastIndex = at;
    return FIELD.test(this.text) ? 1 : 0;
  }

  /** Where the line begins that holds this place. */
  start(at: number): number {
    return at <= 0 ? 0 : this.text.lastIndexOf("\n", at - 1) + 1;
  }

  /** Where it ends. */
  end(at: number): number {
    const newline = this.text.indexOf("\n", at);
    return newline < 0 ? this.text.length : newline;
  }
}
