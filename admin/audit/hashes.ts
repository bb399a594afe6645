/** A set that stores a 64-bit hash of each text: a million Message-IDs take 16 to 32 MB, whatever their length. */

/** The set. With a million texts, the probability that another one is wrongly found in it is below 1 in 10^13. */
export class Hashes {
  #size = 0;
  #table = new Uint32Array(2 * 1024);

  /** The number of texts. */
  get size(): number {
    return this.#size;
  }

  /** Adds a text: bytes, or a string with one byte per character. */
  add(text: Uint8Array | string): void {
    if (4 * (this.#size + 1) > this.#table.length) this.#grow();
    const [high, low] = hash(text);
    if (put(this.#table, high, low)) this.#size++;
  }

  /** Whether the text was added. */
  has(text: Uint8Array | string): boolean {
    const [high, low] = hash(text);
    const at = slotOf(this.#table, high, low);
    return this.#table[at] !== 0 || this.#table[at + 1] !== 0;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at] !== 0 || old[at + 1] !== 0) put(this.#table, old[at]!, old[at + 1]!);
    }
  }
}

/** Returns the index of a hash in the table, or of the empty slot where it belongs. */
function slotOf(table: Uint32Array, high: number, low: number): number {
  const mask = table.length - 1;
  let at = (2 * low) & mask;
  while ((table[at] !== 0 || table[at + 1] !== 0) && (table[at] !== high || table[at + 1] !== low)) {
    at = (at + 2) & mask;
  }
  return at;
}

function put(table: Uint32Array, high: number, low: number): boolean {
  const at = slotOf(table, high, low);
  const fresh = table[at] === 0 && table[at + 1] === 0;
  table[at] = high;
  table[at + 1] = low;
  return fresh;
}

/** Two multiplicative hashes of 32 bits, mixed at the end; never both 0, which marks an empty slot. */
function hash(text: Uint8Array | string): [number, number] {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const byte = typeof text === "string" ? text.charCodeAt(i) : text[i]!;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x5bd1e995);
    b ^= b >>> 15;
  }
  a = Math.imul(a ^ (b >>> 16), 0x2c1b3c6d);
  b = Math.imul(b ^ (a >>> 13), 0x297a2d39);
  return [(a ^ (a >>> 15)) >>> 0, ((b ^ (b >>> 16)) >>> 0) || 1];
}
