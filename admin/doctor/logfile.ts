/** Reads the log backwards, because it may be large and doctor needs only its last days. */
import { provesMissing, reason } from "../../lib/fail.ts";

/** A line of the log. */
export interface LogLine {
  readonly text: string;
  /** Offset in bytes. */
  readonly at: number;
}

/** A log file. */
export interface LogFile {
  readonly file: string;
  /** Returns the lines, the last one first. */
  lines(): Iterable<LogLine>;
  /** Returns the number of a line. Reads the whole file before it, so call it only for lines that are reported. */
  numberOf(line: LogLine): number;
}

const CHUNK_BYTES = 256 * 1024;
/** Longest line; lib/log.ts truncates values, so that lines are shorter. */
const MAX_LINE_BYTES = 64 * 1024;
/** Size of the part at the end that is read. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Opens a log; returns undefined if it is missing, or cannot be read, in which case `unreadable` is called. */
export function openLog(path: string, unreadable: (why: string) => void = () => {}): LogFile | undefined {
  try {
    if (!Deno.statSync(path).isFile) return undefined;
    Deno.openSync(path).close();
  } catch (error) {
    if (!provesMissing(error)) unreadable(reason(error));
    return undefined;
  }
  return { file: path, lines: () => linesFromEnd(path), numberOf: ({ at }) => newlinesBefore(path, at) + 1 };
}

function* linesFromEnd(path: string): Generator<LogLine> {
  using file = Deno.openSync(path);
  const decoder = new TextDecoder();
  const { size } = file.statSync();
  let rest: Uint8Array = new Uint8Array(); // the end of a line whose beginning is not read yet
  for (let start = size; start > 0 && size - start < MAX_BYTES;) {
    const count = Math.min(CHUNK_BYTES, start);
    start -= count;
    const bytes = new Uint8Array(count + rest.length);
    if (!readAt(file, start, bytes.subarray(0, count))) return; // the file was truncated
    bytes.set(rest, count);
    let end = bytes.length;
    for (let newline; (newline = bytes.lastIndexOf(10, end - 1)) >= 0 && end > 0; end = newline) {
      if (newline + 1 < end) yield { text: decoder.decode(bytes.subarray(newline + 1, end)), at: start + newline + 1 };
    }
    rest = bytes.slice(0, Math.min(end, MAX_LINE_BYTES));
    if (start === 0 && rest.length > 0) yield { text: decoder.decode(rest), at: 0 };
  }
}

function readAt(file: Deno.FsFile, start: number, into: Uint8Array): boolean {
  file.seekSync(start, Deno.SeekMode.Start);
  for (let size = 0; size < into.length;) {
    const count = file.readSync(into.subarray(size));
    if (count === null) return false;
    size += count;
  }
  return true;
}

function newlinesBefore(path: string, at: number): number {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(CHUNK_BYTES);
  let newlines = 0;
  for (let left = at; left > 0;) {
    const count = file.readSync(buffer.subarray(0, Math.min(left, buffer.length)));
    if (count === null) break;
    for (let i = -1; (i = buffer.subarray(0, count).indexOf(10, i + 1)) >= 0;) newlines++;
    left -= count;
  }
  return newlines;
}
