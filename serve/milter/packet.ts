/**
 * The frames of the milter protocol: a length of four octets, a command of one, and data. Pure: bytes in, packets out.
 * Sendmail's libmilter/docs and Postfix's MILTER_README describe the protocol; version 6 is the one that both speak.
 */
import { type Bytes, concat, decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";

/** One packet. */
export interface Packet {
  /** The command, one character. */
  readonly command: string;
  readonly data: Uint8Array;
}

/** Maximum length of a packet. The MTAs send a message in chunks of at most 64 KB, and a header field is smaller. */
export const MAX_PACKET_BYTES = 1024 * 1024;

const LENGTH_BYTES = 4;

/** Collects bytes as they arrive and returns whole packets. What it holds is bounded by {@link MAX_PACKET_BYTES}. */
export class PacketReader {
  #held: Bytes = new Uint8Array(4096);
  #begin = 0;
  #end = 0;

  /** Adds bytes that were received; they are copied. */
  push(bytes: Uint8Array): void {
    const size = this.#end - this.#begin;
    if (this.#end + bytes.length > this.#held.length) {
      // Twice as large as needed, so that bytes that arrive one by one are not moved each time.
      const next = new Uint8Array(Math.max(this.#held.length, 2 * (size + bytes.length)));
      next.set(this.#held.subarray(this.#begin, this.#end));
      [this.#held, this.#begin, this.#end] = [next, 0, size];
    }
    this.#held.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Whether part of a packet has been received. */
  get partial(): boolean {
    return this.#end > this.#begin;
  }

  /**
   * Returns the next whole packet; undefined when more bytes are needed.
   *
   * @throws {Fail} `data` for a length that no packet has
   */
  next(): Packet | undefined {
    const held = this.#held.subarray(this.#begin, this.#end);
    if (held.length < LENGTH_BYTES) return undefined;
    const [length] = readUint32s(held, 1) as [number];
    if (length < 1 || length > MAX_PACKET_BYTES) {
      throw new Fail("data", `Milter packet has the invalid length ${length}`);
    }
    const end = LENGTH_BYTES + length;
    if (held.length < end) return undefined;
    this.#begin += end;
    return { command: String.fromCharCode(held[LENGTH_BYTES]!), data: held.slice(LENGTH_BYTES + 1, end) };
  }
}

/** Serializes a packet; strings are Latin-1, one character per byte. */
export function printPacket(command: string, ...parts: (string | Uint8Array)[]): Bytes {
  const data = concat(...parts.map((part) => typeof part === "string" ? encodeLatin1(part) : part));
  return concat(uint32(data.length + 1), encodeLatin1(command), data);
}

/** Serializes a number as four octets, the highest first. */
export function uint32(value: number): Bytes {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

/** Returns the numbers of four octets at the beginning of the data. @throws {Fail} `data` when there are fewer */
export function readUint32s(data: Uint8Array, count: number): number[] {
  if (data.length < 4 * count) throw new Fail("data", "Milter packet is too short");
  const view = new DataView(data.buffer, data.byteOffset);
  return Array.from({ length: count }, (_, at) => view.getUint32(4 * at));
}

/** Returns the strings in the data, each of which ends with a NUL. @throws {Fail} `data` when the last one does not */
export function readStrings(data: Uint8Array): string[] {
  const parts = decodeLatin1(data).split("\0");
  if (parts.pop() !== "") throw new Fail("data", "Milter packet has an unterminated string");
  return parts;
}
