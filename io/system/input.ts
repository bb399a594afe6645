/** Standard input as a message, and standard output. One buffer serves all reading: 1 GB takes the memory of 1 KB. */
import { type Bytes, concat } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { type Head, parseHead } from "../../lib/message.ts";

/** Longest header that is taken. */
export const MAX_HEADER_BYTES = 1024 * 1024;

/** What a hook looks into: header and beginning of the body. */
export const PREFIX_BYTES = 256 * 1024;

/** What a pipe takes at once. */
export const PIPE_BYTES = 64 * 1024;

/** One buffer for all reading: memory for 1 GB is that for 1 KB. */
const CHUNK = 256 * 1024;

const FILE_CHUNK = 64 * 1024;

/** Where a message is read from. */
export type Source = Pick<Deno.FsFile, "read" | "readSync">;

/** Standard input as a message: its beginning, and the rest still to come. */
export interface Input {
  /** What was read so far. */
  readonly prefix: Bytes;
  readonly head: Head;
  /** Did it end within `prefix`? */
  readonly whole: boolean;
  /** The body: what of it is in `prefix`, then the rest. Can be read once. */
  body(): AsyncIterable<Uint8Array>;
  /** Where it was read from; `body()` reads on there. */
  readonly from: Source;
}

/**
 * Reads standard input, or another source, until the header is there, and at least `prefix` bytes.
 *
 * @param strict is a header over {@link MAX_HEADER_BYTES} an error? Else what is over belongs to the body
 * @throws {Fail} `data` for such a header, `io` when reading fails
 */
export async function readInput(prefix: number, strict: boolean, from: Source = Deno.stdin): Promise<Input> {
  const parts: Bytes[] = [];
  let size = 0;
  let tried = 0;
  let whole = false;
  for (;;) {
    const buffer = new Uint8Array(Math.min(Math.max(prefix - size, 16 * 1024), CHUNK));
    const count = await read(from, buffer);
    if (count === null) whole = true;
    else {
      parts.push(buffer.subarray(0, count));
      size += count;
    }
    // Parsed anew only when it has doubled: a long header in small pieces would take the square of its time.
    const over = size >= MAX_HEADER_BYTES;
    if (!whole && !over && (size < prefix || size < 2 * tried)) continue;
    tried = size;
    const bytes = concat(...parts);
    const head = parseHead(bytes, whole) ?? (over ? cutHead(bytes, strict) : undefined);
    if (head !== undefined) {
      return {
        prefix: bytes,
        head,
        whole,
        body: () => rest(from, bytes.subarray(head.bodyStart), whole),
        from,
      };
    }
  }
}

/** The header of a message that has too much of it: what is over its last whole line goes on in the body. */
function cutHead(bytes: Bytes, strict: boolean): Head {
  if (strict) throw new Fail("data", `The header is longer than ${MAX_HEADER_BYTES} bytes`);
  const bodyStart = bytes.lastIndexOf(10) + 1;
  return { ...parseHead(bytes.subarray(0, bodyStart), true)!, bodyStart, cut: true };
}

async function* rest(from: Source, first: Uint8Array, whole: boolean): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  if (whole) return;
  const buffer = new Uint8Array(CHUNK);
  for (let count; (count = await read(from, buffer)) !== null;) {
    yield buffer.subarray(0, count);
    // No pipe gives so much at once: it is a file, which never makes us wait, and signals are heard between writes.
    if (count === CHUNK) return yield* restOfFile(from, buffer.subarray(0, FILE_CHUNK));
  }
}

/** Twice as fast as the asynchronous way, and with pieces of the size of a pipe fastest. */
function* restOfFile(from: Source, buffer: Uint8Array): Generator<Uint8Array> {
  for (;;) {
    let count: number | null;
    try {
      count = from.readSync(buffer);
    } catch (error) {
      throw unreadable(from, error);
    }
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

/** Asynchronous on purpose: a synchronous read that has to wait would starve the signal handlers. */
export async function read(from: Source, buffer: Uint8Array): Promise<number | null> {
  try {
    return await from.read(buffer);
  } catch (error) {
    throw unreadable(from, error);
  }
}

function unreadable(from: Source, error: unknown): Fail {
  const what = from === Deno.stdin ? "Standard input" : "The message";
  return new Fail("io", `${what} cannot be read: ${reason(error)}`, { cause: error });
}

/** Reads standard input to its end: a pipe that is closed early is an error to some callers. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** Writes all of it to standard output. @throws {Fail} `io` */
export async function writeOut(bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch (error) {
    throw new Fail("io", `Standard output cannot be written: ${reason(error)}`, { cause: error });
  }
}
