/**
 * Reads the end of a message that comes from a file, as under qmail. This module is loaded on demand, because node:fs,
 * which is needed to read standard input at an offset, doubles the startup time, and only long bounces need it.
 */
import { fstatSync, readSync } from "node:fs";
import type { Bytes } from "../../lib/bytes.ts";
import type { Source } from "./input.ts";

/** Bytes at the end of a message that are examined. */
export const TAIL_BYTES = 256 * 1024;

/** The end of a message. */
export interface Tail {
  /** {@link TAIL_BYTES} bytes, which may overlap what was read from the beginning. */
  readonly bytes: Bytes;
  /** Whether there are unread bytes between the two. */
  readonly gap: boolean;
}

/**
 * Reads the end of a file without moving its offset, because the body is still to be streamed from there, and a caller
 * may pass the same open file to another program.
 *
 * @param prefix number of bytes read from the beginning
 * @returns undefined if the source is not a file or cannot be read
 */
export function readTail(from: Source, prefix: number): Tail | undefined {
  try {
    const file = from instanceof Deno.FsFile ? opened(from) : from === Deno.stdin ? standardInput() : undefined;
    if (file === undefined || file.size < TAIL_BYTES) return undefined;
    const bytes = new Uint8Array(TAIL_BYTES);
    const start = file.size - TAIL_BYTES;
    for (let filled = 0; filled < bytes.length;) {
      const count = file.read(bytes.subarray(filled), start + filled);
      if (count === 0) return undefined; // the file has been truncated
      filled += count;
    }
    return { bytes, gap: start > prefix };
  } catch {
    return undefined;
  }
}

interface PositionedFile {
  readonly size: number;
  /** Reads at an offset. @returns number of bytes; 0 at the end */
  read(into: Uint8Array, at: number): number;
}

function opened(file: Deno.FsFile): PositionedFile | undefined {
  const { isFile, size } = file.statSync();
  const read = (into: Uint8Array, at: number) => {
    const before = file.seekSync(0, Deno.SeekMode.Current);
    file.seekSync(at, Deno.SeekMode.Start);
    try {
      return file.readSync(into) ?? 0;
    } finally {
      file.seekSync(before, Deno.SeekMode.Start);
    }
  };
  return isFile ? { size, read } : undefined;
}

function standardInput(): PositionedFile | undefined {
  const info = fstatSync(0);
  return info.isFile() ? { size: info.size, read: (into, at) => readSync(0, into, 0, into.length, at) } : undefined;
}
