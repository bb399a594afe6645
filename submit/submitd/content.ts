/**
 * The content of a message as smtp-server passes it on: dots are removed, and it ended with CRLF.CRLF. Line ends become
 * LF; a bare LF ends a line, too, so that no server behind can see an end of the message that was not one here. A CR
 * elsewhere, and NUL, are rejected after the whole content was read.
 */
import type { Bytes } from "../../lib/bytes.ts";
import { ContentSource } from "../content_source.ts";

const [LF, CR] = [10, 13];

/** Thrown when the client has disconnected before the end of the message. */
export class Disconnected extends Error {}

/** The content, as a source for `readInput`. */
export class Content extends ContentSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Whether the last byte was a CR, which was not passed on yet. */
  #cr = false;

  /** @param limit the maximum number of bytes */
  constructor(stream: AsyncIterable<Uint8Array>, limit: number) {
    super(limit);
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** @throws {Disconnected} */
  protected override async fill(): Promise<void> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#chunks.next();
    } catch (error) {
      throw new Disconnected("The client has disconnected", { cause: error });
    }
    if (next.done) {
      this.ended = true;
      if (this.#cr) this.reject("550 5.6.0", "The message contains a bare CR");
      return;
    }
    this.ready = this.counted(this.#withLineFeeds(next.value));
  }

  #withLineFeeds(bytes: Uint8Array): Bytes {
    const out = new Uint8Array(bytes.length);
    if (this.#cr && bytes[0] !== LF) this.reject("550 5.6.0", "The message contains a bare CR");
    if (bytes.indexOf(0) >= 0) this.reject("550 5.6.0", "The message contains NUL");
    let [size, at] = [0, 0];
    for (let end; (end = bytes.indexOf(CR, at)) >= 0; at = end + 1) {
      out.set(bytes.subarray(at, end), size);
      size += end - at;
      if (end + 1 < bytes.length && bytes[end + 1] !== LF) this.reject("550 5.6.0", "The message contains a bare CR");
    }
    out.set(bytes.subarray(at), size);
    size += bytes.length - at;
    this.#cr = bytes.at(-1) === CR;
    return out.subarray(0, size);
  }
}
