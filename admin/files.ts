/** Files that are there whole or not at all. */
import { Fail, reason } from "../lib/fail.ts";

/** Makes a file that was not there. @returns false when it is there already: nothing is overwritten */
export function createWhole(path: string, text: string): boolean {
  const beside = `${path}.${crypto.randomUUID().slice(0, 8)}.new`;
  try {
    write(beside, text);
    // link, unlike rename, refuses to take the place of another.
    Deno.linkSync(beside, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw new Fail("io", `File ${path} cannot be written: ${reason(error)}`, { cause: error });
  } finally {
    remove(beside);
  }
}

/**
 * Changes a file at once: who reads it sees the old one or the new one. Mode and owner stay.
 *
 * @param change gets the text as it is, and gives the new one
 * @throws {Fail} `temporary` while another change is under way; what `change` throws
 */
export function changeWhole(path: string, change: (text: string) => string): void {
  // A link to a file elsewhere stays one.
  const real = Deno.realPathSync(path);
  const beside = `${real}.new`;
  try {
    // It is the lock, too: of two at once, one would lose what the other added.
    write(beside, "");
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) {
      throw new Fail("io", `File ${beside} cannot be written: ${reason(error)}`, { cause: error });
    }
    const what = "is there: another change is under way, or broke off; then remove it";
    throw new Fail("temporary", `File ${beside} ${what}`);
  }
  try {
    const text = change(Deno.readTextFileSync(real));
    const [now, then] = [Deno.statSync(beside), Deno.statSync(real)];
    if (then.uid !== now.uid || then.gid !== now.gid) Deno.chownSync(beside, then.uid, then.gid);
    Deno.chmodSync(beside, then.mode! & 0o7777);
    fill(beside, text);
    Deno.renameSync(beside, real);
  } catch (error) {
    remove(beside);
    if (error instanceof Fail) throw error;
    throw new Fail("io", `File ${real} cannot be changed: ${reason(error)}`, { cause: error });
  }
}

/** Makes a folder that only its owner may enter, and those above it. @throws {Fail} `io` */
export function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Fail("io", `Folder ${path} cannot be made: ${reason(error)}`, { cause: error });
  }
}

/** Is there anything of this name? Also a link that leads nowhere: what it names would be written. */
export function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Where a path leads in the end, through all links; what is not there yet is taken as it is. */
export function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    const at = path.lastIndexOf("/");
    return at < 1 ? path : realPath(path.slice(0, at)) + path.slice(at);
  }
}

function write(path: string, text: string): void {
  Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
  fill(path, text);
}

function fill(path: string, text: string): void {
  using file = Deno.openSync(path, { write: true, truncate: true });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  // A name without its bytes, after a power cut, would be worse than the old file.
  file.syncSync();
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was never made.
  }
}
