/** The ways that a message can take, out and in, for the tests that break something at each of them. */
import { signed } from "../stub.ts";
import type { Job } from "./driver.ts";
import { BODY, CONFIG, type FaultHome, isWhole, KEYS, letter } from "./home.ts";

/** A way of a message, with all that is remembered of it. */
export interface Way {
  readonly what: string;
  /** The job for the message with this name. */
  job(home: FaultHome, name: string): Job;
  /** Copies of it that somebody else is responsible for. */
  arrived(home: FaultHome, name: string): string[];
  /** The status that says so, and a message that is whole. */
  readonly done: number;
  whole(mail: string): boolean;
}

const files = (home: FaultHome, transport: string, more = "") => ({
  [CONFIG]: home.config(transport, more),
  [KEYS]: home.keys,
});

/** Out: signed, remembered in the ledger and among what was sent. */
const out = (what: string, transport: string, arrived: Way["arrived"] = (home, name) => home.taken(name)): Way => ({
  what: `shim, ${what}`,
  job: (home, name) => ({
    program: "shim",
    args: [name],
    input: letter(name),
    files: files(home, transport, `[challenge]\nanswer = true\nlists = ["*@example.net"]\n`),
  }),
  arrived,
  done: 0,
  whole: (mail) => isWhole(mail),
});

/** In: a bounce to this address. */
const back = (
  what: string,
  done: number,
  args: string[],
  to: () => string,
  transport: string,
  byProgram = false,
): Way => ({
  what: `hook, ${what}`,
  job: (home, name) => ({
    program: "incoming",
    args: ["--as", "maildrop", ...args],
    input: `From: MAILER-DAEMON@example.net\nTo: greg@example.org\nSubject: ${name}\n\n${BODY}`,
    env: { SENDER: "", RECIPIENT: to() },
    files: files(
      home,
      transport,
      `[incoming]\n${
        byProgram ? `spam_command = ["${home.path}/bin/injector", "greg@example.org"]` : 'spam = "~/Spam"'
      }\n`,
    ),
  }),
  arrived: (home, name) =>
    [...home.mails("Spam"), ...home.mails("Inbox"), ...home.taken("greg@example.org")]
      .filter((mail) => mail.includes(`\nSubject: ${name}\n`)),
  done,
  whole: (mail) => /^X-Countersign: /m.test(mail) && mail.endsWith(`\n\n${BODY}`),
});

const FORGED = () => "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
const inMaildir = (home: FaultHome, name: string) =>
  home.mails("out").filter((mail) => mail.includes(`\nTo: ${name}\n`));
/** All of them. */
export const WAYS: readonly Way[] = [
  out("streaming", ""),
  out("with a spool", "spool = true\n"),
  out("into a maildir", 'via = "maildir"\nmaildir = "~/out"\n', inMaildir),
  back("filing a forgery", 99, [], FORGED, ""),
  back("filing by a program with a spool", 99, [], FORGED, "spool = true\n", true),
  back("delivering a bounce", 0, ["--maildir", "Inbox"], signed, ""),
  back("forwarding a bounce", 0, ["--forward"], signed, ""),
  back("forwarding with a spool", 0, ["--forward"], signed, "spool = true\n"),
];
