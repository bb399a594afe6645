/** Removes files that killed programs left in the tmp folder of a maildir. */

/** A file in tmp that is older than 36 hours is abandoned (maildir(5)). */
const MAX_AGE_HOURS = 36;
/** The names of files that deliverToMaildir() creates. Other programs remove their own files. */
const OURS = /^\d+\.P\d+R[0-9a-f]{20}\.countersign$/;

/** Removes the files. @returns their number */
export function cleanMaildir(maildir: string, now: Date): number {
  if (maildir === "") return 0;
  let gone = 0;
  try {
    for (const { name } of Deno.readDirSync(`${maildir}/tmp`)) {
      if (!OURS.test(name)) continue;
      const { mtime } = Deno.lstatSync(`${maildir}/tmp/${name}`);
      if (mtime === null || now.getTime() - mtime.getTime() < MAX_AGE_HOURS * 3_600_000) continue;
      Deno.removeSync(`${maildir}/tmp/${name}`);
      gone++;
    }
  } catch {
    // There is no such maildir, or another program is cleaning.
  }
  return gone;
}
