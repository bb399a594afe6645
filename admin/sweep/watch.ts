/** Waits for changes of maildirs. Network file systems report none, so they are also polled. */
/** Polling interval in milliseconds, in addition to watching. */
const RESCAN_MS = 5 * 60_000;
/** The same if changes cannot be watched. */
const POLL_MS = 30_000;
/** A program that fetches mail delivers many messages at once. */
const SETTLE_MS = 500;

/** Waits for changes of these maildirs. */
export class MaildirWatch implements Disposable {
  #watcher: Deno.FsWatcher | undefined;
  #changed = Promise.withResolvers<void>();
  /** Why changes cannot be watched. */
  readonly problem: unknown;

  constructor(maildirs: readonly string[]) {
    try {
      const folders = maildirs.flatMap((one) => [`${one}/new`, `${one}/cur`]);
      this.#watcher = Deno.watchFs(folders, { recursive: false });
      this.#watch(this.#watcher);
    } catch (error) {
      this.problem = error;
    }
  }

  async #watch(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const { kind } of watcher) if (kind !== "access") this.#changed.resolve();
    } catch {
      // It was closed.
    }
  }

  /** Returns when something may have changed, or the signal aborts. */
  async wait(stop: AbortSignal): Promise<void> {
    const first = await pause(this.#watcher === undefined ? POLL_MS : RESCAN_MS, stop, this.#changed.promise);
    if (first === "changed") await pause(SETTLE_MS, stop);
    this.#changed = Promise.withResolvers<void>();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}

/** Waits for a time, for a signal, or for a change. */
async function pause(milliseconds: number, stop: AbortSignal, changed?: Promise<void>): Promise<"changed" | undefined> {
  if (stop.aborted) return undefined;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  const timer = setTimeout(end, milliseconds);
  stop.addEventListener("abort", end);
  try {
    return await Promise.race([promise, ...(changed === undefined ? [] : [changed.then(() => "changed" as const)])]);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", end);
  }
}
