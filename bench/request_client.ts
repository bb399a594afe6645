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

/** Repeats a request on this many connections for a time in milliseconds. */
export async function requests(asked: Asked, connections: number, ms: number): Promise<Requests> {
  const times: number[] = [];
  const open = await Promise.all(Array.from({ length: connections }, () => connect(asked.address)));
  const begun = performance.now();
  await Promise.all(open.map(async (connection) => {
    using _ = connection;
    const buffer = new Uint8Array(4096);
    for (let started = performance.now(); started - begun < ms;) {
      await exchange(connection, asked, buffer);
      const now = performance.now();
      times.push(now - started);
      started = now;
    }
  }));
  const seconds = (performance.now() - begun) / 1000;
  times.sort((a, b) => a - b);
  return { rate: times.length / seconds, median: median(times), p99: times[Math.floor(times.length * 0.99)]! };
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
