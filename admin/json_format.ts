/**
 * The format of the JSON that commands print. The reference in countersign(1) is generated from it, and tests check the
 * output of the commands against it. An incompatible change (a member renamed, removed or of another type) increases
 * {@link JSON_VERSION}; new members do not.
 */
import { RESULTS } from "../incoming/verdict.ts";

/** The value of `version` in every object that a command prints. */
export const JSON_VERSION = 1;

/** The type of a value; `members` for an object, `each` for a list of objects. */
export type JsonType =
  | "string"
  | "number"
  | "boolean"
  | "string or null"
  | "number or null"
  | "list of strings"
  | { readonly members: readonly Member[] }
  | { readonly each: readonly Member[] };

/** One member of an object. */
export interface Member {
  readonly name: string;
  readonly type: JsonType;
  /** Its meaning, in one or two sentences. */
  readonly help: string;
  /** Whether it may be absent; the help text says when. */
  readonly optional?: true;
}

const text = (name: string, help: string): Member => ({ name, type: "string", help });
const number = (name: string, help: string): Member => ({ name, type: "number", help });
const flag = (name: string, help: string): Member => ({ name, type: "boolean", help });
const textOrNull = (name: string, help: string): Member => ({ name, type: "string or null", help });
const numberOrNull = (name: string, help: string): Member => ({ name, type: "number or null", help });
const texts = (name: string, help: string): Member => ({ name, type: "list of strings", help });
const object = (name: string, help: string, members: readonly Member[]): Member => ({ name, type: { members }, help });
const list = (name: string, help: string, each: readonly Member[]): Member => ({ name, type: { each }, help });
const optional = (member: Member): Member => ({ ...member, optional: true });

const version = number("version", `The version of this format: ${JSON_VERSION}.`);
const counts = RESULTS.map((result) => number(result, `Messages with the result ${result}.`));
const reasons = [text("why", "The reason, in words."), number("count", "Number of messages.")];
const errors = [text("path", "The path."), text("why", "The error.")];
const truncated = flag("backscatterTruncated", "Whether there were too many domains to count them all.");

/** The objects, by the command line that prints them. */
export const JSON_FORMATS = {
  "explain --json": [
    version,
    object("verdict", "What the hook decides.", [
      text("action", "What the hook does: deliver, spam or answer."),
      text("result", "The classification, such as genuine, known, late or forged."),
      text("check", "The check that decided."),
      text("reason", "Why, in words."),
      textOrNull("identity", "The identity that the message concerns."),
      text("outcome", "What then happens to the message, in words."),
    ]),
    flag("bounce", "Whether the message is a bounce."),
    object("envelope", "The envelope, as far as it is known.", [
      optional(textOrNull("sender", "The envelope sender; null for the null sender. Absent if it is unknown.")),
      texts("recipients", "The possible envelope recipients."),
    ]),
    textOrNull("evidence", "What shows that the message is a bounce."),
    object("original", "The message that is returned.", [
      textOrNull("messageId", "Its Message-ID, with angle brackets."),
      textOrNull("tag", "The tag in the same header."),
    ]),
    list("tags", "The tags that the message returns; a valid one comes first.", [
      text("tag", "The value of the X-Msgauth field."),
      text("messageId", "The Message-ID in the same header, without angle brackets."),
      text("by", "How it was found."),
      textOrNull("identity", "The identity that made the tag; null if it is not valid."),
    ]),
    flag("proof", "Whether another hook of the user has added a valid proof."),
    texts("notes", "What was assumed about the message, in words."),
    list("checks", "The checks in the order in which they ran.", [
      text("check", "The name of the check."),
      text("answer", "The action, or next if the next check was asked."),
      text("evidence", "What the check found."),
    ]),
    textOrNull("hint", "What to do if a list or a service rejected the envelope sender."),
  ],
  "explain --at rcpt --json": [
    version,
    text("at", "When the door decides: rcpt, or data for the end of the message."),
    textOrNull("sender", "The envelope sender; null for the null sender."),
    text("recipient", "The envelope recipient."),
    textOrNull("result", "The classification, if the door has one."),
    textOrNull("check", "The check that decided, if one did."),
    text("reason", "Why, in words."),
    texts("notes", "What was assumed about the message, in words."),
    texts("reply", "The lines of the SMTP reply; empty if the door accepts."),
    numberOrNull("code", "The code of the reply; null if the door accepts."),
  ],
  "explain --out --json": [
    version,
    text("scheme", "The envelope sender scheme: srs, prvs, plain or none."),
    textOrNull("why", "Why the message is not signed."),
    textOrNull("identity", "The identity that signs the message."),
    optional(
      textOrNull(
        "sender",
        "The envelope sender; null for the null sender. Absent if the program that sends the mail chooses it.",
      ),
    ),
    list("recipients", "The envelope recipients.", [
      text("address", "The address."),
      text("wanted", "The scheme that the rules give for this recipient alone."),
      flag("remembered", "Whether its challenge about this message will be answered."),
    ]),
    texts("added", "The header fields that are added."),
    texts("removed", "The names of the header fields that are removed."),
    texts("notes", "Anything else that is logged."),
    optional(
      object("account", "The account that sends the message. Absent if the settings have no [[account]].", [
        text("name", "Its name."),
        text("because", "Why it was chosen, in words."),
      ]),
    ),
    texts("transport", "The program that sends the message and its arguments, or the server, or the maildir."),
  ],
  "explain --out --json -- -bs": [
    version,
    text("real", "The option that only the real sendmail can handle: -bs, -bp or -q."),
    text("outcome", "What happens, in words."),
  ],
  "doctor --json": [
    version,
    list("findings", "The problems.", [
      text("id", "A name that stays the same in later versions; the section Findings of doctor lists them."),
      text("what", "What is wrong."),
      object("where", "The place.", [
        text("file", "The file, folder or DNS name."),
        optional(number("line", "The line, counted from 1. Absent if there is none.")),
      ]),
      text("why", "The consequence."),
      text("fix", "The command to run or the change to make."),
    ]),
    texts("notes", "Facts that are not problems."),
  ],
  "audit --json": [
    version,
    texts("mailboxes", "The mailboxes, as they were named."),
    text("date", "The day of the audit, such as 2026-11-20."),
    object("refuses", "What the settings refuse.", [
      flag("forged", "Forged bounces, during the SMTP session (incoming.forged)."),
      flag("unsigned", "All mail from the null sender to a plain address (refuse_unsigned)."),
    ]),
    flag("interrupted", "Whether the audit was stopped before the end."),
    number("messages", "Messages that were read."),
    number("seconds", "Duration in seconds."),
    number("rate", "Messages per second."),
    object("results", "Messages by result.", counts),
    list("months", "The same for each month, oldest first.", [
      textOrNull("month", "The month, such as 2026-11; null if it is unknown."),
      ...counts,
    ]),
    object("bounces", "Bounces to addresses of the user.", [
      number("total", "All of them."),
      number("verified", "Those with a valid signature of the user, and late ones."),
      number("known", "Those that return or name a message found in the sent mail."),
      number("unrecognized", "All others."),
    ]),
    numberOrNull("sent", "Sent messages that were found; null without --sent."),
    optional(
      object(
        "recentlySent",
        "Sent mail of the last 30 days. Absent without settings, without --sent, and with notCounted.",
        [
          number("total", "All of it."),
          number("signed", "Messages with a tag."),
          number("unsigned", "Messages that were sent through the shim without getting a tag."),
          number("unknown", "Messages that were not sent through the shim."),
        ],
      ),
    ),
    optional(
      text(
        "notCounted",
        "Why recentlySent is absent although there is sent mail: the state is in Redis or cannot be read.",
      ),
    ),
    list("backscatter", "The domains that sent bounces of mail that the user did not send, most first.", [
      text("domain", "The domain."),
      number("count", "Number of bounces."),
    ]),
    truncated,
    object("rejectable", "Messages that could be rejected during the SMTP session.", [
      number("count", "Their number."),
      number("share", "Their share of all messages, from 0 to 1."),
    ]),
    number(
      "unsigned",
      "Messages from the null sender to a plain address, all of which identity.refuse_unsigned would reject.",
    ),
    object("unreadable", "Files and folders that could not be read.", [
      number("count", "Their number."),
      list("files", "The first of them.", errors),
    ]),
    object("compressed", "Compressed files, which are not read.", [
      number("count", "Their number."),
      texts("files", "The first of them."),
    ]),
    number("skipped", "Files that are not messages, and links, which are not followed."),
  ],
  "sweep --json": [
    version,
    flag("dryRun", "Whether nothing was changed."),
    text("spam", "The maildir for forged messages."),
    number("judged", "Number of messages that were judged."),
    object("results", "How many messages have each result.", counts),
    list("moved", "The messages that were moved; with dryRun, that would be moved.", [
      text("maildir", "The maildir in which the message was."),
      text("file", "Its path, after it was moved."),
      text("result", "The classification, such as forged."),
      text("reason", "Why, in words."),
      text("date", "The day of its arrival, such as 2026-11-28."),
      text("from", "The address of its author, or the text of the From field."),
      text("subject", "Its Subject."),
    ]),
    number("marked", "Number of messages that got a result field."),
    number("movedBack", "Forged messages that were left because the user had moved them back."),
    number("old", "Forged messages that were left because they arrived too long ago."),
    number("gone", "Messages that another program moved or removed meanwhile."),
    list(
      "failures",
      "The maildirs that could not be swept, and the messages that could not be judged or moved.",
      errors,
    ),
  ],
  "report --json": [
    version,
    text("since", "The first day (UTC), such as 2026-11-20."),
    text("until", "The last day."),
    object("outgoing", "Messages that were sent.", [
      number("signed", "Messages that were signed."),
      list("schemes", "The same by the scheme of the envelope sender, the most frequent first.", [
        text("scheme", "The scheme: srs, prvs, plain or none."),
        number("count", "Number of messages."),
      ]),
      number("unsigned", "Messages that were not signed."),
      list("reasons", "Why they were not signed.", reasons),
      number("failed", "Messages that were rejected, or could not be sent."),
      list("failures", "Why they failed.", reasons),
      number("deferred", "Attempts of the outbox that were deferred, and deferred messages."),
      number("forgotten", "Messages that could not be remembered."),
    ]),
    object("incoming", "Messages that hooks and sweep have judged.", [
      object("results", "How many have each result.", counts),
      number("deferred", "Deliveries that were deferred."),
    ]),
    list("forged", "What happened to messages with the results forged, suspect and unsure.", [
      text("result", "The result."),
      text("outcome", "What happened, such as filed or go-on."),
      number("count", "Number of messages."),
    ]),
    object("door", "What countersign serve has decided in SMTP sessions.", [
      number("refused", "Recipients and messages that were refused."),
      list("refusals", "The same by result, or else by check.", reasons),
      object("results", "How many of the accepted ones have each result.", counts),
      number("deferred", "Recipients that were deferred."),
    ]),
    list("backscatter", "The domains that sent most bounces of mail that the user did not send.", [
      text("domain", "The domain."),
      number("count", "Number of bounces."),
    ]),
    truncated,
    list("errors", "Errors that were logged.", reasons),
    number("probes", "Lines about tests of countersign doctor, which are not counted."),
    number("damaged", "Lines that are cut or damaged, which are not counted."),
    list("unreadable", "Files that could not be read to their end.", errors),
  ],
} satisfies Record<string, readonly Member[]>;
