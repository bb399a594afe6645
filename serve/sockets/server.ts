/** Serves the connections of one socket: limits their number, and finishes them when the program ends. */
import { reason } from "../../lib/fail.ts";
import type { Connection, Listener } from "./listen.ts";

/** Handles one connection. */
export interface Conversation {
  /** Whether a request or a message is in progress, which closing the connection would interrupt. */
  readonly busy: boolean;
  /** Runs until the peer or this program ends it; errors are reported, and the connection is closed afterwards. */
  run(): Promise<void>;
}

/** Starts a conversation. @param closing whether the server is shutting down, so that nothing new may begin */
export type Converse = (connection: Connection, closing: () => boolean) => Conversation;

/** Maximum number of connections; others are closed, and the mail server then applies its `default_action`. */
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
  /** Connections that were closed by this program, whose errors are not reported. */
  readonly #ended = new WeakSet<Connection>();
  #closing = false;
  #drained: () => void = () => {};

  /** Begins to accept connections. @param report receives the errors of connections */
  constructor(listener: Listener, converse: Converse, report: (what: string) => void, limit = MAX_CONNECTIONS) {
    [this.#listener, this.#converse, this.#report, this.#limit] = [listener, converse, report, limit];
    this.#accepting = this.#accept();
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#open.size;
  }

  /** Accepts no more connections, closes idle ones at once, and waits up to `patience` ms for the others. */
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
        this.#report(`Connections closed during a message after the shutdown timeout: ${this.#open.size}`);
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
        // With too many open files, for example, only a later attempt can succeed.
        this.#report(`Connection cannot be accepted: ${reason(error)}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      if (this.#closing || this.#open.size >= this.#limit) {
        if (!this.#closing) this.#report(`Limit of ${this.#limit} connections reached: a new one was closed`);
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
    // It is already closed.
  }
}
