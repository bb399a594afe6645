/**
 * Conversations over a Unix socket with a time limit. It is a timeout of AbortSignal, because setTimeout loads slowly.
 */

/** The server did not respond in time. */
export class NoAnswer extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds / 1000} s`);
  }
}

/**
 * Connects, does the work, and closes the connection at its end, or when the time is over, so that no descriptor is
 * left open.
 *
 * @param milliseconds the time limit
 * @throws {NoAnswer}; errors of connecting and of the work
 */
export async function converse<T>(
  path: string,
  milliseconds: number,
  work: (connection: Deno.UnixConn) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.timeout(milliseconds);
  const connection = await Deno.connect({ transport: "unix", path });
  const close = () => connection[Symbol.dispose](); // it may be closed already
  limit.addEventListener("abort", close);
  try {
    limit.throwIfAborted(); // an event that has passed is not reported
    return await work(connection);
  } catch (error) {
    throw limit.aborted ? new NoAnswer(milliseconds) : error;
  } finally {
    limit.removeEventListener("abort", close);
    close();
  }
}

/** Writes all bytes; one write may write only some. */
export async function sendAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
