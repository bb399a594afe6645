/**
 * Tokens of pymsgauth: an empty file `.TOKEN` for each message that is still to be confirmed. A token names no message
 * and no list, so it only shows that a message left here; which one it was, the ledger knows. pymsgauth let a token
 * name any file; here it is 40 hexadecimal digits or nothing.
 */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";

const FORM = /^[0-9a-f]{40}$/;

/** Is this the token of a message that is still to be confirmed? @throws {Fail} `temporary` when that cannot be seen */
export function holdsToken(folder: string, token: string): boolean {
  if (folder === "" || !FORM.test(token)) return false;
  try {
    return Deno.lstatSync(`${folder}/.${token}`).isFile;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw new Fail("temporary", `Folder cannot be read: ${reason(error)}`, { file: folder, cause: error });
  }
}

/** Removes the token of a message that was confirmed, as pymsgauth does. The answer is out, so nothing may fail here. */
export function removeToken(folder: string, token: string): void {
  try {
    if (FORM.test(token)) Deno.removeSync(`${folder}/.${token}`);
  } catch {
    // pymsgauth removes it when it expires, and the spent entry of the ledger keeps it from counting again.
  }
}
