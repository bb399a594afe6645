/** greg, a member of a list that is guarded by qsecretary: he posts, is asked, and his hook may answer. */
import assert from "node:assert/strict";
import { type Delivered, qmailLocal } from "../qmail.ts";
import { type Challenge, Qsecretary } from "../qsecretary.ts";
import { Desk, type Injected } from "./desk.ts";
import { ledgerFiles } from "../rig.ts";
import { snippet } from "./letters.ts";

export const LIST = "qmail@list.cr.yp.to";
export const PLAIN = "greg@example.org";

/** What greg says when he posts. The challenge shows its first line, and not all of the second. */
export const POST = "I have a patch that does it.\nIt is so long that its second line is shown in part only, or not.\n";

/** The qmail form of contrib, and the one in which the hook delivers, so that its mark can be seen. */
export const GO_ON = snippet("qmail/greg/.qmail");
export const MARKS = GO_ON.replace("/incoming\n", "/incoming --maildir Maildir\n");

/** `[challenge]` with these lines. */
export const challenges = (more = "", answer = true): string => `[challenge]\nanswer = ${answer}\n${more}\n`;

export class Member extends Desk {
  readonly secretaries: Qsecretary[];
  #seen = 0;

  constructor(settings = challenges(), lists = [LIST]) {
    super();
    this.secretaries = lists.map((list) => new Qsecretary(list));
    for (const folder of ["tmp", "new", "cur"]) Deno.mkdirSync(`${this.path}/Maildir/${folder}`, { recursive: true });
    this.fix(settings);
    this.qmail(GO_ON);
  }

  /** The dot-qmail file of both his addresses. */
  qmail(text: string): void {
    for (const name of [".qmail", ".qmail-srs-default"]) this.write(name, text);
  }

  /** The program that takes the mail does this before it takes it. */
  injector(script: string): void {
    const usual = this.read("bin/injector").replace(/^# first\n[^]*?# then\n/m, "");
    this.write("bin/injector", usual.replace("\n", () => `\n# first\n${script}\n# then\n`), 0o755);
  }

  /** Takes what left since the last time to where it goes. @returns it, and the challenges that come of it */
  carry(): { left: Injected[]; challenges: Challenge[] } {
    const left = this.injected().slice(this.#seen);
    this.#seen += left.length;
    const challenges: Challenge[] = [];
    for (const { argv, mail } of left) {
      const [sender, recipients] = [argv[argv.indexOf("-f") + 1]!, argv.slice(argv.indexOf("--") + 1)];
      for (const to of recipients) {
        for (const one of this.secretaries) {
          if (to === one.list) challenges.push(one.take(sender, mail));
          else if (to.endsWith(one.list.slice(one.list.indexOf("@")))) one.mailTo(to);
        }
      }
    }
    return { left, challenges };
  }

  /** greg posts to a list, or several. @returns the challenges that he gets */
  async post(subject: string, lists = this.secretaries.map(({ list }) => list), body = POST): Promise<Challenge[]> {
    const text = `From: Greg <${PLAIN}>\nTo: ${lists.join(", ")}\nSubject: ${subject}\n\n${body}`;
    const ran = await this.shim(["--", ...lists], text);
    assert.equal(ran.code, 0, ran.stderr);
    const { challenges } = this.carry();
    assert.equal(challenges.length, lists.length);
    return challenges;
  }

  /** qmail delivers it. */
  deliver({ to, mail }: Pick<Challenge, "to" | "mail">, sender = ""): Promise<Delivered> {
    const [local, host] = to.split("@") as [string, string];
    return qmailLocal(this, { sender, ext: host === "srs.example.org" ? `srs-${local}` : "", host }, mail);
  }

  /** Everything that was released, by whichever list. */
  get released(): string[] {
    return this.secretaries.flatMap(({ released }) => released);
  }

  /** The last line of the log. */
  get logged(): string {
    return this.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!;
  }

  /** The ledger's entries, by their state. */
  ledger(): Record<string, number> {
    const files = Object.entries(ledgerFiles(`${this.path}/.local/state/countersign/ledger`));
    return Object.fromEntries(files.map(([state, { length }]) => [state, length]));
  }

  inbox = (): string[] => this.mails("Maildir");
  kept = (): string[] => this.mails("Maildir/.Answered");

  /** Takes the mail away that was delivered and kept. */
  empty(): void {
    for (const folder of ["Maildir/new", "Maildir/.Answered/new"]) {
      try {
        for (const { name } of Deno.readDirSync(`${this.path}/${folder}`)) {
          Deno.removeSync(`${this.path}/${folder}/${name}`);
        }
      } catch (error) {
        assert.ok(error instanceof Deno.errors.NotFound);
      }
    }
  }
}
