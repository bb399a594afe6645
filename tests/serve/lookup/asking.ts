/** A socket `lookup` in a temporary folder, and requests on it. */
import { concat, utf8 } from "../../../lib/bytes.ts";
import type { Answering } from "../../../serve/lookup/answers.ts";
import { LOOKUP_LIMITS, lookups } from "../../../serve/lookup/conversation.ts";
import { listenAt } from "../../../serve/sockets/listen.ts";
import { SocketServer } from "../../../serve/sockets/server.ts";

/** A server that is stopped, and its folder removed, when it is disposed of. */
export class LookupServer {
  readonly #folder = Deno.makeTempDirSync({ prefix: "countersign-lookup-" });
  readonly path = `${this.#folder}/lookup`;
  /** The messages that the server reported. */
  readonly reports: string[] = [];
  #server: SocketServer | undefined;

  static async start(context: Answering, limits = LOOKUP_LIMITS, connections?: number): Promise<LookupServer> {
    const one = new LookupServer();
    const report = (what: string) => void one.reports.push(what);
    one.#server = new SocketServer(await listenAt(one.path), lookups(context, limits), report, connections);
    return one;
  }

  get connections(): number {
    return this.#server!.connections;
  }

  connect(): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: this.path });
  }

  /** Writes these bytes and reads to the end of the connection. @returns the answers */
  async say(...parts: (string | Uint8Array)[]): Promise<Record<string, unknown>[]> {
    using connection = await this.connect();
    const bytes = concat(...parts.map((part) => typeof part === "string" ? utf8(part) : part));
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    await connection.closeWrite();
    return await answers(connection);
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

/** Reads to the end. @returns the lines as JSON */
export async function answers(connection: Deno.Conn): Promise<Record<string, unknown>[]> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let size; (size = await connection.read(buffer)) !== null;) parts.push(buffer.slice(0, size));
  } catch {
    // The server closed the connection with unread input.
  }
  const lines = new TextDecoder().decode(concat(...parts)).split("\n");
  if (lines.pop() !== "") throw new Error("the last line has no end");
  return lines.map((line) => JSON.parse(line));
}

/** Returns the line of a request, followed by the message. */
export function request(values: object, message?: string): string {
  const length = message === undefined ? {} : { length: utf8(message).length };
  return `${JSON.stringify({ version: 1, ...values, ...length })}\n${message ?? ""}`;
}
