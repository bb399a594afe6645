/** Reads files and checks their owner and mode. Missing, unreadable and forbidden are different errors. */
import { GROUP, PASSWD } from "../../lib/paths.ts";
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import { isGroupOf } from "../../lib/settings/groups.ts";
import { plainEnv } from "./environment.ts";

/** Maximum size of a settings or key file. */
const MAX_FILE_BYTES = 256 * 1024;

/** Returns the text of a small file; undefined if it is missing. @throws {Fail} `temporary` when it cannot be read */
export function readIfPresent(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw new Fail("temporary", `File cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

/** Reads a file in the home directory. Uses HOME, because a wrapper may have changed the working directory. */
export function readBelowHome(name: string): string | undefined {
  return readIfPresent(`${plainEnv("HOME") || Deno.cwd()}/${name}`);
}

/** Describes a name, without following a link; undefined if it certainly does not exist. */
export function lstatIfPresent(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw error;
  }
}

/** Returns whether this name certainly does not exist. A dangling link exists, and an unreadable name may. */
export function isMissing(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return provesMissing(error);
  }
}

/** Mode bits that allow others than the owner to write. Group write permission is harmless for a private group. */
export const WRITABLE = 0o022;

/**
 * Checks mode and owner.
 *
 * @throws {Fail} `permission` if a forbidden bit is set, or the owner is not the user or root
 */
export function checkOwn(what: string, path: string, info: Deno.FileInfo, forbidden: number, lent = false): void {
  const mode = (info.mode ?? 0) & 0o777;
  const others = mode & forbidden;
  if (others !== 0 && !(forbidden === WRITABLE && others === 0o020 && isPrivateGroup(info.gid))) {
    const open = (forbidden & 0o004) !== 0 ? "readable" : "writable";
    const fix = `chmod ${(mode & ~forbidden).toString(8)} ${path}`;
    throw new Fail("permission", `${what} is ${open} by others (mode 0${mode.toString(8)})`, { file: path, fix });
  }
  const user = Deno.uid();
  if (!lent && info.uid !== null && info.uid !== user && info.uid !== 0) {
    const message = `${what} belongs to user ${info.uid}, not to ${user}`;
    throw new Fail("permission", message, { file: path, fix: ownershipFix(path, user) });
  }
}

/** Returns whether the user and root are the only members of this group; false if the group file cannot be read. */
function isPrivateGroup(gid: number | null): boolean {
  try {
    const users = [Deno.uid() ?? 0, 0];
    return gid !== null && isGroupOf(gid, users, Deno.readTextFileSync(PASSWD), Deno.readTextFileSync(GROUP));
  } catch {
    return false;
  }
}

/** Options for reading a file. */
interface Reading {
  /** Whether the file may belong to another user. */
  readonly lent?: boolean;
  /** Another user to whom the file may belong. */
  readonly owner?: number | undefined;
  /** Maximum size in bytes. */
  readonly limit?: number;
  /** What to do if it is missing. */
  readonly fix?: string;
}

/**
 * Reads a file that belongs to the user or root.
 *
 * @param forbidden mode bits that must not be set
 * @throws {Fail} `permission` for its owner or mode; `config` or `temporary` when it cannot be read
 */
export function readPrivateFile(
  what: string,
  path: string,
  forbidden: number,
  { lent = false, owner, limit = MAX_FILE_BYTES, fix }: Reading = {},
): string {
  let file: Deno.FsFile | undefined;
  let info: Deno.FileInfo;
  try {
    // Opening a named pipe would wait for a writer, and the user to whom a key file belongs could have put one there.
    info = Deno.statSync(path);
    if (info.isFile) file = Deno.openSync(path);
    // Check the open file, because the name may refer to another file by now.
    info = file?.statSync() ?? info;
  } catch (error) {
    throw unreadable(what, path, error, fix);
  }
  using opened = file;
  if (opened === undefined || !info.isFile) throw new Fail("config", `${what} is not a regular file`, { file: path });
  checkOwn(what, path, info, forbidden, lent || (owner !== undefined && info.uid === owner));
  if (info.size > limit) throw new Fail("config", `${what} is longer than ${limit} bytes`, { file: path });
  const bytes = new Uint8Array(info.size);
  let size = 0;
  try {
    for (let count; size < bytes.length && (count = opened.readSync(bytes.subarray(size))) !== null;) size += count;
  } catch (error) {
    throw unreadable(what, path, error, fix);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, size));
  } catch {
    throw new Fail("config", `${what} is not UTF-8`, { file: path });
  }
}

/** Returns the error for a file that is missing or cannot be read. */
export function unreadable(what: string, path: string, error: unknown, fix?: string): Fail {
  if (error instanceof Deno.errors.NotFound) {
    return new Fail("config", `${what} does not exist`, { file: path, fix, cause: error });
  }
  const own = error instanceof Deno.errors.PermissionDenied ? permissionFix(path, Deno.uid()) : undefined;
  const message = `${what} cannot be read: ${reason(error)}`;
  // Anything else, such as too many open files or a failed disk, has nothing to do with the settings.
  const kind = error instanceof Error && LASTING.includes(error.name) ? "config" : "temporary";
  return new Fail(kind, message, { file: path, fix: own, cause: error });
}

/** Returns the fix for a file that this user may not read. */
function permissionFix(path: string, user: number | null): string {
  try {
    if (Deno.statSync(path).uid === user) return `chmod u+r ${path}`;
  } catch {
    // The folder may not be entered.
  }
  return ownershipFix(path, user);
}

/**
 * Returns the fix for a file of another user. Files outside the home may belong to a site, whose users only read them.
 */
export function ownershipFix(path: string, user: number | null): string {
  const home = plainEnv("HOME");
  if (user === 0 || home !== "" && path.startsWith(`${home}/`)) return `chown ${user} ${path}`;
  return `let user ${user} read it through its group, or use settings of your own: countersign init`;
}

/** Errors that remain until somebody changes the file or its folder. */
const LASTING = ["PermissionDenied", "NotADirectory", "IsADirectory", "FilesystemLoop"];

/** Writes all bytes; one write may write only some, for example when the disk becomes full. */
export function writeAll(file: Pick<Deno.FsFile, "writeSync">, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const count = file.writeSync(bytes.subarray(at));
    if (count === 0) throw new Error("nothing was written");
    at += count;
  }
}

/** Syncs a folder, so that names that were created, renamed or removed in it are on disk. */
export function syncFolder(path: string): void {
  const folder = Deno.openSync(path, { read: true });
  try {
    folder.syncSync();
  } finally {
    folder.close(); // not `using`: see tests/bundle_test.ts
  }
}

/** Creates a file whose mtime is a date, or changes the date. @throws errors of the file system */
export function writeStamp(path: string, when: Date): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
  Deno.utimeSync(path, when, when);
}

/** Removes a file or an empty folder. Errors are ignored: it may not exist, or another process may have removed it. */
export function tryRemove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // What remains is removed when it is old enough.
  }
}

/**
 * Removes what killed programs left in a folder more than this many hours ago. What cannot be removed is left; there
 * may be no such folder, or another process is cleaning.
 *
 * @param ours whether these programs created the file or folder
 * @returns how many were removed
 */
export function removeLeftovers(
  folder: string,
  hours: number,
  now: Date,
  ours: (entry: Deno.DirEntry) => boolean,
): number {
  let gone = 0;
  try {
    for (const entry of Deno.readDirSync(folder)) {
      if (ours(entry) && removeIfOlder(`${folder}/${entry.name}`, hours, now, entry.isDirectory)) gone++;
    }
  } catch {
    // The folder is missing or cannot be read.
  }
  return gone;
}

function removeIfOlder(path: string, hours: number, now: Date, recursive: boolean): boolean {
  try {
    const { mtime } = Deno.lstatSync(path);
    if (mtime === null || now.getTime() - mtime.getTime() < hours * 3_600_000) return false;
    Deno.removeSync(path, { recursive });
    return true;
  } catch {
    return false;
  }
}

/** Cuts a file back to this size, and syncs it. Errors are ignored: the error that led to this is reported. */
export function tryTruncate(file: Deno.FsFile, size: number): void {
  try {
    file.truncateSync(size);
    file.syncSync();
  } catch {
    // A mail program shows a message that is not complete.
  }
}
