/** Removes files that killed programs left in the tmp folder of a maildir. */
import { removeLeftovers } from "../system/files.ts";

/** A file in tmp that is older than 36 hours is abandoned (maildir(5)). */
const MAX_AGE_HOURS = 36;
/** The names of files that deliverToMaildir() creates. Other programs remove their own files. */
const OURS = /^\d+\.P\d+R[0-9a-f]{20}\.countersign$/;

/** Removes the files. @returns their number */
export function cleanMaildir(maildir: string, now: Date): number {
  return maildir === "" ? 0 : removeLeftovers(`${maildir}/tmp`, MAX_AGE_HOURS, now, ({ name }) => OURS.test(name));
}
