/** A mailbox that a setting or an option names: a maildir, or an mbox file, which is written `mbox:FILE`. */

/** A mailbox in one of the two formats. */
export type Mailbox = { readonly maildir: string } | { readonly mbox: string };

const MBOX = "mbox:";

/** Returns the mailbox that a value of a setting names. */
export function mailboxOf(value: string): Mailbox {
  return value.startsWith(MBOX) ? { mbox: value.slice(MBOX.length) } : { maildir: value };
}

/** Returns the path of a mailbox. */
export function pathOf(mailbox: Mailbox): string {
  return "mbox" in mailbox ? mailbox.mbox : mailbox.maildir;
}

/** Returns the maildirs among values of settings, without those that are empty. */
export function maildirsAmong(values: readonly string[]): string[] {
  return values.map(mailboxOf).flatMap((one) => "maildir" in one && one.maildir !== "" ? [one.maildir] : []);
}

/** Converts the path within a value of a setting. */
export function withPath(value: string, convert: (path: string) => string): string {
  return value.startsWith(MBOX) ? MBOX + convert(value.slice(MBOX.length)) : convert(value);
}
