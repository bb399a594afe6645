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
  /** Valid until more bytes are received. */
  readonly data: Uint8Array;
}

/** Maximum length of a packet. The MTAs send a message in chunks of at most 64 KB, and a header field is smaller. */
export const MAX_PACKET_BYTES = 1024 * 1024;

const LENGTH_BYTES = 4;

/** The size of the first buffer for a part of a packet. */
const FIRST_BYTES = 4096;

/**
 * Collects bytes as they arrive and returns whole packets. Bytes are copied only if a packet is split, because an MTA
 * sends most packets at once. What it holds is bounded by {@link MAX_PACKET_BYTES}.
 */
export class PacketReader {
  /** The bytes that were received last; or, after a part of a packet, this reader's own buffer. */
  #held: Uint8Array = new Uint8Array();
  #own = false;
  #begin = 0;
  #end = 0;

  /** Adds bytes that were received. They may change after {@link next} has returned undefined. */
  push(bytes: Uint8Array): void {
    if (this.partial) return this.#append(bytes);
    [this.#held, this.#own, this.#begin, this.#end] = [bytes, false, 0, bytes.length];
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
    const size = this.#end - this.#begin;
    if (size < LENGTH_BYTES) return this.#wait();
    const length = this.#length();
    if (length < 1 || length > MAX_PACKET_BYTES) {
      throw new Fail("data", `Milter packet has the invalid length ${length}`);
    }
    if (size < LENGTH_BYTES + length) return this.#wait();
    const command = this.#begin + LENGTH_BYTES;
    this.#begin = command + length;
    return {
      command: String.fromCharCode(this.#held[command]!),
      data: this.#held.subarray(command + 1, this.#begin),
    };
  }

  #length(): number {
    const [held, at] = [this.#held, this.#begin];
    return held[at]! * 0x1000000 + (held[at + 1]! << 16) + (held[at + 2]! << 8) + held[at + 3]!;
  }

  /** Keeps what was received of a packet. */
  #wait(): undefined {
    if (this.partial && !this.#own) this.#append(new Uint8Array());
  }

  #append(bytes: Uint8Array): void {
    const size = this.#end - this.#begin;
    if (!this.#own || this.#end + bytes.length > this.#held.length) {
      // Twice as large as needed, so that bytes that arrive one by one are not moved each time.
      const next = new Uint8Array(Math.max(FIRST_BYTES, 2 * (size + bytes.length)));
      next.set(this.#held.subarray(this.#begin, this.#end));
      [this.#held, this.#own, this.#begin, this.#end] = [next, true, 0, size];
    }
    this.#held.set(bytes, this.#end);
    this.#end += bytes.length;
  }
}

/** Serializes a packet; strings are Latin-1, one character per byte. */
export function printPacket(command: string, ...parts: (string | Uint8Array)[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 1);
  return concat(uint32(length), ...[command, ...parts].map((one) => typeof one === "string" ? encodeLatin1(one) : one));
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
