/**
 * What a maildir contained at the last sweep, as a file of unique names, so that each message is judged once. Times
 * alone would not suffice: flags, restored mailboxes and a clock that is set back change them.
 */
import { provesMissing } from "../../lib/fail.ts";

/** Days for which a name is kept after it was last listed, in case a mailbox is restored. */
const ABSENT_DAYS = 30;
const VERSION_LINE = /^sweep 1 (\d+) (\d+)$/;

/** The times of new and cur, in milliseconds since 1970. */
export type FolderTimes = readonly [newTime: number, curTime: number];

/** A change within this time of another may leave the time of a folder as it is. */
const SETTLED_MS = 2000;

/** Returns the times of the folders of a maildir. */
export function folderTimes(maildir: string): FolderTimes {
  const time = (folder: string) => Deno.statSync(`${maildir}/${folder}`).mtime?.getTime() ?? 0;
  return [time("new"), time("cur")];
}

/** The messages that were seen in a maildir. */
export class Seen {
  /** Whether the maildir is swept for the first time. */
  readonly first: boolean;
  readonly #file: string;
  /** The day on which each name was last listed. */
  readonly #days = new Map<string, number>();
  #times: FolderTimes = [0, 0];
  #text: string;

  /** Reads the file; one that is damaged counts as missing. @throws errors other than that it is missing */
  constructor(file: string) {
    this.#file = file;
    let text = "";
    try {
      text = Deno.readTextFileSync(file);
    } catch (error) {
      if (!provesMissing(error)) throw error;
    }
    this.#text = text;
    const end = text.indexOf("\n");
    const [, newTime, curTime] = VERSION_LINE.exec(text.slice(0, end)) ?? [];
    this.first = newTime === undefined;
    if (this.first) return;
    this.#times = [Number(newTime), Number(curTime)];
  }

  /** Whether nothing was added, removed or renamed since; the names are then not read. */
  isCurrent([newTime, curTime]: FolderTimes): boolean {
    return newTime !== 0 && curTime !== 0 && newTime === this.#times[0] && curTime === this.#times[1];
  }

  /** Reads the names. */
  load(): void {
    for (let at = this.#text.indexOf("\n") + 1, end; (end = this.#text.indexOf("\n", at)) >= 0; at = end + 1) {
      const space = this.#text.indexOf(" ", at);
      if (space < end) this.#days.set(this.#text.slice(space + 1, end), Number(this.#text.slice(at, space)));
    }
  }

  has(unique: string): boolean {
    return this.#days.has(unique);
  }

  /** Adds a message, or notes that it is still there. */
  add(unique: string, today: number): void {
    // A name that would not be one line is judged again each time.
    if (!unique.includes("\n")) this.#days.set(unique, today);
  }

  /**
   * Writes the names.
   *
   * @param times the times of the folders before they were listed; undefined if some messages must be looked at again
   * @param began when they were listed
   */
  save(times: FolderTimes | undefined, began: number, today: number): void {
    const settled = times !== undefined && times.every((time) => began - time >= SETTLED_MS);
    const lines = [`sweep 1 ${(settled ? times : [0, 0]).join(" ")}\n`];
    for (const [unique, day] of this.#days) {
      if (Math.abs(today - day) <= ABSENT_DAYS) lines.push(`${day} ${unique}\n`);
    }
    const text = lines.join("");
    if (text === this.#text) return;
    // Not synced: without it, or if it is damaged, messages are judged again, with the same result.
    Deno.writeTextFileSync(`${this.#file}.new`, text, { mode: 0o600 });
    Deno.renameSync(`${this.#file}.new`, this.#file);
    this.#text = text;
  }
}
