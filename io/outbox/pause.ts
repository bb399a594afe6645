/**
 * A pause after a rejected login. Each message has its own delays, so many messages could make a server lock the
 * account, as servers do after several wrong passwords.
 */
import { tryRemove } from "../system/files.ts";

/** Milliseconds without an attempt after a login was rejected. */
const PAUSE_MS = 15 * 60_000;

/** Folder of the outbox with a file for each account whose login was rejected. */
const folderOf = (outbox: string): string => `${outbox}/login`;

const fileOf = (outbox: string, account: string): string =>
  `${folderOf(outbox)}/${(account || "transport").replace(/[^\w.@+-]/g, "_").slice(0, 100)}`;

/** Records that the login of an account was rejected. */
export function pauseAccount(outbox: string, account: string, now: Date): void {
  try {
    Deno.mkdirSync(folderOf(outbox), { recursive: true, mode: 0o700 });
    Deno.openSync(fileOf(outbox, account), { write: true, create: true, mode: 0o600 }).close();
    Deno.utimeSync(fileOf(outbox, account), now, now);
  } catch {
    // On a full disk the delays of the messages remain.
  }
}

/** Returns whether the login of an account was rejected recently. */
export function isPaused(outbox: string, account: string, now: number): boolean {
  try {
    const age = now - (Deno.statSync(fileOf(outbox, account)).mtime?.getTime() ?? 0);
    return age >= 0 && age < PAUSE_MS;
  } catch {
    return false;
  }
}

/** Ends the pauses of all accounts, because the user may have corrected the password. */
export function resumeAccounts(outbox: string): void {
  try {
    for (const { name } of Deno.readDirSync(folderOf(outbox))) tryRemove(`${folderOf(outbox)}/${name}`);
  } catch {
    // There is none.
  }
}
