/** A body that ends in an error when a signal comes, so that what is under way can be undone. */
import { Fail } from "../../lib/fail.ts";

/** The body, until the signal comes: then an error, so that nobody takes the part for the whole. */
export async function* untilStopped(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stopped = () => new Fail("temporary", "Stopped by a signal; nothing is sent");
  // Not Promise.race with one promise for all: that would remember every chunk until the end.
  let giveUp: (error: Fail) => void = () => {};
  signal.addEventListener("abort", () => giveUp(stopped()));
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    if (signal.aborted) throw stopped();
    const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      giveUp = reject;
      chunks.next().then(resolve, reject);
    });
    if (next.done) return;
    yield next.value;
  }
}
