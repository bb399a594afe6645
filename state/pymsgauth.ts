/**
 * Tokens of pymsgauth: an empty file `.TOKEN` a message that is still to be
 * confirmed. There the token was not looked at before it named a file; here it
 * is 40 hexadecimal digits or nothing.
 */
import { Fail, reason } from "../lib/fail.ts";

/** The name of its header field. */
export const TOKEN_FIELD = "X-pymsgauth-token";

const FORM = /^[0-9a-f]{40}$/;

/** Is this the token of a message that is not confirmed yet? */
export function hasToken(folder: string, token: string): boolean {
  if (folder === "" || !FORM.test(token)) return false;
  try {
    return Deno.lstatSync(`${folder}/.${token}`).isFile;
  } catch {
    return false;
  }
}

/** Takes a token for oneself: of many at once one does. */
export function claimToken(folder: string, token: string): boolean {
  if (!FORM.test(token)) return false;
  try {
    Deno.renameSync(`${folder}/.${token}`, `${folder}/claimed-${token}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new Fail("temporary", `Folder ${folder} is out of order: ${reason(error)}`, { cause: error });
  }
}

/** Ends a claim: gone, or there again when it is certain that nothing was answered. */
export function settleToken(folder: string, token: string, answered: boolean): void {
  try {
    if (answered) Deno.removeSync(`${folder}/claimed-${token}`);
    else Deno.renameSync(`${folder}/claimed-${token}`, `${folder}/.${token}`);
  } catch (error) {
    throw new Fail("temporary", `Folder ${folder} is out of order: ${reason(error)}`, { cause: error });
  }
}
