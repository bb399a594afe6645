/**
 * Behaviours that msmtp(1) documents, each beside what the shim does with `via = "smtp"`: words for people, and facts.
 */
import { type Answers, HANG_UP, LATER, REFUSED, SILENCE } from "../smtp_sink.ts";
import { decodeLatin1, utf8 } from "../../lib/bytes.ts";
import type { Situation } from "./msmtp_comparison.ts";

/** What a program does. */
export interface Did {
  /** In words, for the table in contrib/msmtp/README.md. */
  readonly words: string;
  readonly status: number;
  /** The account that logs in; empty if none does. */
  readonly account: string;
  /** The envelope of the message that the server accepts; absent if it accepts none. */
  readonly from?: string;
  readonly to?: readonly string[];
  /** What standard error contains; absent if it is empty. */
  readonly says?: RegExp;
  /** What the header contains, and what it does not contain. */
  readonly header?: RegExp;
  readonly without?: RegExp;
}

/** One behaviour. The message is from greg, to bob, with a Bcc, and is sent with `-f greg@example.org` to ann. */
export interface Row {
  readonly what: string;
  readonly args?: readonly string[];
  readonly mail?: string;
  readonly answers?: Answers;
  readonly password?: string;
  readonly situation?: Situation;
  readonly msmtp: Did;
  readonly shim: Did;
}

export const ANN = "ann@mx.example.net";
const BOB = "bob@mx.example.net";
export const GREG = "greg@example.org";
const WORK = "joe@work.example";
const CLUB = "society@club.example";
/** A message from this author. */
export const letter = (from: string, top = "") =>
  `${top}From: ${from}\nTo: ${BOB}\nBcc: hidden@mx.example.net\nSubject: Lunch?\n\nAt one?\n`;
const RESENT =
  `Resent-From: ${WORK}\nResent-To: cy@mx.example.net\nResent-Bcc: dee@mx.example.net\nReceived: from mx\n`;

const ok = (words: string, account: string, from: string, to: readonly string[] = [ANN]): Did => {
  return { words, status: 0, account, from, to };
};
const fails = (words: string, status: number, says: RegExp, account = ""): Did => ({ words, status, account, says });
const notSent = /could not send mail \(account home from /;

/** The choice of the account. */
const ACCOUNTS: readonly Row[] = [
  {
    what: "`-f` and From are of the same account",
    args: ["-f", WORK, ANN],
    mail: letter(WORK),
    msmtp: ok("that account", "work", WORK),
    shim: ok("that account", "work", WORK),
  },
  {
    what: "`-f` and From are of different accounts",
    mail: letter(WORK),
    msmtp: ok("that of `-f`", "home", GREG),
    shim: ok("that of From", "work", GREG),
  },
  {
    what: "`--read-envelope-from`, without `-f`",
    args: ["--read-envelope-from", ANN],
    mail: letter(WORK),
    msmtp: ok("that of From, which becomes the envelope sender", "work", WORK),
    shim: ok("the same", "work", WORK),
  },
  {
    what: "no `-f`, From is an identity",
    args: [ANN],
    msmtp: ok("the default, with its `from` as envelope sender", "isp", "customer42@isp.example"),
    shim: ok("that of From, with the identity as envelope sender", "home", GREG),
  },
  {
    what: "no `-f`, From is not an identity",
    args: [ANN],
    mail: letter(CLUB),
    msmtp: ok("the default, with its `from` as envelope sender", "isp", "customer42@isp.example"),
    shim: fails("64: no envelope sender is made up", 64, /^shim: Envelope sender unknown: set it with -f/),
  },
  {
    what: "Resent-From of a message that is sent again",
    args: ["-f", CLUB, ANN],
    mail: letter(GREG, RESENT),
    msmtp: ok("ignored", "isp", CLUB),
    shim: ok("that of the newest Resent-From", "work", CLUB),
  },
  {
    what: "`greg+detail@example.org`, where the account has `greg@example.org`",
    args: ["-f", "greg+x@example.org", ANN],
    mail: letter("greg+x@example.org"),
    msmtp: ok("matches", "home", "greg+x@example.org"),
    shim: ok("does not match: add `greg+*@example.org`", "isp", "greg+x@example.org"),
  },
  {
    what: "an address of no account",
    args: ["-f", CLUB, ANN],
    mail: letter(CLUB),
    msmtp: ok("the account `default`", "isp", CLUB),
    shim: ok("the account with `default = true`", "isp", CLUB),
  },
  {
    what: "the same, and there is no default",
    args: ["-f", CLUB, ANN],
    mail: letter(CLUB),
    situation: "no default",
    msmtp: fails("78", 78, /^msmtp: account default not found in /),
    shim: fails("78; the error names the address", 78, /^shim: No account sends mail of "society@club\.example": /),
  },
  {
    what: "`-a work`",
    args: ["-a", "work", "-f", GREG, ANN],
    msmtp: ok("the account work", "work", GREG),
    shim: fails("64: the address decides", 64, /^shim: Unknown option "-a"$/m),
  },
];

/** Envelope and header. */
const ENVELOPE: readonly Row[] = [
  {
    what: "the null sender, `-f '<>'`",
    args: ["-f", "<>", ANN],
    msmtp: ok("null; the default account", "isp", ""),
    shim: ok("null; the account of From", "home", ""),
  },
  {
    what: "`-t`, with a recipient in the arguments",
    args: ["-t", "-f", GREG, ANN],
    msmtp: { ...ok("adds To, Cc and Bcc", "home", GREG, [ANN, BOB, "hidden@mx.example.net"]), without: /^Bcc:/m },
    shim: { ...ok("the same", "home", GREG, [ANN, BOB, "hidden@mx.example.net"]), without: /^Bcc:/m },
  },
  {
    what: "`--read-recipients`",
    args: ["--read-recipients", "-f", GREG],
    msmtp: ok("as `-t`", "home", GREG, [BOB, "hidden@mx.example.net"]),
    shim: ok("as `-t`", "home", GREG, [BOB, "hidden@mx.example.net"]),
  },
  {
    what: "`-t`, with Resent- fields",
    args: ["-t", "-f", WORK],
    mail: letter(CLUB, RESENT),
    msmtp: {
      ...ok("Resent-To, -Cc and -Bcc only; Resent-Bcc remains visible", "work", WORK, [
        "cy@mx.example.net",
        "dee@mx.example.net",
      ]),
      header: /^Resent-Bcc: dee/m,
    },
    shim: {
      ...ok("Resent-To, -Cc and -Bcc only; Resent-Bcc is removed", "work", WORK, [
        "cy@mx.example.net",
        "dee@mx.example.net",
      ]),
      without: /^Resent-Bcc/m,
    },
  },
  {
    what: "no recipients",
    args: ["-f", GREG],
    msmtp: fails("64", 64, /^msmtp: no recipients found$/m),
    shim: fails("64", 64, /^shim: No recipients given$/m),
  },
  {
    what: "a recipient that begins with a dash, after `--`",
    args: ["-f", GREG, "--", "-x@mx.example.net"],
    msmtp: ok("sent", "home", GREG, ["-x@mx.example.net"]),
    shim: ok("sent", "home", GREG, ["-x@mx.example.net"]),
  },
  {
    what: "the same recipient twice",
    args: ["-f", GREG, ANN, ANN],
    msmtp: ok("sent twice", "home", GREG, [ANN, ANN]),
    shim: ok("sent once", "home", GREG),
  },
  {
    what: "a recipient with UTF-8, and the server does not offer SMTPUTF8",
    args: ["-f", GREG, "jürgen@mx.example.net"],
    msmtp: ok("sent", "home", GREG, [decodeLatin1(utf8("jürgen@mx.example.net"))]),
    shim: fails("69", 69, /^shim: localhost:\d+ does not offer SMTPUTF8, which address "jürgen@/, "home"),
  },
  {
    what: "a message larger than the server accepts (SIZE)",
    answers: { extensions: ["AUTH PLAIN", "SIZE 50"] },
    msmtp: ok("sent: the server has to reject it", "home", GREG),
    shim: fails("69, before the message is sent", 69, /accepts messages of at most 50 bytes, and this one is/, "home"),
  },
  {
    what: "`-N failure`, and the server does not offer DSN",
    args: ["-N", "failure", "-f", GREG, ANN],
    msmtp: fails("69", 69, /^msmtp: the server does not support DSN$/m),
    shim: ok("sent without it", "home", GREG),
  },
  {
    what: "`-B`, `-G`, `-h`, `-i`, `-L`, `-m`, `-n`, `-O`, `-o`",
    args: ["-B8BITMIME", "-bm", "-G", "-h5", "-i", "-L", "tag", "-m", "-n", "-O", "x=y", "-oem", "-f", GREG, ANN],
    msmtp: ok("ignored", "home", GREG),
    shim: ok("ignored", "home", GREG),
  },
  {
    what: "From, Date and Message-ID are missing, `-F 'Greg W'`",
    args: ["-f", GREG, "-F", "Greg W", ANN],
    mail: "Subject: x\n\nHi.\n",
    msmtp: { ...ok("added", "home", GREG), header: /^From: Greg W <greg@example\.org>\nDate: .*\nMessage-ID: </m },
    shim: { ...ok("added", "home", GREG), header: /^From: Greg W <greg@example\.org>\nDate: .*\nMessage-ID: </m },
  },
];

/** Passwords and certificates. */
const SECRETS: readonly Row[] = [
  {
    what: "the password program prints one line",
    msmtp: ok("used", "home", GREG),
    shim: ok("used", "home", GREG),
  },
  {
    what: "it prints two lines",
    password: "printf 'secret\\nuser: greg\\n'",
    msmtp: ok("the first is used", "home", GREG),
    shim: fails("78", 78, /^shim: password_command of account "home" printed 2 lines instead of one line: /),
  },
  {
    what: "it prints nothing",
    password: ":",
    msmtp: fails("78", 78, /^msmtp: cannot read output of /),
    shim: fails("78", 78, /^shim: password_command of account "home" printed nothing instead of one line: /),
  },
  {
    what: "it fails, such as for a locked keyring",
    password: "echo 'no key' >&2; exit 2",
    msmtp: fails("78; its error is printed", 78, /^no key\nmsmtp: cannot read output of /),
    shim: fails(
      "75; its error is printed",
      75,
      /^shim: password_command of account "home" exited with status 2: no key: unlock/,
    ),
  },
  {
    what: "it hangs",
    password: "exec sleep 60",
    situation: "short timeout",
    msmtp: { words: "waits forever", status: 124, account: "" },
    shim: fails("75 after 60 seconds", 75, /^shim: password_command of account "home" (?:took longer|was killed)/),
  },
  {
    what: "the server cannot be reached",
    password: 'echo asked >>"$HOME/asked"; echo secret',
    situation: "server down",
    msmtp: fails("75; the password has been read", 75, /^msmtp: cannot connect to localhost, port \d+: /),
    shim: fails("75; no password is read", 75, /^shim: localhost:\d+ cannot be used: connection refused/),
  },
  {
    what: "the certificate has another name (a captive portal)",
    password: 'echo asked >>"$HOME/asked"; echo secret',
    situation: "wrong name",
    msmtp: fails("69; the password has been read", 69, /^msmtp: TLS certificate verification failed: .*does not match/),
    shim: fails("75; no password is read", 75, /cannot be used: .*certificate not valid for name "localhost"/),
  },
  {
    what: "the certificate has expired",
    situation: "expired",
    msmtp: fails("69", 69, /^msmtp: TLS certificate verification failed: .*expired/),
    shim: fails("75", 75, /cannot be used: invalid peer certificate: .*expired.*: check the clock; otherwise/i),
  },
  {
    what: "the certificate is from an unknown CA",
    situation: "unknown CA",
    msmtp: fails("69", 69, /^msmtp: TLS certificate verification failed: .*issuer/),
    shim: fails("75", 75, /UnknownIssuer: log in to the network if it has a login page; for a private CA, set ca to/),
  },
  {
    what: "the server offers no login",
    answers: { extensions: ["8BITMIME"] },
    msmtp: fails("69", 69, /^msmtp: the server does not support authentication$/m),
    shim: fails(
      "77",
      77,
      /^shim: localhost:\d+ does not offer AUTH: check host, port and security, or remove user if/,
    ),
  },
  {
    what: "the file with the password is readable by others",
    situation: "readable",
    msmtp: ok("used", "home", GREG),
    shim: fails("77", 77, /Password file is readable by others \(mode 0644\): chmod 600 /),
  },
  {
    what: "the login is rejected with 535",
    answers: { auth: "535 5.7.8 Bad" },
    msmtp: fails(
      "77; the reply",
      77,
      /authentication failed \(method PLAIN\)\nmsmtp: server message: 535 5\.7\.8 Bad\n/,
      "home",
    ),
    shim: fails("77; the reply", 77, /rejected the login of "home": "535 5\.7\.8 Bad"$/m, "home"),
  },
  {
    what: "the login is rejected with 454 (temporary)",
    answers: { auth: "454 4.7.0 Later" },
    msmtp: fails("77", 77, /server message: 454 4\.7\.0 Later/, "home"),
    shim: fails("75", 75, /rejected the login of "home": "454 4\.7\.0 Later"$/m, "home"),
  },
];

const toBob = (reply: string): Answers => ({ to: (recipient) => recipient === BOB ? reply : undefined });

/** Errors and exit statuses. */
const ERRORS: readonly Row[] = [
  {
    what: "one of two recipients is rejected with 550",
    args: ["-f", GREG, ANN, BOB],
    answers: toBob(REFUSED),
    msmtp: fails(
      "65; nobody gets it; recipient and reply, on three lines",
      65,
      /^msmtp: recipient address bob@\S+ not accepted by the server\nmsmtp: server message: 550 5\.1\.1 Nobody here by that/,
      "home",
    ),
    shim: fails(
      "69; nobody gets it; recipient and reply, on one line",
      69,
      /^shim: localhost:\d+ rejected "bob@mx\.example\.net": "550 5\.1\.1 Nobody here by that name"; nothing is sent$/m,
      "home",
    ),
  },
  {
    what: "one of two recipients is rejected with 450",
    args: ["-f", GREG, ANN, BOB],
    answers: toBob(LATER),
    msmtp: fails("69; nobody gets it", 69, /^msmtp: recipient address bob@.*\n.*: 450 4\.2\.1 Come again/, "home"),
    shim: fails("75; nobody gets it", 75, /rejected "bob@mx\.example\.net": "450 4\.2\.1 Come again"; nothing/, "home"),
  },
  {
    what: "the sender is rejected with 550, 450",
    answers: { from: REFUSED },
    msmtp: fails("65, 69", 65, /^msmtp: envelope from address greg@example\.org not accepted by the server\n/, "home"),
    shim: fails(
      "69, 75",
      69,
      /rejected the sender "greg@example\.org": "550 5\.1\.1 Nobody here by that name"$/m,
      "home",
    ),
  },
  {
    what: "the message is rejected with 550",
    answers: { end: REFUSED },
    msmtp: fails("69", 69, /^msmtp: the server did not accept the mail\n/, "home"),
    shim: fails("69", 69, /rejected the message: "550 5\.1\.1 Nobody here by that name"$/m, "home"),
  },
  {
    what: "the message is rejected with 450",
    answers: { end: LATER },
    msmtp: fails("69", 69, /^msmtp: the server did not accept the mail\n/, "home"),
    shim: fails("75", 75, /rejected the message: "450 4\.2\.1 Come again"$/m, "home"),
  },
  {
    what: "the connection is lost after the end of the message",
    answers: { end: HANG_UP },
    msmtp: fails("76", 76, /^msmtp: the server sent an empty reply$/m, "home"),
    shim: fails(
      "75; the error says that it may have been sent",
      75,
      /has the message, .*; it may have been sent$/m,
      "home",
    ),
  },
  {
    what: "the server requires a login after all (530)",
    answers: { from: "530 5.7.0 Authentication required" },
    msmtp: fails("65", 65, /^msmtp: envelope from address greg@example\.org not accepted by the server$/m, "home"),
    shim: fails("77", 77, /rejected the sender "greg@example\.org": "530 5\.7\.0 Authentication required"$/m, "home"),
  },
  {
    what: "the server does not respond",
    answers: { greeting: SILENCE },
    situation: "short timeout",
    msmtp: { words: "waits", status: 124, account: "" },
    shim: fails(
      "75 after 5 minutes, or `transport.timeout`",
      75,
      /cannot be used: the session took longer than 3 s: check port/,
    ),
  },
  {
    what: "the server greets with 554",
    answers: { greeting: "554 No" },
    msmtp: fails("76", 76, notSent),
    shim: fails("75", 75, /cannot be used: "554 No"$/m),
  },
  {
    what: "the host name is unknown, as without a network",
    situation: "unknown host",
    msmtp: fails("68", 68, /^msmtp: cannot locate host nowhere\.invalid: /),
    shim: fails("75", 75, /^shim: nowhere\.invalid:\d+ cannot be used: /),
  },
  {
    what: "there are no settings for a server",
    situation: "no settings",
    msmtp: fails("78", 78, /^msmtp: account default not found in /),
    shim: fails("78; file and line", 78, /config\.toml:\d+: transport\.host is not set: /),
  },
  {
    what: "`--serverinfo`, `--pretend`, `--configure`",
    args: ["--serverinfo"],
    msmtp: { words: "information; nothing is sent", status: 0, account: "" },
    shim: fails(
      "64: `countersign doctor`, `countersign explain --out` and `countersign init` are the equivalents",
      64,
      /^shim: Unknown option "--serverinfo"$/m,
    ),
  },
  {
    what: "an unknown option",
    args: ["--frob", ANN],
    msmtp: fails("64", 64, /unrecognized option '--frob'/),
    shim: fails("64", 64, /^shim: Unknown option "--frob"$/m),
  },
];

/** All behaviours, by the heading of their part of the table. */
export const PARTS: readonly (readonly [heading: string, rows: readonly Row[]])[] = [
  ["Account", ACCOUNTS],
  ["Envelope and header", ENVELOPE],
  ["Password and certificate", SECRETS],
  ["Error and exit status", ERRORS],
];

/** The table of contrib/msmtp/README.md. */
export function comparisonTable(): string {
  const rows = PARTS.flatMap(([heading, list]) => [
    `| **${heading}** | | |`,
    ...list.map(({ what, msmtp, shim }) => `| ${[what, msmtp.words, shim.words].join(" | ")} |`),
  ]);
  return ["| Situation | msmtp 1.8 | the shim |", "| - | - | - |", ...rows].join("\n");
}
