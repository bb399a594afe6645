/** Requests on connections that stay open, as those of Postfix's processes do: each waits for its answer. */
import type { Bytes } from "../lib/bytes.ts";
import { connect } from "./engine.ts";
import { median } from "./measure.ts";

/** A TCP port or a unix socket. */
export type Address = Deno.ConnectOptions | Deno.UnixConnectOptions;

/** A request, and the answer that is expected each time. */
export interface Asked {
  readonly name: string;
  readonly address: Address;
  readonly request: Bytes;
  readonly answer: Bytes;
}

/** Requests per second, and how long the slowest 1 % take at least, in milliseconds. */
export interface Requests {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
}

/** Connections that repeat a request, until they are disposed. */
export class RequestClient implements Disposable {
  private constructor(readonly asked: Asked, readonly open: Deno.Conn[]) {}

  /** Opens this many connections. */
  static async open(asked: Asked, connections: number): Promise<RequestClient> {
    const open = Array.from({ length: connections }, () => connect(asked.address));
    return new RequestClient(asked, await Promise.all(open));
  }

  /** Repeats the request for a time in milliseconds. */
  async run(ms: number): Promise<Requests> {
    const times: number[] = [];
    const begun = performance.now();
    await Promise.all(this.open.map(async (_, nth) => {
      const buffer = new Uint8Array(4096);
      for (let started = performance.now(); started - begun < ms;) {
        try {
          await exchange(this.open[nth]!, this.asked, buffer);
        } catch (error) {
          // postsrsd 1.10 resets one now and then; Postfix opens another one.
          if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
          this.open[nth]!.close();
          this.open[nth] = await connect(this.asked.address);
          continue;
        }
        const now = performance.now();
        times.push(now - started);
        started = now;
      }
    }));
    const seconds = (performance.now() - begun) / 1000;
    times.sort((a, b) => a - b);
    return { rate: times.length / seconds, median: median(times), p99: times[Math.floor(times.length * 0.99)]! };
  }

  [Symbol.dispose](): void {
    for (const connection of this.open) connection.close();
  }
}

/** Sends one request. @returns the answer, which is shorter than a packet */
export async function ask(address: Address, request: Bytes): Promise<Bytes> {
  using connection = await connect(address);
  for (let at = 0; at < request.length;) at += await connection.write(request.subarray(at));
  const buffer = new Uint8Array(4096);
  return buffer.slice(0, await connection.read(buffer) ?? 0);
}

async function exchange(connection: Deno.Conn, { name, request, answer }: Asked, buffer: Uint8Array): Promise<void> {
  for (let at = 0; at < request.length;) at += await connection.write(request.subarray(at));
  let size = 0;
  while (size < answer.length) {
    const read = await connection.read(buffer.subarray(size));
    if (read === null) throw new Error(`${name}: the server closed the connection`);
    size += read;
  }
  // Comparing all bytes each time would cost the client more than the request.
  if (size !== answer.length || buffer[size - 1] !== answer[size - 1] || buffer[size >> 1] !== answer[size >> 1]) {
    throw new Error(`${name}: the answer is ${new TextDecoder().decode(buffer.subarray(0, size))}`);
  }
}
