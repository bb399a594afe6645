/** Serves the connections of one socket: limits their number, and finishes them when the program ends. */
import { reason } from "../../lib/fail.ts";
import type { Connection, Listener } from "./listen.ts";

/** What happens on one connection. */
export interface Conversation {
  /** Is a request or a message in progress, so that closing the connection now would disturb it? */
  readonly busy: boolean;
  /** Runs until the peer or this program ends it; errors are reported, and the connection is closed afterwards. */
  run(): Promise<void>;
}

/** Begins a conversation. @param closing whether the server is ending, so that nothing new should begin */
export type Converse = (connection: Connection, closing: () => boolean) => Conversation;

/** Connections at a time; those above are closed, and a mail server then does what its `default_action` says. */
export const MAX_CONNECTIONS = 4000;

/** Milliseconds before the next attempt when a connection could not be accepted. */
const RETRY_MS = 100;

/** A socket with its conversations. */
export class SocketServer {
  readonly #listener: Listener;
  readonly #converse: Converse;
  readonly #report: (what: string) => void;
  readonly #limit: number;
  readonly #open = new Map<Connection, Conversation>();
  readonly #accepting: Promise<void>;
  /** Connections that were closed here, whose errors are no news. */
  readonly #ended = new WeakSet<Connection>();
  #closing = false;
  #drained: () => void = () => {};

  /** Begins to accept connections. @param report is told why one was ended */
  constructor(listener: Listener, converse: Converse, report: (what: string) => void, limit = MAX_CONNECTIONS) {
    [this.#listener, this.#converse, this.#report, this.#limit] = [listener, converse, report, limit];
    this.#accepting = this.#accept();
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#open.size;
  }

  /** Accepts no more connections, closes idle ones at once, and waits for the others, for `patience` ms at most. */
  async close(patience: number): Promise<void> {
    this.#closing = true;
    this.#listener.close();
    const finish = (connection: Connection) => {
      this.#ended.add(connection);
      end(connection);
    };
    for (const [connection, conversation] of this.#open) if (!conversation.busy) finish(connection);
    if (this.#open.size > 0) {
      const timer = setTimeout(() => {
        this.#report(`Connections closed in mid-message, because that took too long: ${this.#open.size}`);
        this.#open.keys().forEach(finish);
      }, patience);
      await new Promise<void>((resolve) => this.#drained = resolve);
      clearTimeout(timer);
    }
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for (;;) {
      let connection: Connection;
      try {
        connection = await this.#listener.accept();
      } catch (error) {
        if (this.#closing) return;
        // Too many open files, for one: the next attempt may succeed, but not at once.
        this.#report(`A connection could not be accepted: ${reason(error)}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      if (this.#closing || this.#open.size >= this.#limit) {
        if (!this.#closing) this.#report(`More than ${this.#limit} connections at a time: one was closed`);
        end(connection);
      } else void this.#serve(connection);
    }
  }

  async #serve(connection: Connection): Promise<void> {
    const conversation = this.#converse(connection, () => this.#closing);
    this.#open.set(connection, conversation);
    try {
      await conversation.run();
    } catch (error) {
      if (!this.#ended.has(connection)) this.#report(reason(error));
    } finally {
      end(connection);
      this.#open.delete(connection);
      if (this.#open.size === 0) this.#drained();
    }
  }
}

/** Closes a connection, which may be closed already. */
export function end(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
