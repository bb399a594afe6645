/** The client of a program that tcpserver or stunnel has started: standard input and output are its connection. */
import { type Bytes, concat, decodeLatin1, utf8 } from "../lib/bytes.ts";

/** Why the session with a client ends. */
export type Gone = "closed" | "timeout" | "long" | "stopped";

/**
 * Thrown when the client disconnects, is silent for too long, or sends a line that is too long, or a signal arrives.
 */
export class ClientGone extends Error {
  constructor(readonly why: Gone) {
    super(why);
  }
}

/**
 * Maximum duration of the session of a client that has logged in. A client that sends single bytes is never silent for
 * long.
 */
export const SESSION_SECONDS = 3600;

/** Maximum length of a line. RFC 4954 section 4 requires 12,288 bytes of base64. */
const MAX_LINE_BYTES = 12_288 + 512;

const CHUNK_BYTES = 64 * 1024;

/** Where bytes come from: standard input, or a pipe in tests. */
export interface ByteSource {
  read(buffer: Uint8Array): Promise<number | null>;
}

/** Reads lines and data of a client, with limits of length and time. */
export class ClientInput {
  #held: Bytes = new Uint8Array(0);
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  /** Ends the current read. */
  #end: (why: Gone) => void = () => {};

  /**
   * @param seconds how long the client may be silent
   * @param end the time in milliseconds at which the session ends, whatever the client sends
   * @param abort ends the session
   */
  constructor(
    readonly source: ByteSource,
    readonly seconds: number,
    readonly end = Infinity,
    readonly abort?: AbortSignal,
  ) {
    abort?.addEventListener("abort", () => this.#end("stopped"));
  }

  /** Whether more was sent than was read. */
  get hasMore(): boolean {
    return this.#held.length > 0;
  }

  /** Discards what was sent but not read. */
  discard(): void {
    this.#held = new Uint8Array(0);
  }

  /**
   * Returns the next line in Latin-1, without its LF or CRLF.
   *
   * @param until the time in milliseconds at which the client must have sent it, whatever it has sent before
   * @throws {ClientGone}
   */
  async line(until = Infinity): Promise<string> {
    for (let from = 0;;) {
      const end = this.#held.indexOf(10, from);
      if (end > MAX_LINE_BYTES || (end < 0 && this.#held.length > MAX_LINE_BYTES)) throw new ClientGone("long");
      if (end >= 0) {
        const line = decodeLatin1(this.#held.subarray(0, this.#held[end - 1] === 13 ? end - 1 : end));
        this.#held = this.#held.slice(end + 1);
        return line;
      }
      from = this.#held.length;
      this.#held = concat(this.#held, await this.#more(until));
    }
  }

  /** Returns what was sent next, at least one byte, until the next call. @throws {ClientGone} */
  async chunk(): Promise<Bytes> {
    const bytes = this.hasMore ? this.#held : await this.#more(Infinity);
    this.discard();
    return bytes;
  }

  /** Puts back bytes of the last chunk. */
  unread(bytes: Bytes): void {
    this.#held = bytes.slice();
  }

  async #more(until: number): Promise<Bytes> {
    const patience = Math.min(this.seconds * 1000, Math.max(Math.min(until, this.end) - Date.now(), 0));
    if (this.abort?.aborted) throw new ClientGone("stopped");
    const { promise: ended, resolve } = Promise.withResolvers<Gone>();
    this.#end = resolve;
    // Cleared after each read: a message of 1 GB arrives in a million packets, and the time may be 20 minutes.
    const timer = setTimeout(() => resolve("timeout"), Math.min(patience, 2 ** 31 - 1));
    // The read cannot be cancelled, but nobody reads again.
    const count = await Promise.race([this.source.read(this.#buffer).catch(() => null), ended]);
    clearTimeout(timer);
    if (typeof count === "string") throw new ClientGone(count);
    if (count === null) throw new ClientGone("closed");
    return this.#buffer.subarray(0, count);
  }
}

/** Writes to the client. @throws {ClientGone} */
export async function reply(...lines: string[]): Promise<void> {
  const bytes = utf8(lines.map((line) => `${line}\r\n`).join(""));
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch {
    throw new ClientGone("closed");
  }
}
