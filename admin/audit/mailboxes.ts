/**
 * All messages of mailboxes, one after the other: maildirs, mbox files, folders
 * of .eml or of MH, in each other. Only the beginning of a message is kept, in
 * buffers that are used again, so memory stays what it is for any mailbox.
 */
import { reason } from "../../lib/fail.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";

/** A message. It is good until the next one is asked for. */
export interface Letter {
  /** Its beginning. */
  bytes: Uint8Array;
  /** Is this all of it? */
  whole: boolean;
  /** Reads on, up to what a hook would look into. */
  more(): void;
  /** The end of a message that is longer than that, as a hook would look into it; undefined where it is not at hand. */
  tail(): Tail | undefined;
}

/** The end of a message. */
export interface Tail {
  readonly bytes: Uint8Array;
  /** Is there something between that and the beginning? */
  readonly gap: boolean;
}

/** What happened on the way. */
export interface ReadProgress {
  /** Names a file or folder that could not be read, and why. */
  unreadable(path: string, why: string): void;
  /** Files that are no mail. */
  passed: number;
  /** How far it is, in the measure of `extent`. */
  done: number;
}

/** The first read of a file: nearly all headers are shorter. */
const FIRST = 16 * 1024;
/** What of an mbox is in memory. */
const WINDOW_BYTES = 2 * PREFIX_BYTES;
/** The longest line that begins a message of an mbox. */
const LINE = 512;

/**
 * The messages below these paths.
 *
 * @param skip real paths that are left out
 */
export function* letters(paths: readonly string[], trail: ReadProgress, skip?: ReadonlySet<string>): Generator<Letter> {
  const reader = new Reader(trail);
  for (const { path, kind } of files(paths, trail, skip)) {
    yield* reader.file(path, kind);
    trail.done++;
  }
}

/** How much there is below these paths: one for each file, and one for each window of an mbox. */
export function extent(paths: readonly string[], skip?: ReadonlySet<string>): number {
  let count = 0;
  const nobody = { unreadable: () => {}, passed: 0, done: 0 };
  for (const { path, kind } of files(paths, nobody, skip)) {
    count++;
    if (kind === "message") continue;
    try {
      count += Math.floor(Deno.statSync(path).size / WINDOW_BYTES);
    } catch {
      // It is named when it cannot be read.
    }
  }
  return count;
}

/** A file, and what its name says that it is; `named`: nobody but the user. */
interface Found {
  readonly path: string;
  readonly kind: "message" | "named" | "unknown";
}

function* files(paths: readonly string[], trail: ReadProgress, skip?: ReadonlySet<string>): Generator<Found> {
  for (const path of paths) {
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(path);
    } catch (error) {
      trail.unreadable(path, reason(error));
      continue;
    }
    if (info.isDirectory) yield* below(path, trail, skip);
    else if (info.isFile) yield { path, kind: "named" };
    // A pipe would make us wait, perhaps for ever.
    else trail.unreadable(path, "neither a file nor a folder");
  }
}

function* below(folder: string, trail: ReadProgress, skip?: ReadonlySet<string>): Generator<Found> {
  const at = folder.replace(/\/+$/, "");
  const folders: string[] = [];
  const files: string[] = [];
  try {
    if (skip !== undefined && skip.size > 0 && skip.has(Deno.realPathSync(folder))) return;
    for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
      if (isDirectory) folders.push(name);
      else if (isFile) files.push(name);
      else trail.passed++; // a link could lead in a circle
    }
  } catch (error) {
    trail.unreadable(folder, reason(error));
    return;
  }
  const maildir = folders.includes("cur") && folders.includes("new");
  const inMaildir = /(?:^|\/)(?:cur|new)$/.test(at);
  for (const name of files) {
    const path = `${at}/${name}`;
    if (skip !== undefined && skip.size > 0 && skip.has(path)) continue;
    const message = inMaildir ? !name.startsWith(".") : /\.eml$|^\d+$/i.test(name);
    yield { path, kind: message ? "message" : "unknown" };
  }
  // What lies in tmp is not delivered.
  for (const name of folders) if (!(maildir && name === "tmp")) yield* below(`${at}/${name}`, trail, skip);
}

class Reader {
  #first = new Uint8Array(FIRST);
  #prefix: Uint8Array | undefined;
  #window: Uint8Array | undefined;
  #file: Deno.FsFile | undefined;
  #path = "";
  #trail: ReadProgress;
  #letter: Letter;

  constructor(trail: ReadProgress) {
    this.#trail = trail;
    this.#letter = { bytes: this.#first, whole: true, more: () => this.#more(), tail: () => this.#tail() };
  }

  /** The messages of a file. What it is called by says that it is one message, or else its first line that it is many. */
  *file(path: string, kind: Found["kind"]): Generator<Letter> {
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(path);
    } catch (error) {
      this.#trail.unreadable(path, reason(error));
      return;
    }
    this.#path = path;
    this.#file = file;
    try {
      const size = this.#fill(this.#first, 0);
      if (kind !== "message" && isFromLine(this.#first, 0, size)) yield* this.#mbox(size);
      else if (kind === "unknown") this.#trail.passed++;
      else if (size > 0) {
        const letter = this.#letter;
        letter.bytes = size === FIRST ? this.#first : this.#first.subarray(0, size);
        letter.whole = size < FIRST;
        yield letter;
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#trail.unreadable(path, error.message);
    } finally {
      this.#file = undefined;
      file.close();
    }
  }

  /** Reads until the buffer is full or the file ends. @returns how much is in the buffer then */
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
      // A file gives all that it has: less than asked for is its end. Else one more call for each message.
      if (size < buffer.length && count < FIRST) return size;
    }
    return size;
  }

  #more(): void {
    const letter = this.#letter;
    if (letter.whole || letter.bytes.length >= PREFIX_BYTES || this.#file === undefined) return;
    this.#prefix ??= new Uint8Array(PREFIX_BYTES);
    this.#prefix.set(letter.bytes);
    let size = letter.bytes.length;
    try {
      size = this.#fill(this.#prefix, size);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#trail.unreadable(this.#path, error.message); // judged by what was had
    }
    letter.bytes = this.#prefix.subarray(0, size);
    letter.whole = size < PREFIX_BYTES;
  }

  #tail(): Tail | undefined {
    const file = this.#file;
    if (this.#letter.whole || file === undefined) return undefined;
    try {
      const start = file.statSync().size - PREFIX_BYTES;
      if (start < 0) return undefined;
      file.seekSync(start, Deno.SeekMode.Start);
      const bytes = new Uint8Array(PREFIX_BYTES);
      return this.#fill(bytes, 0) < bytes.length ? undefined : { bytes, gap: start > this.#letter.bytes.length };
    } catch {
      return undefined; // judged by what was had
    }
  }

  /** A window moves over the file; a message begins where an empty line is followed by an mbox line. */
  *#mbox(begun: number): Generator<Letter> {
    const window = this.#window ??= new Uint8Array(WINDOW_BYTES);
    window.set(this.#first.subarray(0, begun));
    const letter: Letter = { bytes: window, whole: true, more: () => {}, tail: () => undefined };
    let size = begun < FIRST ? begun : this.#fill(window, begun);
    let ended = size < WINDOW_BYTES;
    let start = 0; // of the message
    let told = false; // it was longer than the window, and its beginning is given out already
    for (let look = 1;;) {
      const next = nextMessage(window, look, size, ended);
      if (next >= 0) {
        if (!told) yield give(letter, window, start, next, true);
        told = false;
        start = next;
        look = next + 1;
        continue;
      }
      if (ended) {
        if (!told && size > start) yield give(letter, window, start, size, true);
        return;
      }
      if (start === 0 && !told) {
        yield give(letter, window, 0, size, false);
        told = true;
      }
      // What may hold the next mbox line and the empty one before it stays.
      const keep = told ? Math.max(0, size - LINE - 4) : start;
      window.copyWithin(0, keep, size);
      look = Math.max(1, size - LINE - keep);
      size = this.#fill(window, size - keep);
      ended = size < WINDOW_BYTES;
      if (!ended) this.#trail.done++;
      start = 0;
    }
  }
}

class Unreadable extends Error {}

function give(letter: Letter, window: Uint8Array, start: number, end: number, whole: boolean): Letter {
  const cut = Math.min(end, start + PREFIX_BYTES);
  letter.bytes = window.subarray(start, cut);
  letter.whole = whole && cut === end;
  const from = Math.max(start, end - PREFIX_BYTES);
  letter.tail = () => whole && cut < end ? { bytes: window.slice(from, end), gap: from > cut } : undefined;
  return letter;
}

const LF = 10, CR = 13, F = 70;

/** Where the next message begins; -1: not here. */
function nextMessage(window: Uint8Array, from: number, size: number, ended: boolean): number {
  for (let at = from - 1; (at = window.indexOf(F, at + 1)) >= 0 && at < size;) {
    if (window[at - 1] !== LF) continue;
    const before = window[at - 2] === CR ? at - 3 : at - 2;
    if (window[before] !== LF) continue;
    // Not wholly here: found again when there is more.
    if (!ended && at + LINE > size) return -1;
    if (isFromLine(window, at, size)) return at;
  }
  return -1;
}

/** `From sender date`: with a time and a year, because people begin sentences with From, too. */
function isFromLine(bytes: Uint8Array, at: number, size: number): boolean {
  if (
    bytes[at] !== F || bytes[at + 1] !== 114 || bytes[at + 2] !== 111 || bytes[at + 3] !== 109 || bytes[at + 4] !== 32
  ) {
    return false;
  }
  const newline = bytes.subarray(at, Math.min(size, at + LINE)).indexOf(LF);
  if (newline < 0) return false;
  let line = "";
  for (let i = at + 5; i < at + newline; i++) line += String.fromCharCode(bytes[i]!);
  return /\d:\d\d/.test(line) && /(?:19|20)\d\d\b/.test(line);
}
