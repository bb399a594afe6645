/** Shared by the tests of sweep: a home whose mail is fetched, and messages as a server delivers them. */
import { fieldOf, Home, qsbmf, type Ran } from "../rig.ts";
import { countersign } from "./run.ts";

const NOW = new Date();

/** A message below the fields that the receiving server adds. */
export function fetched(mail: string, sender = "", recipient = "greg@example.org", time = NOW): string {
  return `Return-Path: <${sender}>
Delivered-To: ${recipient}
Received: from mx.example.net by mx.example.org with ESMTP; ${time.toUTCString().replace("GMT", "+0000")}
${mail}`;
}

/** A bounce of a message that greg did not send; `n` makes it different from others. */
export const forged = (n = 1, time?: Date): string =>
  fetched(
    qsbmf("greg@example.org", `From: greg@example.org\nMessage-ID: <lie${n}@spam.example>\nSubject: Pills\n\nBuy!\n`),
    "",
    "greg@example.org",
    time,
  );

/** A message from a person. */
export const letter = (n = 1): string =>
  fetched(
    `From: Ann <ann@example.net>\nTo: greg@example.org\nMessage-ID: <${n}@example.net>\n\nHi.\n`,
    "ann@example.net",
  );

/** The home of a user without an SRS domain or an MTA, with the maildirs Mail/Inbox and Mail/Spam. */
export class Laptop extends Home {
  constructor(incoming = "", top = "") {
    super();
    this.write(
      ".config/countersign/config.toml",
      `${top}
[[identity]]
address = "greg@example.org"

[transport]
via = "maildir"
maildir = "~/out"

[incoming]
spam = "~/Mail/Spam"
${incoming}
`,
    );
    this.maildir("Mail/Inbox");
  }

  /** Creates a maildir. @returns its path */
  maildir(name: string): string {
    const path = `${this.path}/${name}`;
    for (const folder of ["tmp", "new", "cur"]) Deno.mkdirSync(`${path}/${folder}`, { recursive: true });
    return path;
  }

  /** Sends a message through the shim, unless it was done. @returns the message as sent */
  async sent(): Promise<string> {
    const written = "From: Greg <greg@example.org>\nTo: nobody@mx.example.net\nSubject: Lunch?\n\nAt one?\n";
    const ran = await this.shim(["--", "nobody@mx.example.net"], written);
    if (ran.code !== 0) throw new Error(ran.stderr);
    return this.mails("out").at(-1)!;
  }

  /** The bounce of a message that greg sends. */
  async bounce(): Promise<string> {
    const mail = await this.sent();
    return fetched(qsbmf("greg@example.org", mail), "", fieldOf(mail, "Return-Path").replace(/[<>]/g, ""));
  }

  /** Puts a message into the inbox. */
  put(name: string, mail: string, maildir = "Mail/Inbox"): string {
    return this.write(`${maildir}/${name}`, mail, 0o600);
  }

  /** The names of the messages in a maildir, such as `new/1.x`. */
  names(maildir = "Mail/Inbox"): string[] {
    return ["new", "cur"].flatMap((folder) => {
      try {
        return [...Deno.readDirSync(`${this.path}/${maildir}/${folder}`)].map(({ name }) => `${folder}/${name}`).sort();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    });
  }

  /** Runs `countersign sweep` on the inbox. */
  sweep(...args: string[]): Promise<Ran> {
    return countersign(this, ["sweep", `${this.path}/Mail/Inbox`, ...args]);
  }
}
