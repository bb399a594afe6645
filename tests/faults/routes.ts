/** The routes of outgoing and incoming messages, for the tests that cause faults in each of them. */
import { signed } from "../stub.ts";
import type { Job } from "./driver.ts";
import { filesBelow } from "../rig.ts";
import { ASIDE, BODY, CONFIG, type FaultHome, isWhole, KEYS, letter, STATE } from "./home.ts";

/** A route of a message, and how to find out whether it arrived. */
export interface Route {
  readonly what: string;
  /** The job for the message with this name. */
  job(home: FaultHome, name: string): Job;
  /** The copies that were sent or delivered. */
  arrived(home: FaultHome, name: string): string[];
  /** The exit status for success. */
  readonly done: number;
  /** Whether a copy is complete. */
  whole(mail: string): boolean;
}

const files = (home: FaultHome, transport: string, more = "") => ({
  [CONFIG]: home.config(transport, more),
  [KEYS]: home.keys,
});

/** Outgoing: a message that is signed and remembered in the ledger and the index of sent mail. */
const outgoing = (
  what: string,
  transport: string,
  arrived: Route["arrived"] = (home, name) => home.taken(name),
  more = "",
): Route => ({
  what: `shim, ${what}`,
  job: (home, name) => ({
    program: "shim",
    args: [name],
    input: letter(name),
    files: files(home, transport, `[challenge]\nanswer = true\nlists = ["*@example.net"]\n${more}`),
  }),
  arrived,
  done: 0,
  whole: (mail) => isWhole(mail),
});

/** Incoming: a bounce to this address. */
const incoming = (
  what: string,
  done: number,
  args: string[],
  to: () => string,
  transport: string,
  byProgram = false,
): Route => ({
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
/** The messages for this recipient that are in the queue of the outbox, also of one that was set aside. */
function inOutbox({ path }: FaultHome, name: string): string[] {
  const states = [`${path}/${STATE}`, ...namesIn(`${path}/${ASIDE}`).map((one) => `${path}/${ASIDE}/${one}`)];
  return states.flatMap((state) => filesBelow(`${state}/outbox/queue`)).filter((file) => file.endsWith("/message"))
    .map((file) => Deno.readTextFileSync(file)).filter((mail) => mail.includes(`\nTo: ${name}\n`));
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** All routes. */
export const ROUTES: readonly Route[] = [
  outgoing("streaming", ""),
  outgoing("with a spool", "spool = true\n"),
  outgoing("into a maildir", 'via = "maildir"\nmaildir = "~/out"\n', inMaildir),
  outgoing("into the outbox", "", inOutbox, `[outbox]\nwhen = "always"\n`),
  incoming("filing a forgery", 99, [], FORGED, ""),
  incoming("filing by a program with a spool", 99, [], FORGED, "spool = true\n", true),
  incoming("delivering a bounce", 0, ["--maildir", "Inbox"], signed, ""),
  incoming("forwarding a bounce", 0, ["--forward"], signed, ""),
  incoming("forwarding with a spool", 0, ["--forward"], signed, "spool = true\n"),
];
