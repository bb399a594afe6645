/** Finds the block of lines around a position, such as a returned header, up to an empty line on either side. */

/** Maximum number of characters of quoting and indentation before a line. */
export const MAX_QUOTE = 256;

/** Maximum number of empty lines that a gateway may have inserted between two lines of a header. */
const MAX_GAP = 2;
/** Minimum number of fields in a block whose empty lines were inserted by a gateway. */
const MIN_FIELDS = 4;
const FIELD = /[^A-Za-z0-9\n]{0,256}[A-Za-z][!-9;-~]{0,80}[ \t]{0,16}:/y;

/** The offsets at which a block begins and ends. */
export interface Block {
  readonly top: number;
  readonly bottom: number;
}

/** Returns the text between the beginning of the line and a position, if it can be quoting or indentation. */
export function quoteBefore(text: string, at: number): string {
  const before = text.slice(Math.max(0, at - MAX_QUOTE), at);
  const quote = before.slice(before.lastIndexOf("\n") + 1);
  return /[A-Za-z0-9]/.test(quote) ? "" : quote;
}

/** Returns a line without its quoting. White space after the quote marks is often missing on an empty line. */
export function unquoted(line: string, quote: string): string {
  if (line.startsWith(quote)) return line.slice(quote.length);
  const marks = quote.trimEnd();
  return line.startsWith(marks) ? line.slice(marks.length) : line;
}

/** Finds the blocks of a text in order. Each line is visited a bounded number of times. */
export class Blocks {
  readonly #text: string;
  #last: Block = { top: 0, bottom: 0 };
  /** The offset up to which empty lines are known to separate blocks. */
  #separated = 0;

  /** Creates a search in this text. */
  constructor(text: string) {
    this.#text = text;
  }

  /**
   * Returns the block that contains the lines from `start` to `end`; the same object for the same block. If there are
   * empty lines above and below, and the lines beyond them are fields, a gateway has inserted empty lines between all
   * lines, and they belong to the block.
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

/** The lines of a text that are quoted in the same way, not above `floor`. */
class Lines {
  constructor(readonly text: string, readonly quote: string, readonly floor: number) {}

  /** Extends a block in both directions, across at most `gap` consecutive empty lines. */
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

  /** Returns the number of empty lines directly above a line, at most {@link MAX_GAP}. */
  emptyAbove(top: number): number {
    let count = 0;
    for (let at = top; at > this.floor && count < MAX_GAP; count++) {
      at = this.start(at - 1);
      if (!this.isEmpty(at)) break;
    }
    return count;
  }

  /** Returns whether the line that begins here is empty apart from quoting. */
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

  /** Returns the offset at which the line that contains this position begins. */
  start(at: number): number {
    return at <= 0 ? 0 : this.text.lastIndexOf("\n", at - 1) + 1;
  }

  /** Returns the offset at which the line ends. */
  end(at: number): number {
    const newline = this.text.indexOf("\n", at);
    return newline < 0 ? this.text.length : newline;
  }
}
