/**
 * Tokens of pymsgauth: an empty file `.TOKEN` for each message that is still to be confirmed. A token names neither the
 * message nor the list. It only proves that a message was sent from here; the ledger knows which one. pymsgauth accepts
 * any file name as a token; only 40 hexadecimal digits are accepted here.
 */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";

const FORM = /^[0-9a-f]{40}$/;

/**
 * Returns whether a message with this token is still to be confirmed.
 *
 * @throws {Fail} `temporary` when the folder cannot be read
 */
export function holdsToken(folder: string, token: string): boolean {
  if (folder === "" || !FORM.test(token)) return false;
  try {
    return Deno.lstatSync(`${folder}/.${token}`).isFile;
  } catch (error) {
    if (provesMissing(error)) return false;
    throw new Fail("temporary", `Folder cannot be read: ${reason(error)}`, { file: folder, cause: error });
  }
}

/** Removes the token of a confirmed message, as pymsgauth does. Never throws, because the answer has been sent. */
export function removeToken(folder: string, token: string): void {
  try {
    if (FORM.test(token)) Deno.removeSync(`${folder}/.${token}`);
  } catch {
    // pymsgauth removes it when it expires. The spent entry in the ledger prevents a second answer.
  }
}
