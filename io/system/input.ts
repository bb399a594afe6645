/** Reads a message from standard input, and writes to standard output. Memory does not grow with the message. */
import { type Bytes, concat } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { cutHead, type Head, parseHead } from "../../lib/message.ts";

/** Maximum size of a header. */
export const MAX_HEADER_BYTES = 1024 * 1024;

/** Bytes that a hook examines: the header and the beginning of the body. */
export const PREFIX_BYTES = 256 * 1024;

/** Capacity of a pipe. */
export const PIPE_BYTES = 64 * 1024;

const CHUNK = 256 * 1024;

const FILE_CHUNK = 64 * 1024;

/** Where a message is read from. */
export type Source = Pick<Deno.FsFile, "read" | "readSync">;

/** A message of which the beginning has been read. */
export interface Input {
  /** The bytes read so far. */
  readonly prefix: Bytes;
  readonly head: Head;
  /** Whether the whole message is in `prefix`. */
  readonly whole: boolean;
  /** Returns the body: the part in `prefix`, then the rest. Can be read once. */
  body(): AsyncIterable<Uint8Array>;
  /** The source; `body()` continues reading from it. */
  readonly from: Source;
}

/**
 * Reads standard input, or another source, until the header is complete and at least `prefix` bytes were read.
 *
 * @param strict whether a header over {@link MAX_HEADER_BYTES} is an error; otherwise the excess is treated as body
 * @throws {Fail} `data` for such a header; `io` when reading fails
 */
export async function readInput(prefix: number, strict: boolean, from: Source = Deno.stdin): Promise<Input> {
  const parts: Bytes[] = [];
  let size = 0;
  let tried = 0;
  let whole = false;
  for (;;) {
    const buffer = new Uint8Array(Math.min(Math.max(prefix - size, 16 * 1024), CHUNK));
    // Reading synchronously takes a third of the time, and no program listens for signals yet. But Deno stores compiled
    // code only when its event loop runs, so one read must be asynchronous.
    const count = size === 0 ? readSync(from, buffer) : await read(from, buffer);
    if (count === null) whole = true;
    else {
      parts.push(buffer.subarray(0, count));
      size += count;
    }
    // Parse again only when the size has doubled, or a long header in small pieces would take quadratic time.
    const over = size >= MAX_HEADER_BYTES;
    if (!whole && !over && (size < prefix || size < 2 * tried)) continue;
    tried = size;
    const bytes = concat(...parts);
    const complete = parseHead(bytes, whole);
    if (complete === undefined && over && strict) {
      throw new Fail("data", `The header is longer than ${MAX_HEADER_BYTES} bytes`);
    }
    const head = complete ?? (over ? cutHead(bytes) : undefined);
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

async function* rest(from: Source, first: Uint8Array, whole: boolean): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  if (whole) return;
  const buffer = new Uint8Array(CHUNK);
  for (let count; (count = await read(from, buffer)) !== null;) {
    yield buffer.subarray(0, count);
    // A pipe never returns this much at once, so this is a file. Reading it does not block, and signals are handled
    // between writes.
    if (count === CHUNK) return yield* restOfFile(from, buffer.subarray(0, FILE_CHUNK));
  }
}

/** Reads synchronously, which takes half the time; chunks of the size of a pipe are fastest. */
function* restOfFile(from: Source, buffer: Uint8Array): Generator<Uint8Array> {
  for (let count; (count = readSync(from, buffer)) !== null;) yield buffer.subarray(0, count);
}

function readSync(from: Source, buffer: Uint8Array): number | null {
  try {
    return from.readSync(buffer);
  } catch (error) {
    throw unreadable(from, error);
  }
}

/** Reads asynchronously, because a blocking read would delay the signal handlers. @throws {Fail} `io` */
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

/** Reads the body to its end, because some callers report an error if the pipe is closed early. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** Writes all bytes to standard output. @throws {Fail} `io` */
export async function writeOut(bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch (error) {
    throw new Fail("io", `Standard output cannot be written: ${reason(error)}`, { cause: error });
  }
}
