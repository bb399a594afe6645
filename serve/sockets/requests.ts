/** Answers the requests of a simple protocol on a connection, in their order and with time limits. */
import { type Bytes, concat } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { Buffers } from "./buffers.ts";
import { Deadline } from "./deadline.ts";
import type { Connection } from "./listen.ts";
import { type Conversation, type Converse, end } from "./server.ts";

/** Splits the bytes of a connection into requests. */
export interface RequestReader<R> {
  /** Whether part of a request has been received. */
  readonly partial: boolean;
  /** Adds bytes, which are copied. */
  push(bytes: Uint8Array): void;
  /** Returns the next whole request; undefined when more bytes are needed. @throws {Fail} `data` if it is malformed */
  next(): R | undefined;
}

/** A protocol of requests and answers. */
export interface Protocol<R> {
  reader(): RequestReader<R>;
  /** Returns the answer. Never throws. */
  answer(request: R): Bytes;
  /** The answer to a malformed request, after which the connection is closed. */
  readonly malformed: Bytes;
}

/** How long a peer may take, in milliseconds. */
export interface RequestLimits {
  /** Between two requests. Processes of Postfix keep their connections for as long as they live. */
  readonly idle: number;
  /** From the first byte of a request to its last, and to read the answer. */
  readonly request: number;
}

/** The limits of `countersign serve`. */
const REQUEST_LIMITS: RequestLimits = { idle: 3_600_000, request: 10_000 };

const BUFFERS = new Buffers(4 * 1024);

/** Returns a function that answers the requests on a connection. */
export function requestsOf<R>(protocol: Protocol<R>, limits: RequestLimits = REQUEST_LIMITS): Converse {
  return (connection, closing) => new RequestConversation(connection, closing, protocol, limits);
}

class RequestConversation<R> implements Conversation {
  readonly #connection: Connection;
  readonly #closing: () => boolean;
  readonly #protocol: Protocol<R>;
  readonly #limits: RequestLimits;
  readonly #deadline: Deadline;
  busy = false;

  constructor(connection: Connection, closing: () => boolean, protocol: Protocol<R>, limits: RequestLimits) {
    [this.#connection, this.#closing, this.#protocol, this.#limits] = [connection, closing, protocol, limits];
    this.#deadline = new Deadline(() => end(connection));
  }

  async run(): Promise<void> {
    const reader = this.#protocol.reader();
    const buffer = BUFFERS.take();
    try {
      await this.#exchange(reader, buffer);
    } catch (error) {
      // An idle connection is closed without a report.
      if (this.#deadline.passed && !reader.partial && !this.busy) return;
      const failure = this.#deadline.passed ? new Fail("data", "Request timed out") : error;
      throw new Fail("data", reason(failure), { cause: error });
    } finally {
      this.#deadline.close();
      BUFFERS.give(buffer);
    }
  }

  async #exchange(reader: RequestReader<R>, buffer: Uint8Array): Promise<void> {
    for (;;) {
      // Set once for a request, so that a peer cannot extend it by sending single bytes.
      const limit = reader.partial ? this.#limits.request : this.#limits.idle;
      if (!reader.partial || !this.#deadline.runs(limit)) this.#deadline.set(limit);
      const size = await this.#connection.read(buffer);
      if (size === null) {
        if (this.#deadline.passed) throw new Fail("data", "The connection was closed");
        return;
      }
      reader.push(buffer.subarray(0, size));
      await this.#answer(reader);
      if (this.#closing() && !reader.partial) return;
    }
  }

  /** Answers all requests that have been received, with one write. */
  async #answer(reader: RequestReader<R>): Promise<void> {
    const answers: Bytes[] = [];
    let problem: unknown;
    try {
      for (let request; (request = reader.next()) !== undefined;) answers.push(this.#protocol.answer(request));
    } catch (error) {
      problem = error;
      answers.push(this.#protocol.malformed);
    }
    if (answers.length > 0) await this.#write(answers.length === 1 ? answers[0]! : concat(...answers));
    if (problem !== undefined) throw problem;
  }

  async #write(bytes: Bytes): Promise<void> {
    this.busy = true;
    this.#deadline.set(this.#limits.request);
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    this.#deadline.clear();
    this.busy = false;
  }
}
