/**
 * Tokens of pymsgauth: an empty file `.TOKEN` a message that is still to be
 * confirmed. There the token was not looked at before it named a file; here it
 * is 40 hexadecimal digits or nothing.
 */
import { Fail, provesMissing, reason } from "../lib/fail.ts";

/** The name of its header field. */
export const TOKEN_FIELD = "X-pymsgauth-token";

const FORM = /^[0-9a-f]{40}$/;

/**
 * `issued`: its message is not confirmed yet; `claimed`: an answer was begun; undefined: it is not a token of ours.
 *
 * @throws {Fail} `temporary` when the folder cannot be looked into
 */
export function tokenState(folder: string, token: string): "issued" | "claimed" | undefined {
  if (folder === "" || !FORM.test(token)) return undefined;
  return isFile(`${folder}/.${token}`) ? "issued" : isFile(`${folder}/claimed-${token}`) ? "claimed" : undefined;
}

function isFile(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw outOfOrder(path.slice(0, path.lastIndexOf("/")), error);
  }
}

/** Takes a token for oneself: of many at once one does. */
export function claimToken(folder: string, token: string): boolean {
  if (!FORM.test(token)) return false;
  try {
    Deno.renameSync(`${folder}/.${token}`, `${folder}/claimed-${token}`);
    // What is answered must stay claimed if the machine stops now.
    using opened = Deno.openSync(folder, { read: true });
    opened.syncSync();
    return true;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw outOfOrder(folder, error);
  }
}

/** Ends a claim: gone, or there again when it is certain that nothing was answered. */
export function settleToken(folder: string, token: string, answered: boolean): void {
  try {
    if (answered) Deno.removeSync(`${folder}/claimed-${token}`);
    else Deno.renameSync(`${folder}/claimed-${token}`, `${folder}/.${token}`);
  } catch (error) {
    throw outOfOrder(folder, error);
  }
}

function outOfOrder(folder: string, error: unknown): Fail {
  return new Fail("temporary", `Folder ${folder} is out of order: ${reason(error)}`, { cause: error });
}
