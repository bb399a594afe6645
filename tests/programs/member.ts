/** greg is a member of a list with qsecretary: it challenges posts, and greg's hook may answer. */
import assert from "node:assert/strict";
import { type Delivered, qmailLocal } from "../../build/rig/qmail.ts";
import { type Challenge, Qsecretary } from "../qsecretary.ts";
import { Desk, type Injected } from "./desk.ts";
import { ledgerFiles } from "../rig.ts";
import { snippet } from "./letters.ts";

export const LIST = "qmail@list.cr.yp.to";
export const PLAIN = "greg@example.org";

/** The body of a post. The challenge quotes its first line, and part of the second. */
export const POST = "I have a patch that does it.\nIt is so long that its second line is shown in part only, or not.\n";

/** The dot-qmail file of contrib, and a variant in which the hook delivers, so that messages have its result field. */
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

  /** Writes the dot-qmail file of both addresses. */
  qmail(text: string): void {
    for (const name of [".qmail", ".qmail-srs-default"]) this.write(name, text);
  }

  /** Makes the injector run this script before it reads the message. */
  injector(script: string): void {
    const original = this.read("bin/injector").replace(/^# first\n[^]*?# then\n/m, "");
    this.write("bin/injector", original.replace("\n", () => `\n# first\n${script}\n# then\n`), 0o755);
  }

  /** Transports the messages sent since the last call to the lists. @returns them, and the resulting challenges */
  transport(): { sent: Injected[]; challenges: Challenge[] } {
    const sent = this.injected().slice(this.#seen);
    this.#seen += sent.length;
    const challenges: Challenge[] = [];
    for (const { argv, mail } of sent) {
      const [sender, recipients] = [argv[argv.indexOf("-f") + 1]!, argv.slice(argv.indexOf("--") + 1)];
      for (const to of recipients) {
        for (const secretary of this.secretaries) {
          if (to === secretary.list) challenges.push(secretary.take(sender, mail));
          else if (to.endsWith(secretary.list.slice(secretary.list.indexOf("@")))) secretary.mailTo(to);
        }
      }
    }
    return { sent, challenges };
  }

  /** Sends a post to one or more lists. @returns the challenges */
  async post(subject: string, lists = this.secretaries.map(({ list }) => list), body = POST): Promise<Challenge[]> {
    const text = `From: Greg <${PLAIN}>\nTo: ${lists.join(", ")}\nSubject: ${subject}\n\n${body}`;
    const ran = await this.shim(["--", ...lists], text);
    assert.equal(ran.code, 0, ran.stderr);
    const { challenges } = this.transport();
    assert.equal(challenges.length, lists.length);
    return challenges;
  }

  /** Delivers a message with qmail-local. */
  deliver({ to, mail }: Pick<Challenge, "to" | "mail">, sender = ""): Promise<Delivered> {
    const [local, host] = to.split("@") as [string, string];
    return qmailLocal(this, { sender, ext: host === "srs.example.org" ? `srs-${local}` : "", host }, mail);
  }

  /** The posts that were released by any list. */
  get released(): string[] {
    return this.secretaries.flatMap(({ released }) => released);
  }

  /** The last line of the log. */
  get logged(): string {
    return this.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!;
  }

  /** The numbers of ledger entries by state. */
  ledger(): Record<string, number> {
    const files = Object.entries(ledgerFiles(`${this.path}/.local/state/countersign/ledger`));
    return Object.fromEntries(files.map(([state, { length }]) => [state, length]));
  }

  inbox = (): string[] => this.mails("Maildir");
  kept = (): string[] => this.mails("Maildir/.Answered");

  /** Removes all delivered and filed mail. */
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
