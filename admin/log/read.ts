/** Reads a log, and, with a signal, also the lines that are written to it later. */
import { Fail, reason } from "../../lib/fail.ts";

/** How often a followed log is checked for new lines. */
const POLL_MS = 200;
const CHUNK_BYTES = 256 * 1024;
/** Longest line that is kept whole; lib/log.ts truncates values, so that its lines are much shorter. */
export const MAX_LINE_LENGTH = 64 * 1024;

/**
 * The lines of a file from byte `from` on, one by one. With `stop`, waits for more until the signal aborts, also across
 * log rotation.
 */
export async function* lines(path: string, stop: AbortSignal | undefined, from = 0): AsyncGenerator<string> {
  for await (const text of wholeLines(path, stop, from)) yield* text.replace(/\n$/, "").split("\n");
}

/** The current size of a file in bytes; 0 if it is missing. */
export const sizeOf = (path: string): number => stat(path)?.size ?? 0;

/** As {@link lines}, but yields as many whole lines at once as were read. */
export async function* wholeLines(path: string, stop: AbortSignal | undefined, from = 0): AsyncGenerator<string> {
  let file = open(path);
  if (file === undefined && stop === undefined) return;
  file?.seekSync(from, Deno.SeekMode.Start);
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(CHUNK_BYTES);
  let begun = "";
  let at = from;
  let replaced = false;
  try {
    for (;;) {
      const count = file === undefined ? 0 : file.readSync(buffer) ?? 0;
      at += count;
      const text = begun + decoder.decode(buffer.subarray(0, count), { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      begun = text.slice(end).slice(-MAX_LINE_LENGTH);
      if (end > 0) yield text.slice(0, end);
      if (count > 0) continue;
      if (stop === undefined) {
        if (begun !== "") yield `${begun}\n`;
        return;
      }
      if (stop.aborted) return;
      if (replaced) {
        file?.close();
        file = open(path);
        [at, begun, replaced] = [0, "", false];
        continue;
      }
      await pause(stop);
      // The file was rotated, removed or truncated. What was written to it before is read first, then the new one.
      const current = stat(path);
      const opened = file?.statSync();
      replaced = current !== undefined && (opened === undefined || current.ino !== opened.ino || current.size < at);
    }
  } finally {
    file?.close();
  }
}

function pause(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, POLL_MS);
    stop.addEventListener("abort", done);
  });
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function open(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // nothing was logged yet
    throw new Fail("io", `Log cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}
