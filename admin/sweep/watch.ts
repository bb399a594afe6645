/** Waits for changes of maildirs. Network file systems report none, so they are also polled. */
import { reason } from "../../lib/fail.ts";

/** Polling interval in milliseconds, in addition to watching. */
const RESCAN_MS = 5 * 60_000;
/** The same if changes cannot be watched, or a maildir is missing. */
const POLL_MS = 30_000;
/** A program that fetches mail delivers many messages at once. */
const SETTLE_MS = 500;

/** Waits for changes of these maildirs. */
export class MaildirWatch implements Disposable {
  readonly #folders: readonly string[];
  #watcher: Deno.FsWatcher | undefined;
  /** Resolves when the last watcher has ended. */
  #ended = Promise.resolve();
  #complete = false;
  #changed = Promise.withResolvers<void>();

  constructor(maildirs: readonly string[]) {
    this.#folders = maildirs.flatMap((one) => [`${one}/new`, `${one}/cur`]);
  }

  /**
   * Watches the folders that exist now: one that was removed and created again, or on which a file system was mounted,
   * is another one for the kernel.
   *
   * @returns why changes cannot be watched
   */
  async update(): Promise<string | undefined> {
    this.#watcher?.close();
    this.#watcher = undefined;
    // A path that is watched when the next watcher starts would still be watched as the former folder.
    await this.#ended;
    const found = this.#folders.filter(canBeRead);
    this.#complete = found.length === this.#folders.length;
    if (found.length === 0) return undefined;
    try {
      this.#watcher = Deno.watchFs(found, { recursive: false });
    } catch (error) {
      return reason(error);
    }
    this.#ended = this.#watch(this.#watcher);
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
    const limit = this.#watcher === undefined || !this.#complete ? POLL_MS : RESCAN_MS;
    const first = await pause(limit, stop, this.#changed.promise);
    if (first === "changed") await pause(SETTLE_MS, stop);
    this.#changed = Promise.withResolvers<void>();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}

function canBeRead(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // the sweep reports it
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
