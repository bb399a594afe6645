/**
 * Reads the files of the index of sent mail. `countersign serve` reads the same ones again and again, and opening a
 * file with limited permissions takes several times as long as examining it, so contents are kept while the file is the
 * same.
 */
import type { Bytes } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";

/** The contents of a file, and what changes with them: records are only appended. */
interface Kept {
  readonly bytes: Bytes;
  readonly ino: number | null;
  readonly modified: number | undefined;
  /** When the file was last examined, in milliseconds since the program started. */
  examined: number;
}

/** Bytes that contents may take together, and what each of them takes besides its length. */
const [MAX_BYTES, OVERHEAD] = [8 * 1024 * 1024, 400];

/** Reads buckets, and keeps the contents of the last ones. */
export class Buckets {
  readonly #limit: number;
  /** Contents by path, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #size = 0;

  /** @param limit maximum size of the contents that are kept, in bytes */
  constructor(limit = MAX_BYTES) {
    this.#limit = limit;
  }

  /**
   * Returns the records of a bucket, none if it does not exist.
   *
   * @param age milliseconds for which the file need not be examined again
   * @throws {Fail} `temporary` when it cannot be read
   */
  read(path: string, age = 0): Bytes {
    try {
      const [known, examined] = [this.#kept.get(path), performance.now()];
      if (known !== undefined && examined - known.examined < age) return known.bytes;
      const { ino, size, mtime } = Deno.statSync(path);
      const modified = mtime?.getTime();
      if (known?.bytes.length === size && known.ino === ino && known.modified === modified) {
        known.examined = examined;
        return known.bytes;
      }
      const bytes = Deno.readFileSync(path);
      // A record may have been added since the file was examined.
      if (bytes.length === size) this.#keep(path, { bytes, ino, modified, examined });
      return bytes;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array();
      throw unreadable(path, error);
    }
  }

  #keep(path: string, contents: Kept): void {
    this.#forget(path);
    this.#kept.set(path, contents);
    this.#size += contents.bytes.length + OVERHEAD;
    while (this.#size > this.#limit) this.#forget(this.#kept.keys().next().value!);
  }

  #forget(path: string): void {
    const known = this.#kept.get(path);
    if (known === undefined) return;
    this.#kept.delete(path);
    this.#size -= known.bytes.length + OVERHEAD;
  }
}

/** Returns the error about a file or folder of the index. */
export function unreadable(path: string, error: unknown): Fail {
  return new Fail("temporary", `Index of sent mail cannot be read: ${reason(error)}`, { file: path, cause: error });
}
