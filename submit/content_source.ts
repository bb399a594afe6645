/** The content of a message that a client sends: a source for `readInput`, which checks it while it is read. */
import type { Bytes } from "../lib/bytes.ts";
import { Fail } from "../lib/fail.ts";

/** Maximum number of bytes returned by one read, and held of a line. io/system/input.ts takes more for a file. */
export const MAX_READ_BYTES = 64 * 1024;

/** Why the content of a message is rejected. */
export class DataRejected extends Fail {
  /** @param code the reply code, with the enhanced status code */
  constructor(readonly code: string, message: string) {
    super("data", message);
  }
}

/** Content with LF at the ends of lines. A rejected message is read to its end, but nothing more of it is passed on. */
export abstract class ContentSource {
  /** Decoded bytes that were not read yet. */
  protected ready: Bytes = new Uint8Array(0);
  protected ended = false;
  #rejected: DataRejected | undefined;
  #size = 0;

  /** @param limit the maximum number of bytes; 0 for no limit */
  constructor(readonly limit: number) {}

  /** Receives more. @throws when the client has disconnected */
  protected abstract fill(): Promise<void>;

  /**
   * Waits for the first bytes, because `readInput` reads those synchronously.
   *
   * @throws when the client has disconnected
   */
  async prepare(): Promise<void> {
    while (this.ready.length === 0 && !this.ended) await this.fill();
  }

  /** Reads what is there already. @throws {DataRejected} */
  readSync(buffer: Uint8Array): number | null {
    if (this.ready.length === 0) {
      if (!this.ended) throw new Error("Nothing was read yet");
      if (this.#rejected !== undefined) throw this.#rejected;
      return null;
    }
    const count = Math.min(buffer.length, this.ready.length, MAX_READ_BYTES);
    buffer.set(this.ready.subarray(0, count));
    this.ready = this.ready.subarray(count);
    return count;
  }

  /** Reads the next bytes. @throws {DataRejected}; when the client has disconnected */
  async read(buffer: Uint8Array): Promise<number | null> {
    await this.prepare();
    return this.readSync(buffer);
  }

  /** Reads to the end, where the reply can be sent. @throws when the client has disconnected */
  async skip(): Promise<void> {
    this.ready = new Uint8Array(0);
    while (!this.ended) {
      await this.fill();
      this.ready = new Uint8Array(0);
    }
  }

  /** Rejects the message; the first reason counts. */
  protected reject(code: string, message: string): void {
    this.#rejected ??= new DataRejected(code, message);
  }

  /** Returns the bytes to pass on of those that were decoded. */
  protected counted(bytes: Bytes): Bytes {
    this.#size += bytes.length;
    if (this.limit > 0 && this.#size > this.limit) {
      this.reject("552 5.3.4", `The message is longer than ${this.limit} bytes`);
    }
    return this.#rejected === undefined ? bytes : new Uint8Array(0);
  }
}
