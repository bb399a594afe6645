/** The record at the beginning of the file of a held message: one field, which the original message follows. */
import { concat, utf8 } from "../../../lib/bytes.ts";
import { provesMissing } from "../../../lib/fail.ts";
import { trouble } from "./folder.ts";
import type { HeldRecord } from "./store.ts";

/** The field at the beginning of each file. */
const FIELD = "X-Doorbell: ";
/** Maximum length of the field, in bytes. */
export const MAX_RECORD_BYTES = 64 * 1024;

/** Returns the field that holds a record, with the end of its line. */
export const printRecord = (record: HeldRecord): Uint8Array => utf8(`${FIELD}${JSON.stringify(record)}\n`);

/** Reads the record of a file; undefined if the file is missing. @throws {Fail} `temporary` */
export function readRecord(path: string): HeldRecord | undefined {
  const opened = openRecord(path);
  opened?.file.close();
  return opened?.record;
}

/** Opens a file and reads its record; the file is then at the beginning of the original. */
export function openRecord(path: string): { record: HeldRecord; file: Deno.FsFile } | undefined {
  const file = openFile(path);
  if (file === undefined) return undefined;
  try {
    return { record: recordIn(file, path), file };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Opens a file; undefined if it is missing. @throws {Fail} `temporary` */
export function openFile(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { read: true, write: true }); // on NFS only such a file can be locked
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw trouble(path, error);
  }
}

/** Reads the record of an open file, which is then at the beginning of the original. @throws {Fail} `temporary` */
export function recordIn(file: Deno.FsFile, path: string): HeldRecord {
  try {
    let bytes = new Uint8Array(0);
    const buffer = new Uint8Array(4096);
    for (let count; (count = file.readSync(buffer)) !== null;) {
      bytes = concat(bytes, buffer.subarray(0, count));
      const end = bytes.indexOf(10);
      if (end < 0 && bytes.length < MAX_RECORD_BYTES) continue;
      const line = new TextDecoder().decode(bytes.subarray(0, Math.max(end, 0)));
      if (!line.startsWith(FIELD)) break;
      file.seekSync(end + 1, Deno.SeekMode.Start);
      return JSON.parse(line.slice(FIELD.length));
    }
    throw new Error("it does not begin with a record");
  } catch (error) {
    throw trouble(path, error);
  }
}

/** Returns what follows the record. */
export async function* contentOf(file: Deno.FsFile, start: number): AsyncGenerator<Uint8Array> {
  file.seekSync(start, Deno.SeekMode.Start);
  const buffer = new Uint8Array(64 * 1024);
  for (let count; (count = await file.read(buffer)) !== null;) yield buffer.subarray(0, count);
}
