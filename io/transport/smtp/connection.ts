/** The connection of a session: TCP, then TLS if it is started. */
import type { Limits, Timeouts } from "./limits.ts";
import { type Reply, ReplyReader } from "./reply.ts";

/** Host and port of a server. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** A connection that is closed when its {@link Limits} expire. */
export class Connection {
  #stream: Deno.Conn;
  #replies = this.#reader();
  #closed = false;
  #reason: unknown;
  #secure = false;
  #interrupt: (reason: unknown) => void = () => {};

  private constructor(stream: Deno.Conn, readonly limits: Limits) {
    this.#stream = stream;
    // Closing the connection ends all pending reads and writes.
    limits.signal.addEventListener("abort", () => this.stop());
  }

  /** Connects to the first of the server's addresses that responds. */
  static async open({ hostname, port }: Endpoint, limits: Limits): Promise<Connection> {
    const { signal } = limits;
    signal.throwIfAborted();
    limits.wait("connect", "connection");
    try {
      const stream = await Deno.connect({ hostname, port, signal });
      stream.setNoDelay(true); // commands are short, and Nagle's algorithm would delay them
      return new Connection(stream, limits);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** Whether the connection is encrypted, with a verified certificate. */
  get secure(): boolean {
    return this.#secure;
  }

  /** Whether the server has sent data that has not been parsed. */
  get pending(): boolean {
    return this.#replies.pending;
  }

  /**
   * Starts TLS and verifies the certificate.
   *
   * @param hostname the name that the certificate must contain
   * @param ca additional trusted CA certificates in PEM
   */
  async startTls(hostname: string, ca: readonly string[]): Promise<void> {
    this.limits.wait("connect", "TLS handshake");
    await this.#io(async () => {
      const secured = await Deno.startTls(this.#stream as Deno.TcpConn, { hostname, caCerts: [...ca] });
      this.#stream = secured;
      if (this.#closed) secured.close();
      await secured.handshake();
    });
    // Discard what was received in the clear.
    this.#replies = this.#reader();
    this.#secure = true;
  }

  /**
   * Waits for a reply.
   *
   * @param what the command, for the error message
   * @throws {NotReply}; errors of the system; the reason of the limits
   */
  reply(step: keyof Timeouts, what: string): Promise<Reply> {
    this.limits.wait(step, `reply to ${what}`);
    return this.#io(() => this.#replies.next()).finally(() => this.limits.relax());
  }

  /** Waits for a reply without a timeout of its own. */
  replyAtAnyTime(): Promise<Reply> {
    return this.#io(() => this.#replies.next());
  }

  /** Sends all bytes. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#io(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#stream.write(bytes.subarray(at));
    });
  }

  /** Waits for other work, or until the session ends. Only one call may be pending. */
  unlessStopped<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.#closed) reject(this.#reason);
      work.then(resolve, reject);
    });
  }

  /** Does nothing while the session is open. @throws the reason why the session ended */
  checkOpen(): void {
    if (this.#closed) throw this.#reason;
  }

  /**
   * Ends the session at once.
   *
   * @param reason the error of pending operations, unless the limits give a reason
   * @returns the reason why the session ended, now or before
   */
  stop(reason: unknown = new Deno.errors.Interrupted("connection closed")): unknown {
    if (this.#closed) return this.#reason;
    this.#closed = true;
    this.#reason = this.limits.signal.reason ?? reason;
    this.#interrupt(this.#reason);
    try {
      this.#stream.close();
    } catch {
      // A TLS handshake that has not started yet owns the stream.
    }
    return this.#reason;
  }

  async #io<T>(work: () => Promise<T>): Promise<T> {
    this.checkOpen();
    try {
      return await work();
    } catch (error) {
      throw this.#closed ? this.#reason : error;
    }
  }

  #reader(): ReplyReader {
    return new ReplyReader((into) => this.#stream.read(into));
  }
}
