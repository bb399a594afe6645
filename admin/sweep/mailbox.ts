/** The files of a maildir and their names, as described in maildir(5) and extended by Dovecot, mbsync and others. */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import { isMissing } from "../../io/system/files.ts";

/** A message in a maildir. */
export interface MailFile {
  readonly folder: "new" | "cur";
  readonly name: string;
  /** The part of the name that stays the same when flags change or a program adds a UID or a size. */
  readonly unique: string;
}

/** Returns the path of a message. */
export const pathOf = (maildir: string, { folder, name }: Pick<MailFile, "folder" | "name">): string =>
  `${maildir}/${folder}/${name}`;

/**
 * Returns the unique part of a file name, which is followed by fields such as `,S=1234` and `,U=5`, and by the flags.
 * mbsync and others can use another delimiter than a colon before the flags.
 */
export function uniqueName(name: string): string {
  return /^[^,:;!]+/.exec(name)?.[0] ?? name;
}

/**
 * Returns the name that a message gets in another folder. It keeps its flags and loses the UID that mbsync has added
 * (`,U=5`), which would otherwise exist twice there, so that mbsync would stop synchronizing the folder.
 *
 * @param size the new size in bytes, if the content was changed; Dovecot relies on the size in the name (`,S=1234`)
 */
export function nameElsewhere(name: string, size?: number): string {
  return sized(name.replace(/,U=\d+(?=[,:;!]|$)/g, ""), size);
}

/**
 * Returns the name with this size, if it contains one. The size with CRLF (`,W=`) is removed; Dovecot can compute it.
 */
export function sized(name: string, size?: number): string {
  if (size === undefined) return name;
  return name.replace(/,S=\d+(?=[,:;!]|$)/g, `,S=${size}`).replace(/,W=\d+(?=[,:;!]|$)/g, "");
}

/**
 * Lists the messages of a maildir. A name that moves from new to cur meanwhile is found in cur. A restored backup can
 * contain a message twice, with different flags: these are two messages.
 *
 * @throws {Fail} `temporary` when a folder cannot be read
 */
export function listMaildir(maildir: string): MailFile[] {
  const found = new Map<string, MailFile[]>();
  for (const folder of ["new", "cur"] as const) {
    try {
      for (const { name, isFile } of Deno.readDirSync(`${maildir}/${folder}`)) {
        if (!isFile || name.startsWith(".")) continue;
        const unique = uniqueName(name);
        const mail = { folder, name, unique };
        const others = found.get(unique);
        if (others === undefined) found.set(unique, [mail]);
        else others.push(mail);
      }
    } catch (error) {
      const file = `${maildir}/${folder}`;
      throw new Fail("temporary", `Folder cannot be read: ${reason(error)}`, { file, cause: error });
    }
  }
  return [...found.values()].flatMap((files) => files.length === 1 ? files : stillThere(maildir, files));
}

/** Returns the files that exist, or the last one of a message that is renamed all the time. */
function stillThere(maildir: string, files: readonly MailFile[]): MailFile[] {
  const there = files.filter((one) => !isMissing(pathOf(maildir, one)));
  return there.length > 0 ? there : files.slice(-1);
}

/** Returns the files with this unique name; usually one, or none if the message was moved or removed. */
export function findMail(maildir: string, unique: string): MailFile[] {
  const found: MailFile[] = [];
  for (const folder of ["new", "cur"] as const) {
    for (const { name, isFile } of Deno.readDirSync(`${maildir}/${folder}`)) {
      if (isFile && uniqueName(name) === unique) found.push({ folder, name, unique });
    }
  }
  return found;
}

/** Runs work on a message. If another program has renamed it meanwhile, it is looked up and the work is done again. */
export async function onFile<T>(
  maildir: string,
  mail: MailFile,
  work: (mail: MailFile) => Promise<T> | T,
): Promise<T | undefined> {
  for (let tries = 0;; tries++) {
    try {
      return await work(mail);
    } catch (error) {
      if (!provesMissing(error) && !(error instanceof Renamed)) throw error;
      const path = pathOf(maildir, mail);
      const [found] = findMail(maildir, mail.unique);
      if (found === undefined) return undefined;
      // The same file, so something else is missing; or a program that renames it all the time.
      if (!(error instanceof Renamed) && pathOf(maildir, found) === path || tries >= MAX_TRIES) {
        throw new Fail("temporary", `Message cannot be processed: ${reason(error)}`, { file: path, cause: error });
      }
      mail = found;
    }
  }
}

/** How often a message that other programs rename is looked up. */
const MAX_TRIES = 10;

/** Thrown when another program has renamed a message while it was processed. */
export class Renamed extends Error {
  override readonly message = "it is renamed all the time";
}

/** Checks that a path is a maildir. @returns its path without links @throws {Fail} `io` */
export function checkMaildir(path: string): string {
  let why = "it is not a maildir, which contains the folders cur and new";
  try {
    const real = Deno.realPathSync(path);
    if (["new", "cur"].every((folder) => isFolder(`${real}/${folder}`))) return real;
  } catch (error) {
    why = reason(error);
  }
  throw new Fail("io", `Maildir cannot be read: ${why}`, { file: path });
}

/**
 * Whether new or cur of two maildirs are one folder, through a link or a mount: a message would be moved onto itself.
 */
export function shareFolder(one: string, other: string): boolean {
  const identify = (path: string) => {
    try {
      const { dev, ino } = Deno.statSync(path);
      return `${dev} ${ino}`;
    } catch (error) {
      if (provesMissing(error)) return path;
      throw new Fail("io", `Folder cannot be read: ${reason(error)}`, { file: path, cause: error });
    }
  };
  const folders = (maildir: string) => ["new", "cur"].map((name) => identify(`${maildir}/${name}`));
  const others = new Set(folders(other));
  return folders(one).some((folder) => others.has(folder));
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw error;
  }
}
