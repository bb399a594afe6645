/**
 * A file whose modification time is the last time at which a sent message could not be remembered. As long as that
 * message may bounce, an unknown Message-ID proves nothing, so the door does not refuse a bounce because of it. If the
 * time is 0, or the file is missing, that never happened.
 */
import { provesMissing } from "../../lib/fail.ts";
import { isMissing, tryRemove } from "../system/files.ts";
import { SENT_DAYS } from "./sent.ts";

const DAY_MS = 86_400_000;

const pathIn = (state: string): string => `${state}/forgotten`;

/** The same time for state folders in which this process could not write the file. */
const unwritten = new Map<string, number>();

/** Milliseconds for which a look at the file is valid where a message is only being received. */
const LOOK_MS = 1000;

/** The last look at the file, by state folder. */
const looks = new Map<string, { readonly at: number; readonly all: boolean }>();

/** Records that a message was sent but could not be remembered. Never throws. */
export function noteForgotten(state: string, now: Date): void {
  looks.delete(state);
  unwritten.set(state, Math.max(now.getTime(), unwritten.get(state) ?? 0));
  try {
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    const latest = new Date(Math.max(now.getTime(), writtenTime(state) ?? 0));
    try {
      // On a full disk, the time of an existing file can still be changed.
      Deno.utimeSync(pathIn(state), latest, latest);
    } catch {
      Deno.openSync(pathIn(state), { append: true, create: true, mode: 0o600 }).close();
      Deno.utimeSync(pathIn(state), latest, latest);
    }
  } catch {
    // At least this process knows.
  }
}

/**
 * Creates the file with the time 0 if it is missing, because the door examines it for each forged bounce, and a missing
 * one takes several times as long. Never throws: nothing depends on it.
 */
export function prepareForgotten(state: string): void {
  if (!isMissing(pathIn(state))) return;
  const draft = `${pathIn(state)}.${Deno.pid}`;
  try {
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    Deno.openSync(draft, { append: true, create: true, mode: 0o600 }).close();
    Deno.utimeSync(draft, 0, 0);
    Deno.linkSync(draft, pathIn(state)); // does not replace a note that was written meanwhile
  } catch {
    // The file stays missing.
  }
  tryRemove(draft);
}

/** Returns whether all mail of the last 30 days is remembered; false when that cannot be determined. */
export function remembersAll(state: string, now: Date): boolean {
  return isOver(lastForgotten(state), now);
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
export function lastForgotten(state: string): number | undefined {
  const known = unwritten.get(state);
  try {
    const written = writtenTime(state);
    return known === undefined || written === undefined ? known ?? written : Math.max(known, written);
  } catch {
    return Infinity;
  }
}

/** Removes the record after it was transferred to another store. @param time its time; a later record stays */
export function clearForgotten(state: string, time: number): void {
  if ((unwritten.get(state) ?? 0) <= time) unwritten.delete(state);
  try {
    if ((writtenTime(state) ?? 0) <= time) Deno.removeSync(pathIn(state));
  } catch {
    // It is transferred again next time.
  }
}

/** Returns the time of the file; undefined when it does not exist, or was only prepared. */
function writtenTime(state: string): number | undefined {
  try {
    return Deno.statSync(pathIn(state)).mtime!.getTime() || undefined;
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw error;
  }
}
