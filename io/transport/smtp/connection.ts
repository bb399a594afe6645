/** The bytes of a session: a TCP connection that may become a TLS one. */
import type { Limits, Timeouts } from "./limits.ts";
import { type Reply, ReplyReader } from "./reply.ts";

/** Where a server listens. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** A connection that ends when its {@link Limits} say so. */
export class Connection {
  #stream: Deno.Conn;
  #replies = this.#reader();
  #closed = false;
  #reason: unknown;
  #secure = false;
  #interrupt: (reason: unknown) => void = () => {};

  private constructor(stream: Deno.Conn, readonly limits: Limits) {
    this.#stream = stream;
    // Closing it ends all reads and writes that are under way.
    limits.signal.addEventListener("abort", () => this.stop());
  }

  /** Connects, to whichever of the server's addresses answers first. */
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

  /** Is it encrypted, and the server's certificate verified? */
  get secure(): boolean {
    return this.#secure;
  }

  /** Has the server sent more than was parsed? */
  get pending(): boolean {
    return this.#replies.pending;
  }

  /**
   * Begins TLS and verifies the certificate.
   *
   * @param hostname the name that it must have
   * @param ca certificates of authorities to be trusted besides the usual ones, in PEM
   */
  async startTls(hostname: string, ca: readonly string[]): Promise<void> {
    this.limits.wait("connect", "TLS handshake");
    await this.#io(async () => {
      const secured = await Deno.startTls(this.#stream as Deno.TcpConn, { hostname, caCerts: [...ca] });
      this.#stream = secured;
      if (this.#closed) secured.close();
      await secured.handshake();
    });
    // Whatever was received in the clear is discarded.
    this.#replies = this.#reader();
    this.#secure = true;
  }

  /** Waits for a reply. @param what it answers, for the message when it does not come. @throws {NotReply}; what the system or the limits say */
  reply(step: keyof Timeouts, what: string): Promise<Reply> {
    this.limits.wait(step, `reply to ${what}`);
    return this.#io(() => this.#replies.next()).finally(() => this.limits.relax());
  }

  /** Waits for a reply without a timeout of its own. */
  replyAtAnyTime(): Promise<Reply> {
    return this.#io(() => this.#replies.next());
  }

  /** Sends all of it. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#io(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#stream.write(bytes.subarray(at));
    });
  }

  /** Waits for work that is not the connection's, or until the session ends. One at a time. */
  unlessStopped<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.#closed) reject(this.#reason);
      work.then(resolve, reject);
    });
  }

  /** @throws the reason for which the session was ended, if it was */
  checkOpen(): void {
    if (this.#closed) throw this.#reason;
  }

  /**
   * Ends the session at once.
   *
   * @param reason what pending operations reject with, unless the limits give a reason
   * @returns the reason for which it was ended, now or before
   */
  stop(reason: unknown = new Deno.errors.Interrupted("connection closed")): unknown {
    if (this.#closed) return this.#reason;
    this.#closed = true;
    this.#reason = this.limits.signal.reason ?? reason;
    this.#interrupt(this.#reason);
    try {
      this.#stream.close();
    } catch {
      // It is taken over by a TLS handshake that has not begun.
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
