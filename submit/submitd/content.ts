/**
 * The content of a message as smtp-server passes it on: dots are removed, and it ended with CRLF.CRLF. Line ends become
 * LF; a bare LF ends a line, too, so that no server behind can see an end of the message that was not one here. A CR
 * elsewhere, and NUL, are rejected after the whole content was read.
 */
import type { Bytes } from "../../lib/bytes.ts";
import { DataRejected } from "../data.ts";

const [LF, CR] = [10, 13];

/** Maximum number of bytes returned by one read. io/system/input.ts takes more for a file, and reads that synchronously. */
const MAX_READ_BYTES = 64 * 1024;

/** Thrown when the client has disconnected before the end of the message. */
export class Disconnected extends Error {}

/** The content, as a source for `readInput`. */
export class Content {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #ready: Bytes = new Uint8Array(0);
  /** Whether the last byte was a CR, which was not passed on yet. */
  #cr = false;
  #size = 0;
  #ended = false;
  #refused: DataRejected | undefined;

  /** @param limit the maximum number of bytes */
  constructor(stream: AsyncIterable<Uint8Array>, readonly limit: number) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Waits for the first bytes, because `readInput` reads those synchronously. @throws {Disconnected} */
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

  /** Reads the next bytes. @throws {Disconnected | DataRejected} */
  async read(buffer: Uint8Array): Promise<number | null> {
    await this.prepare();
    return this.readSync(buffer);
  }

  /** Reads to the end, because the reply can only be sent then. @throws {Disconnected} */
  async skip(): Promise<void> {
    this.#ready = new Uint8Array(0);
    while (!this.#ended) {
      await this.#fill();
      this.#ready = new Uint8Array(0);
    }
  }

  async #fill(): Promise<void> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#chunks.next();
    } catch (error) {
      throw new Disconnected("The client has disconnected", { cause: error });
    }
    if (next.done) {
      this.#ended = true;
      if (this.#cr) this.#refuse("550 5.6.0", "The message contains a bare CR");
      return;
    }
    this.#ready = this.#withLineFeeds(next.value);
    this.#size += this.#ready.length;
    if (this.#size > this.limit) this.#refuse("552 5.3.4", `The message is longer than ${this.limit} bytes`);
    // Nothing more of a rejected message is passed on.
    if (this.#refused !== undefined) this.#ready = new Uint8Array(0);
  }

  #withLineFeeds(bytes: Uint8Array): Bytes {
    const out = new Uint8Array(bytes.length);
    if (this.#cr && bytes[0] !== LF) this.#refuse("550 5.6.0", "The message contains a bare CR");
    if (bytes.indexOf(0) >= 0) this.#refuse("550 5.6.0", "The message contains NUL");
    let [size, at] = [0, 0];
    for (let end; (end = bytes.indexOf(CR, at)) >= 0; at = end + 1) {
      out.set(bytes.subarray(at, end), size);
      size += end - at;
      if (end + 1 < bytes.length && bytes[end + 1] !== LF) this.#refuse("550 5.6.0", "The message contains a bare CR");
    }
    out.set(bytes.subarray(at), size);
    size += bytes.length - at;
    this.#cr = bytes.at(-1) === CR;
    return out.subarray(0, size);
  }

  #refuse(code: string, message: string): void {
    this.#refused ??= new DataRejected(code, message);
  }
}
