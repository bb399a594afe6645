/**
 * Reads the content of a message after DATA. Only CRLF.CRLF ends it: where two servers disagree about the end, one message
 * could contain another (SMTP smuggling). A bare LF ends a line, but a lone dot beside one is text. A CR elsewhere, and
 * NUL, are rejected after the whole content was read.
 */
import { type Bytes, concat } from "../lib/bytes.ts";
import { Fail } from "../lib/fail.ts";
import type { ClientInput } from "./client.ts";

const [LF, CR, DOT] = [10, 13, 46];

/** Maximum number of bytes returned by one read, and held of a line. io/system/input.ts takes more for a file. */
const MAX_READ_BYTES = 64 * 1024;

/** Why the content of a message is rejected. */
export class DataRejected extends Fail {
  /** @param code the reply code, with the enhanced status code */
  constructor(readonly code: string, message: string) {
    super("data", message);
  }
}

/** The content, as a source for `readInput`: without the dots that the client has added, with LF at the ends of lines. */
export class DataSource {
  /** Decoded bytes that were not read yet. */
  #ready: Bytes = new Uint8Array(0);
  /** Bytes of a line that has not ended. */
  #held: Bytes = new Uint8Array(0);
  /** Whether what is held begins a line. */
  #atStart = true;
  /** Whether the line before ended with CRLF, as DATA itself did. */
  #afterCrlf = true;
  #size = 0;
  #refused: DataRejected | undefined;
  #ended = false;

  /** @param limit the maximum number of bytes; 0 for no limit */
  constructor(readonly input: ClientInput, readonly limit = 0) {}

  /** Waits for the first bytes, because `readInput` reads those synchronously. @throws {ClientGone} */
  async prepare(): Promise<void> {
    while (this.#ready.length === 0 && !this.#ended) await this.#fill();
  }

  /** Reads what is there already. @throws {DataRejected} */
  readSync(buffer: Uint8Array): number | null {
    if (this.#ready.length === 0) {
      if (!this.#ended) throw new Error("Nothing was read yet");
      if (this.#refused !== undefined) throw this.#refused;
      return null;
    }
    const count = Math.min(buffer.length, this.#ready.length, MAX_READ_BYTES);
    buffer.set(this.#ready.subarray(0, count));
    this.#ready = this.#ready.subarray(count);
    return count;
  }

  /** Reads the next bytes. @throws {ClientGone | DataRejected} */
  async read(buffer: Uint8Array): Promise<number | null> {
    await this.prepare();
    return this.readSync(buffer);
  }

  /** Reads to the end, so that no part of the message is parsed as commands. @throws {ClientGone} */
  async skip(): Promise<void> {
    this.#ready = new Uint8Array(0);
    while (!this.#ended) {
      await this.#fill();
      this.#ready = new Uint8Array(0);
    }
  }

  async #fill(): Promise<void> {
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
        this.#ended = true;
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
    this.#size += bytes.length;
    if (bytes.indexOf(CR) >= 0) this.#refused ??= new DataRejected("550 5.6.0", "The message contains a bare CR");
    if (bytes.indexOf(0) >= 0) this.#refused ??= new DataRejected("550 5.6.0", "The message contains NUL");
    if (this.limit > 0 && this.#size > this.limit) {
      this.#refused ??= new DataRejected("552 5.3.4", `The message is longer than ${this.limit} bytes`);
    }
    // Nothing more of a rejected message is passed on.
    this.#ready = this.#refused === undefined ? concat(this.#ready, bytes) : new Uint8Array(0);
  }
}
