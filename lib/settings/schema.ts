/**
 * The one table of settings: name, type, default, check, documentation. The
 * README's table, the error messages and the types come from here.
 */
import { Fail, quote } from "../fail.ts";
import { parseAddress } from "../address.ts";
import { parseDay } from "../date.ts";

/** How a setting's value is written. */
export type Type = "text" | "number" | "flag" | "date" | "path" | "words" | "list" | string[];

/** One setting. */
export interface Setting {
  /** Its name, with the table it stands in: `srs.max_age`. */
  readonly name: string;
  /** A kind of value; an array: one of these words. */
  readonly type: Type;
  /** What it is when it is not given; undefined: it must be given. */
  readonly fallback: unknown;
  /** One or two sentences for the user. */
  readonly help: string;
  /** Throws {@link Fail} with what is wrong; the name is put before it. */
  readonly check?: (value: never) => void;
}

/** Envelope sender schemes, from the weakest to the strongest. */
export type Scheme = "plain" | "prvs" | "srs";
const SCHEMES = ["srs", "prvs", "plain"];

const PRESETS = ["qmail-inject", "sendmail", "postfix", "exim", "msmtp", "nullmailer", "dma"];

/** All settings, in the order of the documentation. */
export const SETTINGS: readonly Setting[] = [
  {
    name: "since",
    type: "date",
    fallback: "",
    help: "The day on which your mail began to be signed, as 2026-11-20. For `incoming.grace` days from then " +
      "forged bounces are only marked, because last week's mail went out unsigned.",
  },
  {
    name: "sender",
    type: SCHEMES,
    fallback: "srs",
    help: "The envelope sender of your mail where no rule says otherwise: `srs`, `prvs` or `plain`.",
  },
  {
    name: "mixed",
    type: ["plain", "srs"],
    fallback: "plain",
    help: "What a message gets whose recipients' rules disagree: `plain` lets plain win over prvs and prvs over " +
      "srs; `srs` the other way round.",
  },
  {
    name: "plain_lists",
    type: "path",
    fallback: "plain-lists",
    help: "A file of lists, an address a line, to which mail goes with the plain sender, before all rules; " +
      "`countersign plain add` writes it.",
    check: notEmpty,
  },
  {
    name: "domain",
    type: "text",
    fallback: "",
    help: "The domain that a From address without one (cron's `root`) is taken to have.",
    check: domain,
  },
  {
    name: "state",
    type: "path",
    fallback: "~/.local/state/countersign",
    help: "The folder for the log and what else must be remembered; it is made when needed.",
    check: notEmpty,
  },
  {
    name: "log_addresses",
    type: "flag",
    fallback: false,
    help: "Write whole addresses of other people to the log; otherwise their domains only.",
  },
  {
    name: "identity.address",
    type: "text",
    fallback: undefined,
    help: "One of your addresses. `[[identity]]` is repeated for each.",
    check: (value: string) => void parseAddress(value),
  },
  {
    name: "identity.also",
    type: "words",
    fallback: [],
    help: 'Patterns of further addresses that belong to it, as `["greg+*@example.org", "*@greg.example.org"]`; the ' +
      "envelope sender is made from the address actually used.",
    check: patterns,
  },
  {
    name: "identity.srs_domain",
    type: "text",
    fallback: "",
    help: "The domain of its SRS addresses; its mail must reach the hook.",
    check: domain,
  },
  {
    name: "identity.keys",
    type: "path",
    fallback: "keys",
    help: "Its key file, mode 0600: a line a key, `id created secret`. No two identities share one.",
    check: notEmpty,
  },
  {
    name: "identity.group",
    type: "flag",
    fallback: false,
    help: "The group of its key file may read it (mode 0640): for a site whose hook runs as a user of its own.",
  },
  {
    name: "rule.to",
    type: "list",
    fallback: undefined,
    help: 'Recipients of a rule, `*` standing for any characters: `["*@lists.example.org"]`. `[[rule]]` is ' +
      "repeated; the first that matches counts.",
    check: patterns,
  },
  {
    name: "rule.sender",
    type: ["", ...SCHEMES],
    fallback: "",
    help: "What these recipients get. Empty: what `sender` says.",
  },
  {
    name: "rule.confirm",
    type: "flag",
    fallback: false,
    help: "With `challenge.answer`: remember mail to these recipients, and answer their challenges about it.",
  },
  {
    name: "srs.hash_length",
    type: "number",
    fallback: 8,
    help: "Characters of hash written, 4 to 27. As many are required, but no more than 8.",
    check: range(4, 27),
  },
  {
    name: "srs.alphabet",
    type: ["base64url", "base64"],
    fallback: "base64url",
    help: "`base64url` writes `-` and `_` and reads both alphabets; `base64` is Mail::SRS to the letter (some sites " +
      "refuse its `/` and `+`).",
  },
  { name: "srs.separator", type: ["=", "+", "-"], fallback: "=", help: "The character behind SRS0; all are read." },
  {
    name: "srs.max_age",
    type: "number",
    fallback: 21,
    help: "Days that an SRS address is good for; older than that and under 180 days it is delivered with a mark.",
    check: range(1, 179),
  },
  {
    name: "srs.skew",
    type: "number",
    fallback: 1,
    help: "Days by which another machine's clock may be ahead.",
    check: range(0, 7),
  },
  {
    name: "srs.postmaster",
    type: "text",
    fallback: "",
    help: "The identity that gets mail to postmaster@ and abuse@ the SRS domain. Default: the first identity.",
    check: (value: string) => {
      if (value !== "") parseAddress(value);
    },
  },
  {
    name: "srs.others",
    type: ["forged", "pass"],
    fallback: "forged",
    help: "A signed address in the SRS domain that names an address of none of these identities: `forged`, or `pass` " +
      "where other users or postsrsd share the domain.",
  },
  {
    name: "prvs.receive",
    type: "flag",
    fallback: false,
    help: "Your MTA accepts `prvs=…` addresses and hands them to the hook. Without it prvs is never used.",
  },
  {
    name: "prvs.delimiter",
    type: ["", "+", "-", "_"],
    fallback: "",
    help: "Empty: `prvs=…=you@domain`; else the sub-address form `you-prvs=…@domain` with this delimiter.",
  },
  {
    name: "prvs.lifetime",
    type: "number",
    fallback: 14,
    help: "Days for which a prvs address is valid. After that, and up to 180 days after it was signed, mail to it is " +
      "delivered with a mark.",
    check: range(1, 99),
  },
  {
    name: "transport.via",
    type: ["command", "smtp", "maildir"],
    fallback: "command",
    help: "How mail leaves: through another program, straight to a submission server, or into a maildir (for trying " +
      "things out).",
  },
  {
    name: "transport.preset",
    type: ["", ...PRESETS],
    fallback: "",
    help: "The program that takes the mail, which says how it is called: " + PRESETS.join(", ") + ".",
  },
  {
    name: "transport.command",
    type: "words",
    fallback: [],
    help: 'The program with its first arguments, as `["/usr/bin/msmtp", "-a", "work"]`. Default: the preset\'s.',
    check: absolute,
  },
  { name: "transport.maildir", type: "path", fallback: "", help: 'The maildir for `via = "maildir"`.' },
  {
    name: "transport.timeout",
    type: "number",
    fallback: 900,
    help: "Seconds after which a program or a server is given up, and the message counts as not sent; 0: never.",
    check: range(0, 86_400),
  },
  {
    name: "transport.spool",
    type: "flag",
    fallback: false,
    help: "Write the whole message into a file below `state` before the program is started with it: then it cannot " +
      "take a part for the whole even when we are killed with SIGKILL. Costs 20 ms a message, and the room.",
  },
  {
    name: "transport.host",
    type: "text",
    fallback: "",
    help: 'The submission server for `via = "smtp"`, by the name that its certificate has.',
    check: host,
  },
  {
    name: "transport.port",
    type: "number",
    fallback: 0,
    help: "Its port. 0: 465 with `tls`, 587 with `starttls`, 25 with `none`.",
    check: range(0, 65_535),
  },
  {
    name: "transport.security",
    type: ["tls", "starttls", "none"],
    fallback: "tls",
    help: "TLS from the start, or by STARTTLS, without which nothing is sent; `none` is for a server on this machine.",
  },
  {
    name: "transport.ca",
    type: "path",
    fallback: "",
    help: "A file with the certificate of a private CA, in PEM. Certificates are always verified.",
  },
  {
    name: "transport.user",
    type: "text",
    fallback: "",
    help: "Whom we log in as, with `password_file`. Empty: no login.",
  },
  {
    name: "transport.password_file",
    type: "path",
    fallback: "",
    help: "The file with the password, mode 0600, one line.",
  },
  {
    name: "transport.helo",
    type: "text",
    fallback: "[127.0.0.1]",
    help: "The name that we give ourselves; submission servers ignore it. The default tells nothing about you.",
    check: helo,
  },
  {
    name: "transport.real",
    type: "words",
    fallback: [],
    help: "The real sendmail, for `-bs`, `-bp` and `-q`, which are refused without it.",
    check: absolute,
  },
  { name: "tag.sign", type: "flag", fallback: true, help: "Put an X-Msgauth tag on your own mail." },
  {
    name: "tag.pymsgauth",
    type: "path",
    fallback: "",
    help:
      "The folder of pymsgauth, for mail that reaches the shim with one of its tokens: such a token then counts as a tag " +
      "does, for the message that it was sent with and for no other. Other tokens open nothing.",
  },
  {
    name: "challenge.answer",
    type: "flag",
    fallback: false,
    help:
      "Answer challenges (qsecretary, ezmlm, TMDA, qconfirm, Sympa) about messages that you sent. **Each answer enters " +
      "you into the contract that the challenge states, about that message.**",
  },
  {
    name: "challenge.lists",
    type: "words",
    fallback: ["qmail@list.cr.yp.to", "log@list.cr.yp.to", "dns@list.cr.yp.to", "ezmlm@list.cr.yp.to"],
    help: "Lists whose challenges are answered, `*` standing for any characters.",
    check: patterns,
  },
  {
    name: "challenge.requests",
    type: "flag",
    fallback: false,
    help:
      "Also answer those that show nothing of your message (Mailman, Sympa AUTH, Majordomo 2), when exactly one request " +
      "that you sent within a week asked for just that: to subscribe to that list, or to unsubscribe from it.",
  },
  {
    name: "challenge.answered",
    type: "path",
    fallback: "~/Maildir/.Answered",
    help:
      "The maildir that keeps the challenges that were answered, since an answer is a contract. Empty: none is kept.",
  },
  {
    name: "incoming.forged",
    type: ["spam", "refuse", "mark"],
    fallback: "spam",
    help:
      "What happens to a forged bounce: file it in the spam maildir, refuse it at the SMTP door, or deliver it with " +
      "a mark. A hook never refuses, because the server would then send a bounce; it files instead.",
  },
  {
    name: "incoming.unsolicited",
    type: ["mark", "deliver", "spam"],
    fallback: "mark",
    help: "What happens to mail from the null sender that is not a bounce and answers no message of yours (receipts, " +
      "vacation replies, reports): deliver it with a mark, deliver it, or file it as spam.",
  },
  {
    name: "incoming.spam",
    type: "path",
    fallback: "~/Maildir/.Spam",
    help: "The spam maildir; it is made where it is not there.",
    check: notEmpty,
  },
  {
    name: "incoming.spam_command",
    type: "words",
    fallback: [],
    help: 'A program that files spam instead, message on standard input: `["/usr/bin/safecat", "…/tmp", "…/new"]`.',
    check: absolute,
  },
  {
    name: "incoming.inbox",
    type: "path",
    fallback: "",
    help:
      "The maildir into which the hook delivers where nothing else does: as the only line of a dot-qmail file, or under Postfix.",
  },
  {
    name: "incoming.forward",
    type: "flag",
    fallback: false,
    help: "Forward genuine bounces to the identity, with a proof for its own hook, instead of using `inbox`.",
  },
  {
    name: "incoming.forward_sender",
    type: "text",
    fallback: "",
    help: "Envelope sender of forwarded bounces. Default: the null sender. An address such as " +
      "`MAILER-DAEMON@example.org` helps where the next filter is not this one.",
    check: (value: string) => {
      if (value !== "") parseAddress(value);
    },
  },
  {
    name: "incoming.grace",
    type: "number",
    fallback: 14,
    help: "Days after `since` during which forged bounces to your plain address are only marked.",
    check: range(0, 365),
  },
];

function range(low: number, high: number): (value: number) => void {
  return (value) => {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new Fail("config", `${value} is not a whole number from ${low} to ${high}`);
    }
  };
}

function domain(value: string): void {
  if (value !== "") parseAddress(`x@${value}`);
}

/** A name or an address, as the system looks it up; its port is a setting of its own. */
function host(value: string): void {
  if (!/^[\w.-]*$/.test(value) && !URL.canParse(`http://[${value}]/`)) {
    throw new Fail("config", `${quote(value)} is not the name of a host`);
  }
}

/** A name or an address literal (RFC 5321 section 4.1.4). */
function helo(value: string): void {
  if (!/^(?:[\w.-]+|\[[\w.:]+\])$/.test(value)) throw new Fail("config", `${quote(value)} is not the name of a host`);
}

function absolute(words: string[]): void {
  if (words.length > 0 && !words[0]!.startsWith("/")) {
    throw new Fail("config", `program ${quote(words[0]!)} is not an absolute path`);
  }
  if (words.some((word) => word.includes("\0"))) throw new Fail("config", "a NUL cannot be passed to a program");
}

function patterns(list: string[]): void {
  for (const pattern of list) {
    // A pattern is an address with stars: put a letter for each and it must be one.
    try {
      if (pattern !== "*") parseAddress(pattern.replaceAll("*", "x"));
    } catch {
      throw new Fail("config", `${quote(pattern)} is not an address pattern`);
    }
  }
}

function notEmpty(path: string): void {
  if (path === "") throw new Fail("config", "the path is empty");
}

/** The value as the setting wants it, or what is wrong with it. */
export function convert(setting: Setting, given: unknown): unknown {
  const value = typed(setting.type, given);
  if (value === undefined) throw new Fail("config", `${quote(plain(given))} is not ${describe(setting.type)}`);
  setting.check?.(value as never);
  return value;
}

function typed(type: Type, given: unknown): unknown {
  if (Array.isArray(type)) return type.includes(given as string) ? given : undefined;
  switch (type) {
    case "flag":
      return typeof given === "boolean" ? given : undefined;
    case "number":
      return typeof given === "number" ? given : undefined;
    case "date":
      return typeof given === "string" && parseDay(given) !== undefined ? given : undefined;
    case "words":
    case "list": {
      if (!Array.isArray(given) || !given.every((word) => typeof word === "string")) return undefined;
      return given.length > 0 || type === "words" ? given : undefined;
    }
    default:
      return typeof given === "string" && !/[\0\r\n]/.test(given) ? given : undefined;
  }
}

/** What a value of this type is, in words. */
export function describe(type: Type): string {
  if (Array.isArray(type)) return `one of ${type.map((word) => `"${word}"`).join(", ")}`;
  return {
    text: "a text",
    number: "a number",
    flag: "true or false",
    date: "a date as 2026-11-20",
    path: "a path",
    words: "a list of words",
    list: "a list of texts, not empty",
  }[type];
}

function plain(given: unknown): string {
  return typeof given === "string" ? given : JSON.stringify(given) ?? String(given);
}
