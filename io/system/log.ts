/** Writes the log file and messages on standard error. */
import { utf8 } from "../../lib/bytes.ts";
import { cleanLines, provesMissing } from "../../lib/fail.ts";
import { type Event, logLine } from "../../lib/log.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { lstatIfPresent, writeAll } from "./files.ts";

/** Appends a line to the log. Errors are ignored: logging must not stop mail. */
export function log({ state }: Pick<Settings, "state">, event: Event): void {
  append(state.folder, logLine(event, new Date()));
}

/** Lines that wait to be written, by state folder. */
const waiting = new Map<string, { lines: string; readonly written: Promise<void> }>();

/**
 * Appends a line to the log of a daemon. Lines of one turn of the event loop are written together, and the file is kept
 * open while it is the same, because opening it takes much longer than writing a line.
 *
 * @returns a promise that is fulfilled when the line has been written, so that it can precede the reply that it is
 *   about
 */
export function logTogether({ state: { folder } }: Pick<Settings, "state">, event: Event): Promise<void> {
  const batch = waiting.get(folder) ?? { lines: "", written: nextTurn().then(() => flush(folder)) };
  waiting.set(folder, batch);
  batch.lines += logLine(event, new Date());
  return batch.written;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function flush(folder: string): void {
  const { lines } = waiting.get(folder)!;
  waiting.delete(folder);
  append(folder, lines, true);
}

/** A log file as this process left it. One that has changed since may end in a truncated line. */
interface Left {
  readonly dev: number;
  readonly ino: number | null;
  readonly size: number;
  readonly file: Deno.FsFile;
}

/** The log files of a daemon, by state folder. */
const left = new Map<string, Left>();

function append(folder: string, lines: string, keep = false): void {
  const known = left.get(folder);
  left.delete(folder);
  let file = known?.file;
  try {
    const path = `${folder}/log`;
    const info = lstatIfPresent(path);
    if (info?.isFile === false) return; // a pipe without a reader would block
    const same = info !== undefined && info.dev === known?.dev && info.ino === known.ino;
    if (!same) {
      file?.close();
      file = undefined;
    }
    file ??= openLog(folder, path);
    const whole = same && info.size === known.size;
    // A full disk truncated the last line: end it here, so that it is recognizable.
    const bytes = utf8((whole || endsWithNewline(file) ? "" : "…\n") + lines);
    writeAll(file, bytes);
    if (keep && info !== undefined) {
      left.set(folder, { dev: info.dev, ino: info.ino, size: info.size + bytes.length, file });
    }
  } catch {
    // Mail has priority over the log.
  } finally {
    if (!left.has(folder)) file?.close();
  }
}

function openLog(folder: string, path: string): Deno.FsFile {
  const options = { read: true, append: true, create: true, mode: 0o600 };
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    if (!provesMissing(error)) throw error;
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    return Deno.openSync(path, options);
  }
}

function endsWithNewline(file: Deno.FsFile): boolean {
  const size = file.seekSync(0, Deno.SeekMode.End); // statSync() would check permissions again
  if (size === 0) return true;
  const last = new Uint8Array(1);
  file.seekSync(size - 1, Deno.SeekMode.Start);
  return file.readSync(last) !== 1 || last[0] === 10;
}

/** Writes one line to standard error; a closed one is ignored. */
export function printError(program: string, what: string): void {
  try {
    // It may contain text of a stranger, such as the name of a file in an error of the system.
    Deno.stderr.writeSync(utf8(`${program}: ${cleanLines(what.replace(/[\r\n]+/g, " "))}\n`));
  } catch {
    // Standard error is closed.
  }
}

/** Writes lines of another program to standard error, with control characters replaced; a closed one is ignored. */
export function printLines(text: string): void {
  try {
    const lines = text.replace(/\r+$/gm, "");
    writeAll(Deno.stderr, utf8(cleanLines(lines.endsWith("\n") ? lines : `${lines}\n`)));
  } catch {
    // Standard error is closed.
  }
}
