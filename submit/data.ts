/**
 * Reads the content of a message after DATA. Only CRLF.CRLF ends it: where two servers disagree about the end, one
 * message could contain another (SMTP smuggling). A bare LF ends a line, but a lone dot beside one is text. A CR
 * elsewhere, and NUL, are rejected after the whole content was read.
 */
import { type Bytes, concat } from "../lib/bytes.ts";
import type { ClientInput } from "./client.ts";
import { ContentSource, MAX_READ_BYTES } from "./content_source.ts";

const [LF, CR, DOT] = [10, 13, 46];

/**
 * The content, as a source for `readInput`: without the dots that the client has added, with LF at the ends of lines.
 */
export class DataSource extends ContentSource {
  /** Bytes of a line that has not ended. */
  #held: Bytes = new Uint8Array(0);
  /** Whether what is held begins a line. */
  #atStart = true;
  /** Whether the line before ended with CRLF, as DATA itself did. */
  #afterCrlf = true;

  /** @param limit the maximum number of bytes; 0 for no limit */
  constructor(readonly input: ClientInput, limit = 0) {
    super(limit);
  }

  /** @throws {ClientGone} */
  protected override async fill(): Promise<void> {
    const bytes = concat(this.#held, await this.input.chunk());
    const out = new Uint8Array(bytes.length + 1); // a CR that is no longer last may be added
    let [size, at] = [0, 0];
    const take = (from: number, to: number) => {
      out.set(bytes.subarray(from, to), size);
      size += to - from;
    };
    for (let end; (end = bytes.indexOf(LF, at)) >= 0; at = end + 1) {
      const crlf = end > at && bytes[end - 1] === CR;
      const stop = crlf ? end - 1 : end;
      const dot = this.#atStart && bytes[at] === DOT;
      if (dot && stop === at + 1 && crlf && this.#afterCrlf) {
        this.ended = true;
        this.input.unread(bytes.subarray(end + 1));
        this.#held = new Uint8Array(0);
        return this.#keep(out.subarray(0, size));
      }
      take(dot && stop > at + 1 ? at + 1 : at, stop);
      out[size++] = LF;
      [this.#atStart, this.#afterCrlf] = [true, crlf];
    }
    // Of a long line only a CR must be held, which may be the first half of CRLF.
    const rest = bytes.length - at;
    if (rest > MAX_READ_BYTES) {
      const stop = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length;
      take(this.#atStart && bytes[at] === DOT ? at + 1 : at, stop);
      this.#atStart = false;
      at = stop;
    }
    this.#held = bytes.slice(at);
    this.#keep(out.subarray(0, size));
  }

  #keep(bytes: Bytes): void {
    if (bytes.indexOf(CR) >= 0) this.reject("550 5.6.0", "The message contains a bare CR");
    if (bytes.indexOf(0) >= 0) this.reject("550 5.6.0", "The message contains NUL");
    this.ready = this.counted(bytes); // all before it was read
  }
}
