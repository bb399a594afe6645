/**
 * A session with a submission server, for doctor. It uses Node's TLS, because Deno's own does not reveal the
 * certificate of the server, and rejects one that the check must report.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import type { Endpoint } from "../../lib/settings/submission.ts";

/** Milliseconds for a reply. A login may take long, because Dovecot delays its answer after failures. */
const TIMEOUT_MS = 45_000;
/** Longest reply. */
const MAX_BYTES = 8192;

/** An SMTP session. */
export class SubmitSession implements Disposable {
  #socket: Socket;
  #text = "";
  #wake: () => void = () => {};
  #end: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  /** Connects. @param tls whether TLS starts with the connection @throws {Error} */
  static async open({ host, port }: Endpoint, tls: boolean): Promise<SubmitSession> {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const session = new SubmitSession(socket);
    try {
      await session.#event("connect");
      if (tls) await session.handshake();
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  /** Starts TLS on the connection. @throws {Error} */
  async handshake(): Promise<void> {
    const below = this.#socket;
    below.removeAllListeners("data");
    this.#socket = connectTls({ socket: below, rejectUnauthorized: false });
    this.#text = "";
    this.#listen();
    await this.#event("secureConnect");
  }

  /** The certificate of the server, in DER; undefined if it has sent none. */
  get certificate(): Uint8Array | undefined {
    if (!("getPeerCertificate" in this.#socket)) return undefined;
    const { raw } = (this.#socket as ReturnType<typeof connectTls>).getPeerCertificate();
    return raw === undefined ? undefined : new Uint8Array(raw);
  }

  /** Sends a command, and returns the reply. @throws {Error} */
  async say(line: string): Promise<string> {
    this.#socket.write(encodeLatin1(`${line}\r\n`));
    return await this.reply();
  }

  /** Returns the next reply, with LF between its lines. @throws {Error} */
  async reply(): Promise<string> {
    const late = setTimeout(() => this.#fail(new Error("no reply was received")), TIMEOUT_MS);
    try {
      for (;;) {
        const [found] = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#text) ?? [];
        if (found !== undefined) {
          this.#text = this.#text.slice(found.length);
          return found.replaceAll("\r\n", "\n").trimEnd();
        }
        if (this.#text.length > MAX_BYTES || /^(?!\d{3}[ -]?)[^\n]*\n/.test(this.#text)) {
          throw new Error("it does not speak SMTP");
        }
        if (this.#end !== undefined) throw this.#end;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearTimeout(late);
    }
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (bytes: Uint8Array) => {
      this.#text += decodeLatin1(new Uint8Array(bytes));
      this.#wake();
    });
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("timeout", () => socket.destroy(new Error("no reply was received")));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  #fail(error: Error): void {
    this.#end ??= error;
    this.#wake();
  }

  async #event(name: string): Promise<void> {
    let happened = false;
    this.#socket.once(name, () => {
      happened = true;
      this.#wake();
    });
    while (!happened) {
      if (this.#end !== undefined) throw this.#end;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
