/** Files with their owner and mode. Missing, unreadable and forbidden are three different things. */
import { GROUP, PASSWD } from "../../lib/paths.ts";
import { Fail, provesMissing, reason, temporaryIfDenied } from "../../lib/fail.ts";
import { isGroupOf } from "../../lib/settings/groups.ts";
import { plainEnv } from "./environment.ts";

/** Longest settings or key file. */
const MAX_FILE_BYTES = 256 * 1024;

/** A small text file; undefined where it is missing. @throws {Fail} `temporary` when it cannot be read */
export function readIfPresent(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw new Fail("temporary", `File cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

/** The same of a file below the home, by the name that HOME has for it: a wrapper may have changed the folder. */
export function readBelowHome(name: string): string | undefined {
  return readIfPresent(`${plainEnv("HOME") || Deno.cwd()}/${name}`);
}

export function isFileOrNothing(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch (error) {
    return provesMissing(error);
  }
}

/** Does this name not exist? One that we may not look at could, and so does a link that leads nowhere at present. */
export function isMissing(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return provesMissing(error);
  }
}

/** Mode bits by which others than the owner may write. That of the group does no harm where it is a private one. */
export const WRITABLE = 0o022;

/** @throws {Fail} `permission` for a file with these bits, or one that is neither the user's nor root's */
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
    throw new Fail("permission", message, { file: path, fix: `chown ${user} ${path}` });
  }
}

/** Is nobody in this group but the user, and root? Where we may not look, somebody could be. */
function isPrivateGroup(gid: number | null): boolean {
  try {
    const users = [Deno.uid() ?? 0, 0];
    return gid !== null && isGroupOf(gid, users, Deno.readTextFileSync(PASSWD), Deno.readTextFileSync(GROUP));
  } catch {
    return false;
  }
}

/** What may be different with a file that is read. */
interface Reading {
  /** May it belong to somebody else? */
  readonly lent?: boolean;
  /** How long may it be? */
  readonly limit?: number;
  /** What to do where it is missing. */
  readonly fix?: string;
}

/**
 * Reads a file that is the user's own, or root's.
 *
 * @param forbidden mode bits that must not be set
 */
export function readPrivateFile(
  what: string,
  path: string,
  forbidden: number,
  { lent, limit = MAX_FILE_BYTES, fix }: Reading = {},
): string {
  let file: Deno.FsFile;
  let info: Deno.FileInfo;
  try {
    file = Deno.openSync(path);
    // The open file is asked, not the name: it may be another one by now. Deno wants a permission for its real name.
    info = file.statSync();
  } catch (error) {
    throw unreadable(what, path, error, fix);
  }
  using opened = file;
  if (!info.isFile) throw new Fail("config", `${what} is not a regular file`, { file: path });
  checkOwn(what, path, info, forbidden, lent);
  if (info.size > limit) throw new Fail("config", `${what} is longer than ${limit} bytes`, { file: path });
  const bytes = new Uint8Array(info.size);
  let size = 0;
  for (let count; size < bytes.length && (count = opened.readSync(bytes.subarray(size))) !== null;) size += count;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, size));
  } catch {
    throw new Fail("config", `${what} is not UTF-8`, { file: path });
  }
}

/** The error for a file that is missing, or cannot be looked at. */
export function unreadable(what: string, path: string, error: unknown, fix?: string): Fail {
  if (error instanceof Deno.errors.NotFound) {
    return new Fail("config", `${what} does not exist`, { file: path, fix, cause: error });
  }
  const own = error instanceof Deno.errors.PermissionDenied ? `chown "$(id -un)" ${path}` : undefined;
  const message = `${what} cannot be read: ${reason(error)}`;
  return new Fail(temporaryIfDenied(error, "config"), message, { file: path, fix: own, cause: error });
}
