/** A socket of a protocol of requests in a temporary folder. */
import { concat, utf8 } from "../../lib/bytes.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { type Protocol, type RequestLimits, requestsOf } from "../../serve/sockets/requests.ts";
import { SocketServer } from "../../serve/sockets/server.ts";

/** A server that is stopped, and its folder removed, when it is disposed of. */
export class RequestsServer implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "countersign-requests-" });
  readonly path = `${this.#folder}/socket`;
  /** The messages that the server reported. */
  readonly reports: string[] = [];
  #server: SocketServer | undefined;

  static async start<R>(protocol: Protocol<R>, limits?: RequestLimits): Promise<RequestsServer> {
    const one = new RequestsServer();
    const report = (what: string) => void one.reports.push(what);
    one.#server = new SocketServer(await listenAt(one.path), requestsOf(protocol, limits), report);
    return one;
  }

  get connections(): number {
    return this.#server!.connections;
  }

  connect(): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: this.path });
  }

  /** Writes these parts, one after the other, and reads to the end of the connection. @returns the answers */
  async say(...parts: (string | Uint8Array)[]): Promise<string> {
    using connection = await this.connect();
    const said = (async () => {
      for (const part of parts) {
        const bytes = typeof part === "string" ? utf8(part) : part;
        for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
      }
      await connection.closeWrite();
    })().catch(() => {}); // the server may close the connection first
    const heard = await hear(connection);
    await said;
    return heard;
  }

  async stop(patience = 1000): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close(patience);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** Reads to the end of the connection. */
export async function hear(connection: Deno.Conn): Promise<string> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let size; (size = await connection.read(buffer)) !== null;) parts.push(buffer.slice(0, size));
  } catch {
    // The server closed the connection with unread input.
  }
  return new TextDecoder().decode(concat(...parts));
}
