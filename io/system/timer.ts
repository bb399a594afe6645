/** Timers by AbortSignal, because loading setTimeout takes 4 ms. One that is not over keeps the process alive. */

/** Waits this many milliseconds. */
export function after(milliseconds: number): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  AbortSignal.timeout(milliseconds).addEventListener("abort", () => resolve(undefined));
  return promise;
}
