/** Turns termination signals into an abort signal, and aborts reading a message when one arrives. */
import { Fail } from "../../lib/fail.ts";

/**
 * Signals that would terminate the process at once. The injector would then see the end of its input and send a
 * truncated message.
 */
const SIGNALS = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGALRM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGXCPU",
  "SIGVTALRM",
] as const;

/** Catches termination signals for the rest of the process. @returns a signal that is aborted by the first of them */
export function abortOnSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => controller.abort());
  }
  return controller.signal;
}

/** Yields the body until `signal` is aborted, then throws, so that a truncated message is never sent. */
export async function* untilAborted(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const failure = () => new Fail("temporary", "Stopped by a signal; nothing is sent");
  // Promise.race with one shared promise would keep every chunk in memory until the end.
  let reject: (error: Fail) => void = () => {};
  const abort = () => reject(failure());
  signal.addEventListener("abort", abort);
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      if (signal.aborted) throw failure();
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, rejectNext) => {
        reject = rejectNext;
        chunks.next().then(resolve, rejectNext);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // The signal of a daemon outlives the message, and its listener would keep the buffers of the body in memory.
    signal.removeEventListener("abort", abort);
  }
}
