/**
 * A pause after a rejected login. Each message has its own delays, so many messages could make a server lock the
 * account, as servers do after several wrong passwords.
 */
import { errorText, type Fail } from "../../lib/fail.ts";
import { tryRemove } from "../system/files.ts";
import { Rejected } from "../transport/rejected.ts";
import type { OutboxContext } from "./context.ts";

/** Milliseconds without an attempt after a login was rejected. */
const PAUSE_MS = 15 * 60_000;

/** Folder of the outbox with a file for each account whose login was rejected. */
const folderOf = (outbox: string): string => `${outbox}/login`;

const fileOf = (outbox: string, account: string): string =>
  `${folderOf(outbox)}/${(account || "transport").replace(/[^\w.@+-]/g, "_").slice(0, 100)}`;

/** Returns whether this error is a rejected login, of which programs such as msmtp give notice with status 77. */
export const isLoginRejected = (failure: Fail | undefined): failure is Rejected =>
  failure instanceof Rejected && failure.code === 77;

/** Records that the login of an account was rejected, and why. */
export function pauseAccount(context: OutboxContext, account: string, failure: Rejected): void {
  const { outbox, clock } = context;
  const now = clock();
  try {
    Deno.mkdirSync(folderOf(outbox), { recursive: true, mode: 0o700 });
    const text = `${passwordStamp(context, account)}\n${errorText(failure)}\n`;
    Deno.writeTextFileSync(fileOf(outbox, account), text, { mode: 0o600 });
    Deno.utimeSync(fileOf(outbox, account), now, now);
  } catch {
    // On a full disk the delays of the messages remain.
  }
}

/**
 * Returns why the login of an account was rejected recently; undefined if it was not, or if the file with the password
 * was changed since.
 */
export function pausedBecause(context: OutboxContext, account: string, now: number): string | undefined {
  const file = fileOf(context.outbox, account);
  try {
    const age = now - (Deno.statSync(file).mtime?.getTime() ?? 0);
    if (age < 0 || age >= PAUSE_MS) return undefined;
    const [stamp, why = ""] = Deno.readTextFileSync(file).split("\n");
    return stamp === passwordStamp(context, account) ? why : undefined;
  } catch {
    return undefined;
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

/** Returns when the file with the password of an account was changed; the empty text if there is no such file. */
function passwordStamp({ accounts }: OutboxContext, account: string): string {
  const file = accounts.find(({ name }) => name === account)?.password_file ?? "";
  return file === "" ? "" : String(Deno.statSync(file).mtime?.getTime());
}
