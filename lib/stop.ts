/** A body that ends in an error when a signal comes, so that what is under way can be undone. */
import { Fail } from "./fail.ts";

/** The body, until the signal comes: then an error, so that nobody takes the part for the whole. */
export async function* untilStopped(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = Promise.withResolvers<never>();
  stop.promise.catch(() => {});
  const abort = () => stop.reject(new Fail("temporary", "Stopped by a signal; nothing is sent"));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([chunks.next(), stop.promise]);
    if (next.done) return;
    yield next.value;
  }
}
