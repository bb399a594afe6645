/**
 * Reads the messages of mailboxes one by one: maildirs, mbox files, and folders of .eml files or of MH, nested to any
 * depth. Only the beginning of a message is kept, in buffers that are reused, so that memory use does not depend on the
 * size of a mailbox. It is longer than other files, because all formats share these buffers.
 */
import { reason } from "../../lib/fail.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";

/** A message. It is valid until the next one is read. */
export interface ArchivedMessage {
  /** The beginning of the message. */
  bytes: Uint8Array;
  /** Whether `bytes` is the whole message. */
  whole: boolean;
  /** Reads more of the message, up to the prefix that the hook reads. */
  more(): void;
  /** Returns the end of a message that is longer than the prefix; undefined if it cannot be read. */
  tail(): Tail | undefined;
}

/** The end of a message. */
export interface Tail {
  readonly bytes: Uint8Array;
  /** Whether there are bytes between the prefix and this end. */
  readonly gap: boolean;
}

/** Receives the progress and the errors of reading. */
export interface ReadProgress {
  /** Reports a file or folder that could not be read, and the error. */
  unreadable(path: string, why: string): void;
  /** Reports a compressed file, which is not read. */
  compressed(path: string): void;
  /** Number of files that are not messages. */
  skipped: number;
  /** The work done so far, in the units of `extent`. */
  done: number;
}

/** Size of the first read of a file, which nearly all headers fit into. */
const FIRST_READ_BYTES = 16 * 1024;
/** Size of the part of an mbox that is in memory. */
const WINDOW_BYTES = 2 * PREFIX_BYTES;
/** Longest `From ` line of an mbox. */
const MAX_FROM_LINE_BYTES = 512;

/**
 * Yields the messages below these paths.
 *
 * @param skip real paths to be skipped
 */
export function* messagesIn(
  paths: readonly string[],
  progress: ReadProgress,
  skip?: ReadonlySet<string>,
): Generator<ArchivedMessage> {
  const reader = new Reader(progress);
  for (const { path, kind } of files(paths, progress, skip)) {
    yield* reader.file(path, kind);
    progress.done++;
  }
}

/** Returns the amount of work below these paths: one unit for each file, and one for each window of an mbox. */
export function extent(paths: readonly string[], skip?: ReadonlySet<string>): number {
  let count = 0;
  const ignored = { unreadable: () => {}, compressed: () => {}, skipped: 0, done: 0 };
  for (const { path, kind } of files(paths, ignored, skip)) {
    count++;
    if (kind === "message") continue;
    try {
      count += Math.floor(Deno.statSync(path).size / WINDOW_BYTES);
    } catch {
      // The error is reported when the file is read.
    }
  }
  return count;
}

/** A file, and what its name says about it; `named` is a file that the user named. */
interface Found {
  readonly path: string;
  readonly kind: "message" | "named" | "unknown";
}

function* files(paths: readonly string[], progress: ReadProgress, skip?: ReadonlySet<string>): Generator<Found> {
  for (const path of paths) {
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(path);
    } catch (error) {
      progress.unreadable(path, reason(error));
      continue;
    }
    if (info.isDirectory) yield* below(path, progress, skip);
    else if (info.isFile) yield { path, kind: "named" };
    // Reading from a pipe could block forever.
    else progress.unreadable(path, "neither a file nor a folder");
  }
}

function* below(folder: string, progress: ReadProgress, skip?: ReadonlySet<string>): Generator<Found> {
  const at = folder.replace(/\/+$/, "");
  const folders: string[] = [];
  const files: string[] = [];
  try {
    if (skip !== undefined && skip.size > 0 && skip.has(Deno.realPathSync(folder))) return;
    for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
      if (isDirectory) folders.push(name);
      else if (isFile) files.push(name);
      else progress.skipped++; // a link could lead to a cycle
    }
  } catch (error) {
    progress.unreadable(folder, reason(error));
    return;
  }
  const maildir = folders.includes("cur") && folders.includes("new");
  const inMaildir = /(?:^|\/)(?:cur|new)$/.test(at);
  for (const name of files) {
    const path = `${at}/${name}`;
    if (skip !== undefined && skip.size > 0 && skip.has(path)) continue;
    const isMessage = inMaildir ? !name.startsWith(".") : /\.eml$|^\d+$/i.test(name);
    yield { path, kind: isMessage ? "message" : "unknown" };
  }
  // Messages in tmp are not delivered yet.
  for (const name of folders) if (!(maildir && name === "tmp")) yield* below(`${at}/${name}`, progress, skip);
}

class Reader {
  #first = new Uint8Array(FIRST_READ_BYTES);
  #prefix: Uint8Array | undefined;
  #window: Uint8Array | undefined;
  #file: Deno.FsFile | undefined;
  #path = "";
  #progress: ReadProgress;
  #message: ArchivedMessage;

  constructor(progress: ReadProgress) {
    this.#progress = progress;
    this.#message = { bytes: this.#first, whole: true, more: () => this.#more(), tail: () => this.#tail() };
  }

  /**
   * Yields the messages of a file: one if its name says so, otherwise those of an mbox if the first line begins one.
   */
  *file(path: string, kind: Found["kind"]): Generator<ArchivedMessage> {
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(path);
    } catch (error) {
      this.#progress.unreadable(path, reason(error));
      return;
    }
    this.#path = path;
    this.#file = file;
    try {
      const size = this.#fill(this.#first, 0);
      if (isCompressed(this.#first, size)) this.#progress.compressed(path);
      else if (kind !== "message" && isFromLine(this.#first, 0, size)) yield* this.#mbox(size);
      else if (kind === "unknown") this.#progress.skipped++;
      else if (size > 0) {
        const message = this.#message;
        message.bytes = size === FIRST_READ_BYTES ? this.#first : this.#first.subarray(0, size);
        message.whole = size < FIRST_READ_BYTES;
        yield message;
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#progress.unreadable(path, error.message);
    } finally {
      this.#file = undefined;
      file.close();
    }
  }

  /** Reads until the buffer is full or the file ends. @returns the number of bytes in the buffer */
  #fill(buffer: Uint8Array, from: number): number {
    let size = from;
    while (size < buffer.length) {
      let count: number | null;
      try {
        count = this.#file!.readSync(size === 0 ? buffer : buffer.subarray(size));
      } catch (error) {
        throw new Unreadable(reason(error));
      }
      if (count === null || count === 0) return size;
      size += count;
      // A short read of a regular file means its end; another call would cost one more system call per message.
      if (size < buffer.length && count < FIRST_READ_BYTES) return size;
    }
    return size;
  }

  #more(): void {
    const message = this.#message;
    if (message.whole || message.bytes.length >= PREFIX_BYTES || this.#file === undefined) return;
    this.#prefix ??= new Uint8Array(PREFIX_BYTES);
    this.#prefix.set(message.bytes);
    let size = message.bytes.length;
    try {
      size = this.#fill(this.#prefix, size);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#progress.unreadable(this.#path, error.message); // judged by what was read
    }
    message.bytes = this.#prefix.subarray(0, size);
    message.whole = size < PREFIX_BYTES;
  }

  #tail(): Tail | undefined {
    const file = this.#file;
    if (this.#message.whole || file === undefined) return undefined;
    try {
      const start = file.statSync().size - PREFIX_BYTES;
      if (start < 0) return undefined;
      file.seekSync(start, Deno.SeekMode.Start);
      const bytes = new Uint8Array(PREFIX_BYTES);
      return this.#fill(bytes, 0) < bytes.length ? undefined : { bytes, gap: start > this.#message.bytes.length };
    } catch {
      return undefined; // judged by what was read
    }
  }

  /** Moves a window over the file; a message begins at a `From ` line that follows an empty line. */
  *#mbox(begun: number): Generator<ArchivedMessage> {
    const window = this.#window ??= new Uint8Array(WINDOW_BYTES);
    window.set(this.#first.subarray(0, begun));
    const message: ArchivedMessage = { bytes: window, whole: true, more: () => {}, tail: () => undefined };
    let size = begun < FIRST_READ_BYTES ? begun : this.#fill(window, begun);
    let ended = size < WINDOW_BYTES;
    let start = 0; // offset of the message
    let yielded = false; // the message is longer than the window, and was yielded already
    for (let searchFrom = 1;;) {
      const next = nextMessage(window, searchFrom, size, ended);
      if (next >= 0) {
        if (!yielded) yield fillIn(message, window, start, next, true);
        yielded = false;
        start = next;
        searchFrom = next + 1;
        continue;
      }
      if (ended) {
        if (!yielded && size > start) yield fillIn(message, window, start, size, true);
        return;
      }
      if (start === 0 && !yielded) {
        yield fillIn(message, window, 0, size, false);
        yielded = true;
      }
      // Keep the bytes that may contain the next `From ` line and the empty line before it.
      const keep = yielded ? Math.max(0, size - MAX_FROM_LINE_BYTES - 4) : start;
      window.copyWithin(0, keep, size);
      searchFrom = Math.max(1, size - MAX_FROM_LINE_BYTES - keep);
      size = this.#fill(window, size - keep);
      ended = size < WINDOW_BYTES;
      if (!ended) this.#progress.done++;
      start = 0;
    }
  }
}

class Unreadable extends Error {}

/** The first bytes of files of gzip, bzip2, xz and zstd, such as mailboxes of Dovecot and rotated archives. */
const COMPRESSED = [[0x1f, 0x8b], [0x42, 0x5a, 0x68], [0xfd, 0x37, 0x7a, 0x58, 0x5a], [0x28, 0xb5, 0x2f, 0xfd]];

function isCompressed(bytes: Uint8Array, size: number): boolean {
  return COMPRESSED.some((magic) => magic.length < size && magic.every((byte, at) => bytes[at] === byte)) &&
    // A header could begin with BZh.
    !bytes.subarray(0, Math.min(size, 64)).includes(COLON);
}

function fillIn(
  message: ArchivedMessage,
  window: Uint8Array,
  start: number,
  end: number,
  whole: boolean,
): ArchivedMessage {
  const cut = Math.min(end, start + PREFIX_BYTES);
  message.bytes = window.subarray(start, cut);
  message.whole = whole && cut === end;
  const from = Math.max(start, end - PREFIX_BYTES);
  message.tail = () => whole && cut < end ? { bytes: window.slice(from, end), gap: from > cut } : undefined;
  return message;
}

const LF = 10, CR = 13, F = 70, COLON = 58;

/** Returns the offset of the next message; -1 if it does not begin in the window. */
function nextMessage(window: Uint8Array, from: number, size: number, ended: boolean): number {
  for (let at = from - 1; (at = window.indexOf(F, at + 1)) >= 0 && at < size;) {
    if (window[at - 1] !== LF) continue;
    const before = window[at - 2] === CR ? at - 3 : at - 2;
    if (window[before] !== LF) continue;
    // The line may be incomplete; it is found again when more has been read.
    if (!ended && at + MAX_FROM_LINE_BYTES > size) return -1;
    if (isFromLine(window, at, size)) return at;
  }
  return -1;
}

/**
 * Whether a `From sender date` line begins here. A time and a year are required, because sentences begin with From,
 * too.
 */
function isFromLine(bytes: Uint8Array, at: number, size: number): boolean {
  if (
    bytes[at] !== F || bytes[at + 1] !== 114 || bytes[at + 2] !== 111 || bytes[at + 3] !== 109 || bytes[at + 4] !== 32
  ) {
    return false;
  }
  const newline = bytes.subarray(at, Math.min(size, at + MAX_FROM_LINE_BYTES)).indexOf(LF);
  if (newline < 0) return false;
  let line = "";
  for (let i = at + 5; i < at + newline; i++) line += String.fromCharCode(bytes[i]!);
  return /\d:\d\d/.test(line) && /(?:19|20)\d\d\b/.test(line);
}
