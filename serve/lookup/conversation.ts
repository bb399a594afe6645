/** Handles the requests on a connection to the socket `lookup`, with timeouts. The first malformed request ends it. */
import { utf8 } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { Deadline } from "../sockets/deadline.ts";
import type { Connection } from "../sockets/listen.ts";
import { type Conversation, type Converse, end } from "../sockets/server.ts";
import { type Answering, answerTo, errorLine } from "./answers.ts";
import { type ReceivedRequest, RequestReader } from "./reader.ts";

/** How long a peer may take, in milliseconds. */
export interface LookupLimits {
  /** Between two requests. */
  readonly idle: number;
  /** From the first byte of a request to its last, and to read the answer. */
  readonly request: number;
}

/** The limits of `countersign serve`. */
export const LOOKUP_LIMITS: LookupLimits = { idle: 60_000, request: 10_000 };

/** Maximum number of connections. Each may hold a message of 256 KB, and clients need one only briefly. */
export const MAX_LOOKUPS = 200;

const READ_BYTES = 64 * 1024;

/** Returns a function that answers the requests on a connection. */
export function lookups(context: Answering, limits: LookupLimits = LOOKUP_LIMITS): Converse {
  return (connection, closing) => new LookupConversation(connection, closing, context, limits);
}

class LookupConversation implements Conversation {
  readonly #connection: Connection;
  readonly #closing: () => boolean;
  readonly #context: Answering;
  readonly #limits: LookupLimits;
  readonly #deadline: Deadline;
  busy = false;

  constructor(connection: Connection, closing: () => boolean, context: Answering, limits: LookupLimits) {
    [this.#connection, this.#closing, this.#context, this.#limits] = [connection, closing, context, limits];
    this.#deadline = new Deadline(() => end(connection));
  }

  async run(): Promise<void> {
    const reader = new RequestReader();
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const received = await this.#next(reader, buffer);
        if (received === undefined) return;
        this.#deadline.clear(); // processing time does not count towards the limit of the peer
        this.busy = true;
        await this.#write(await this.#reportInvalid(() => answerTo(received, this.#context)));
        this.busy = false;
        if (this.#closing()) return;
      }
    } catch (error) {
      // An idle connection is closed without a report.
      if (this.#deadline.passed && !reader.partial && !this.busy) return;
      const failure = this.#deadline.passed ? new Fail("data", "Request timed out") : error;
      throw new Fail("data", reason(failure), { cause: error });
    } finally {
      this.#deadline.close();
    }
  }

  /** Reads to the end of a request. @returns undefined at the end of the connection */
  async #next(reader: RequestReader, buffer: Uint8Array): Promise<ReceivedRequest | undefined> {
    for (;;) {
      const received = await this.#reportInvalid(() => reader.next());
      if (received !== undefined) return received;
      // Set once for a request, so that a peer cannot extend it by sending single bytes.
      const limit = reader.partial ? this.#limits.request : this.#limits.idle;
      if (!this.#deadline.runs(limit)) this.#deadline.set(limit);
      const size = await this.#connection.read(buffer);
      if (size === null) {
        if (this.#deadline.passed) throw new Fail("data", "The connection was closed");
        return undefined;
      }
      reader.push(buffer.subarray(0, size));
    }
  }

  /** Reports an invalid request to the peer before the connection is closed. */
  async #reportInvalid<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#write(errorLine(error));
      throw error;
    }
  }

  async #write(line: string): Promise<void> {
    const bytes = utf8(line);
    this.#deadline.set(this.#limits.request);
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    this.#deadline.clear();
  }
}
