/**
 * Socket activation (sd_listen_fds(3)): uses sockets that systemd has opened. Only Node's API listens on a file
 * descriptor; Deno's does not.
 */
import { Fail, quote } from "../../lib/fail.ts";
import type { InheritedSocket } from "../../io/system/inherited.ts";
import type { Connection, Listener } from "./listen.ts";

/** Listens on a file descriptor. @throws {Fail} `config` when it is not a listening socket */
export async function listenOn({ name, fd }: InheritedSocket): Promise<Listener> {
  const { createServer } = await import("node:net");
  const waiting: import("node:net").Socket[] = [];
  let wake: () => void = () => {};
  let closed = false;
  // As with Deno's sockets, a client may shut down its side after its request, and still gets the answer.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    waiting.push(socket);
    wake();
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", (error) => {
      reject(new Fail("config", `Socket ${quote(name)} cannot be used: ${error.message}`, { cause: error }));
    });
    server.listen({ fd }, resolve);
  });
  return {
    async accept() {
      for (;;) {
        const socket = waiting.shift();
        if (socket !== undefined) return new NodeConnection(socket);
        if (closed) throw new Error("The listener is closed");
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    // The socket itself belongs to systemd, which keeps new connections until the next start.
    close() {
      closed = true;
      server.close();
      wake();
    },
  };
}

/** Adapts a socket of Node to the interface of Deno's. */
class NodeConnection implements Connection {
  readonly #socket: import("node:net").Socket;
  #rest: Uint8Array | null = null;
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(socket: import("node:net").Socket) {
    this.#socket = socket;
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("readable", () => this.#wake());
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", (error) => {
      this.#error = error;
      end();
    });
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const bytes: Uint8Array | null = this.#rest ?? this.#socket.read();
      if (bytes !== null) {
        const size = Math.min(bytes.length, buffer.length);
        buffer.set(bytes.subarray(0, size));
        this.#rest = size < bytes.length ? bytes.subarray(size) : null;
        return size;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#error !== undefined) throw this.#error;
    if (bytes.length === 0) return 0;
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
    return bytes.length;
  }

  close(): void {
    this.#socket.destroy();
  }
}
