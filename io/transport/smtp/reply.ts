/** Reads replies of an SMTP server (RFC 5321 section 4.2). Their size is limited. */
import { text } from "../../../lib/bytes.ts";
import { quote } from "../../../lib/fail.ts";

/** A reply of one or more lines. */
export interface Reply {
  /** The three digits. */
  readonly code: number;
  /** The enhanced status code (RFC 3463), such as `5.1.1`; undefined if the text does not begin with one. */
  readonly enhanced?: string;
  /** The text of each line, without the code. */
  readonly lines: readonly string[];
}

/** Returns whether the first digit of the code is 2. */
export const isPositive = ({ code }: Reply): boolean => code < 300;

/** Returns the reply on one line. */
export const printReply = ({ code, lines }: Reply): string => [code, ...lines].join(" ").trimEnd();

/** The server sent something that is not an SMTP reply. Further data cannot be interpreted. */
export class NotReply extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NotReply";
  }
}

/**
 * Maximum bytes of a line, and lines of a reply. RFC 5321 section 4.5.3.1.5 allows 512 bytes, which servers exceed when
 * they include a URL. The session ends if a server exceeds these.
 */
export const [MAX_LINE_BYTES, MAX_LINES] = [4096, 128];

/** Reads replies from a stream of bytes. */
export class ReplyReader {
  #buffer = new Uint8Array(MAX_LINE_BYTES);
  /** The part of the buffer that has not been parsed yet. */
  #start = 0;
  #end = 0;

  /** @param receive reads into the buffer, as `Deno.Conn.read` does */
  constructor(readonly receive: (into: Uint8Array) => Promise<number | null>) {}

  /** Whether the server has sent data that has not been parsed. */
  get pending(): boolean {
    return this.#start < this.#end;
  }

  /**
   * Waits for one whole reply.
   *
   * @throws {NotReply}; {Deno.errors.UnexpectedEof} when the server closes the connection
   */
  async next(): Promise<Reply> {
    const lines: string[] = [];
    let first: number | undefined;
    for (;;) {
      const line = await this.#line();
      const [, digits, separator, rest] = /^([2-5]\d\d)(?:([ -])(.*))?$/s.exec(line) ?? [];
      if (digits === undefined) throw new NotReply(quote(line));
      const code = Number(digits);
      // RFC 5321 section 4.2.1: the code must be the same on every line.
      if (first !== undefined && code !== first) throw new NotReply(`${first} and ${code} in one reply`);
      first = code;
      lines.push(rest ?? "");
      if (separator !== "-") return { code, ...enhancedIn(code, lines[0]!), lines };
      if (lines.length === MAX_LINES) throw new NotReply(`a reply of more than ${MAX_LINES} lines`);
    }
  }

  /** Returns a line without its end. A bare LF ends a line, too. */
  async #line(): Promise<string> {
    let searched = this.#start;
    for (;;) {
      const newline = this.#buffer.subarray(0, this.#end).indexOf(10, searched);
      if (newline >= 0) {
        const line = text(this.#buffer.subarray(this.#start, newline));
        this.#start = newline + 1;
        return line.replace(/\r$/, "");
      }
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      searched = this.#end;
      if (this.#end === MAX_LINE_BYTES) throw new NotReply(`a line of more than ${MAX_LINE_BYTES} bytes`);
      const count = await this.receive(this.#buffer.subarray(this.#end));
      if (count === null) throw new Deno.errors.UnexpectedEof("connection closed unexpectedly");
      this.#end += count;
    }
  }
}

/** Returns the enhanced status code if it has the same class as the code (RFC 2034 section 4). */
function enhancedIn(code: number, line: string): { enhanced?: string } {
  const [enhanced] = /^[245]\.\d{1,3}\.\d{1,3}(?=\s|$)/.exec(line) ?? [];
  return enhanced !== undefined && Number(enhanced[0]) === Math.floor(code / 100) ? { enhanced } : {};
}
