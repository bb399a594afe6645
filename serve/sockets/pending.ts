/** Bytes that have been received and not used yet. */

/** A buffer that grows as needed, so that adding single bytes costs no more than adding all at once. */
export class Pending {
  #buffer = new Uint8Array(512);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** The bytes, until the next change. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Adds bytes, which are copied. */
  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Removes bytes from the beginning. */
  drop(count: number): void {
    this.#start += count;
    if (this.#start >= this.#end) this.#start = this.#end = 0;
  }

  #makeRoom(size: number): void {
    const held = this.bytes;
    let capacity = this.#buffer.length;
    while (capacity < held.length + size) capacity *= 2;
    const buffer = capacity === this.#buffer.length ? this.#buffer : new Uint8Array(capacity);
    buffer.set(held); // copies correctly within one buffer, too
    [this.#buffer, this.#start, this.#end] = [buffer, 0, held.length];
  }
}
