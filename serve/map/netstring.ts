/** Netstrings (D. J. Bernstein, 1997), in which Postfix's socketmap_table(5) puts requests and replies: `3:abc,`. */
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { Pending } from "../sockets/pending.ts";
import type { RequestReader } from "../sockets/requests.ts";

/** Maximum length of a request. Postfix accepts addresses of at most 2048 octets (`line_length_limit`). */
export const MAX_NETSTRING_BYTES = 16 * 1024;

const [COLON, COMMA, ZERO, NINE] = [0x3a, 0x2c, 0x30, 0x39];
const MAX_DIGITS = String(MAX_NETSTRING_BYTES).length;
// A byte order mark is text, too.
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Splits the input into the texts of its netstrings. Invalid UTF-8 becomes U+FFFD. */
export class NetstringReader implements RequestReader<string> {
  readonly #pending = new Pending();

  get partial(): boolean {
    return this.#pending.length > 0;
  }

  push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
  }

  next(): string | undefined {
    const { bytes } = this.#pending;
    let [length, at] = [0, 0];
    for (; at < bytes.length && bytes[at] !== COLON; at++) {
      const digit = bytes[at]!;
      if (digit < ZERO || digit > NINE || at >= MAX_DIGITS || (at > 0 && length === 0)) throw malformed();
      length = length * 10 + digit - ZERO;
    }
    if (at === bytes.length) return undefined;
    if (at === 0) throw malformed();
    if (length > MAX_NETSTRING_BYTES) {
      throw new Fail("data", `Request is longer than ${MAX_NETSTRING_BYTES} bytes`);
    }
    const end = at + 1 + length;
    if (bytes.length <= end) return undefined;
    if (bytes[end] !== COMMA) throw malformed();
    const text = DECODER.decode(bytes.subarray(at + 1, end));
    this.#pending.drop(end + 1);
    return text;
  }
}

const malformed = (): Fail => new Fail("data", "Request is not a netstring");

/** Writes a netstring. */
export function netstring(text: string): Bytes {
  const framed = (length: number) => utf8(`${length}:${text},`);
  const bytes = framed(text.length); // encoding once takes a third of the time, and is enough for ASCII
  const length = bytes.length - `${text.length}:,`.length;
  return length === text.length ? bytes : framed(length);
}
