/**
 * Files whose modification time is the last time at which a sent message could not be remembered. As long as that
 * message may bounce, an unknown Message-ID proves nothing, so the door does not refuse a bounce because of it. If the
 * time is 0, or the file is missing, that never happened.
 */
import { provesMissing } from "../../lib/fail.ts";
import { isMissing, tryRemove } from "../system/files.ts";
import { SENT_DAYS } from "./sent.ts";

const DAY_MS = 86_400_000;

/**
 * The file: `forgotten` is about the index of sent mail in the same folder, and stays. `unreported` is about a shared
 * store that could not be reached, and is removed when that store knows the time. They are two files because the store
 * may have its files in the same folder.
 */
export type Note = "forgotten" | "unreported";

const pathOf = (state: string, note: Note): string => `${state}/${note}`;

/** The same time by file, for those that this process could not write. */
const unwritten = new Map<string, number>();

/** The files that {@link prepareForgotten} has created or found. If one disappears, so did all that was remembered. */
const prepared = new Set<string>();

/** Milliseconds for which a look at the file is valid where a message is only being received. */
const LOOK_MS = 1000;

/** The last look at the file, by state folder. */
const looks = new Map<string, { readonly at: number; readonly all: boolean }>();

/** Records that a message was sent but could not be remembered. Never throws. */
export function noteForgotten(state: string, now: Date, note: Note = "forgotten"): void {
  looks.delete(state);
  const path = pathOf(state, note);
  unwritten.set(path, Math.max(now.getTime(), unwritten.get(path) ?? 0));
  try {
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    const latest = new Date(Math.max(now.getTime(), writtenTime(path) ?? 0));
    try {
      // On a full disk, the time of an existing file can still be changed.
      Deno.utimeSync(path, latest, latest);
    } catch {
      Deno.openSync(path, { append: true, create: true, mode: 0o600 }).close();
      Deno.utimeSync(path, latest, latest);
    }
  } catch {
    // At least this process knows.
  }
}

/**
 * Creates the file with the time 0 if it is missing, because the door examines it for each forged bounce, and a missing
 * one takes several times as long. When it disappears later, this process knows that the state was lost. A note that
 * could not be written before is written. Never throws: nothing depends on it.
 */
export function prepareForgotten(state: string, note: Note = "forgotten"): void {
  const path = pathOf(state, note);
  if (isLost(path)) return noteForgotten(state, new Date(), note);
  const known = unwritten.get(path);
  if (known !== undefined) return noteForgotten(state, new Date(known), note);
  if (note === "forgotten") prepared.add(path);
  if (!isMissing(path)) return;
  const draft = `${path}.${Deno.pid}`;
  try {
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    Deno.openSync(draft, { append: true, create: true, mode: 0o600 }).close();
    Deno.utimeSync(draft, 0, 0);
    Deno.linkSync(draft, path); // does not replace a note that was written meanwhile
  } catch {
    prepared.delete(path); // it stays missing
  }
  tryRemove(draft);
}

/** Returns whether all mail of the last 30 days is remembered; false when that cannot be determined. */
export function remembersAll(state: string, now: Date, note: Note = "forgotten"): boolean {
  return isOver(lastForgotten(state, note), now);
}

/**
 * Returns what {@link remembersAll} returned within the last second. It may have changed since: a message that will be
 * judged because of this must not be rejected without asking again.
 */
export function remembersAllLately(state: string, now: Date): boolean {
  const known = looks.get(state);
  if (known !== undefined && Math.abs(now.getTime() - known.at) < LOOK_MS) return known.all;
  const all = remembersAll(state, now);
  looks.set(state, { at: now.getTime(), all });
  return all;
}

/** Returns whether a message that was sent at this time can no longer bounce. */
export function isOver(time: number | undefined, now: Date): boolean {
  return time === undefined || now.getTime() - time >= SENT_DAYS * DAY_MS;
}

/**
 * Returns when a message was last not remembered, in milliseconds since 1970; Infinity when that cannot be determined.
 */
export function lastForgotten(state: string, note: Note = "forgotten"): number | undefined {
  const path = pathOf(state, note);
  const known = unwritten.get(path);
  try {
    const written = writtenTime(path);
    if (written === undefined && known === undefined && isLost(path)) {
      noteForgotten(state, new Date(), note);
      return unwritten.get(path);
    }
    return Math.max(known ?? 0, written ?? 0) || undefined;
  } catch {
    return Infinity;
  }
}

/** Returns whether the file was there, and is no longer. */
const isLost = (path: string): boolean => prepared.has(path) && isMissing(path);

/** Removes the note `unreported` when the shared store knows it. @param time its time; a later note stays */
export function clearUnreported(state: string, time: number): void {
  const path = pathOf(state, "unreported");
  if ((unwritten.get(path) ?? 0) <= time) unwritten.delete(path);
  try {
    if ((writtenTime(path) ?? 0) <= time) Deno.removeSync(path);
  } catch {
    // It is transferred again next time.
  }
}

/** Returns the time of the file, 0 when it was only prepared; undefined when it does not exist. */
function writtenTime(path: string): number | undefined {
  try {
    return Deno.statSync(path).mtime!.getTime();
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw error;
  }
}
