/** Splits the input of the socket into requests: lines, some of them followed by a payload. */
import { type Bytes, concat } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { type LookupRequest, MAX_LINE_BYTES, parseRequest, type RequestLine } from "./requests.ts";

/** A request with the bytes that followed it; undefined when it stated no length. */
export interface ReceivedRequest {
  readonly request: LookupRequest;
  readonly payload: Bytes | undefined;
}

const LF = 10;

/** Collects bytes. It never holds more than one request and the bytes of one read. */
export class RequestReader {
  #parts: Bytes[] = [];
  #held = 0;
  #line: RequestLine | undefined;

  /** Whether part of a request has been received. */
  get partial(): boolean {
    return this.#held > 0 || this.#line !== undefined;
  }

  /** Adds bytes, which are copied. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(new Uint8Array(bytes));
    this.#held += bytes.length;
  }

  /** Returns the next whole request; undefined when more bytes are needed. @throws {Fail} `data` */
  next(): ReceivedRequest | undefined {
    this.#line ??= this.#nextLine();
    if (this.#line === undefined) return undefined;
    const { request, length } = this.#line;
    if (this.#held < (length ?? 0)) return undefined;
    this.#line = undefined;
    return { request, payload: length === undefined ? undefined : this.#take(length) };
  }

  #nextLine(): RequestLine | undefined {
    // The parts before the last one were searched already.
    const last = this.#parts.at(-1);
    const end = this.#parts.length > 1 && !last!.includes(LF) ? -1 : this.#joined().indexOf(LF);
    if (end < 0) {
      if (this.#held > MAX_LINE_BYTES) throw tooLong();
      return undefined;
    }
    if (end > MAX_LINE_BYTES) throw tooLong();
    const line = this.#take(end + 1).subarray(0, end);
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(line);
    } catch {
      throw new Fail("data", "Request is malformed: it is not UTF-8");
    }
    return parseRequest(text);
  }

  #joined(): Bytes {
    if (this.#parts.length !== 1) this.#parts = [concat(...this.#parts)];
    return this.#parts[0]!;
  }

  #take(length: number): Bytes {
    const all = this.#joined();
    const rest = all.slice(length);
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
    return all.slice(0, length);
  }
}

const tooLong = (): Fail => new Fail("data", `Request is longer than ${MAX_LINE_BYTES} bytes`);
