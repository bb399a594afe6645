/**
 * Moves a message into the spam maildir: by rename, or as a durable copy where that is not possible. Nothing is lost.
 */
import { isMissing, syncFolder } from "../../io/system/files.ts";
import { type MailFile, nameElsewhere, pathOf } from "./mailbox.ts";
import type { JudgedMail } from "./judged.ts";
import { copyTo, freshName, sameContent } from "./rewrite.ts";

/**
 * Moves a message. It keeps its flags, and one in new stays in new, so that it is unread.
 *
 * @returns the new path
 * @throws the error of a missing file, or {@link Renamed}, when another program has renamed or removed the message
 */
export async function moveTo(spam: string, maildir: string, mail: MailFile, judged: JudgedMail): Promise<string> {
  const path = pathOf(maildir, mail);
  const folder = `${spam}/${mail.folder}`;
  const name = nameElsewhere(mail.name);
  let target = `${folder}/${name}`;
  // rename(2) would replace another message.
  while (!isMissing(target)) {
    if (sameContent(path, target)) {
      Deno.removeSync(path); // a copy of a sweep that was killed
      return target;
    }
    target = `${folder}/${freshName(name)}`;
  }
  try {
    Deno.renameSync(path, target);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EXDEV") throw error;
    return await copyTo(spam, maildir, mail, judged, false);
  }
  // If the names are not on disk, a power failure leaves the message in one of the two folders.
  syncFolder(folder);
  return target;
}
