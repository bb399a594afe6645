/** Reusable read buffers, because allocating one per connection would cost time and memory. */

/** Buffers of one size. */
export class Buffers {
  readonly size: number;
  readonly #spare: Uint8Array[] = [];
  /** Maximum number of unused buffers that are kept. */
  static readonly MAX_SPARE = 64;

  /** @param size in bytes */
  constructor(size: number) {
    this.size = size;
  }

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(this.size);
  }

  /** Takes back a buffer; those of another size are left to the garbage collector. */
  give(buffer: Uint8Array): void {
    if (buffer.length === this.size && this.#spare.length < Buffers.MAX_SPARE) this.#spare.push(buffer);
  }
}
