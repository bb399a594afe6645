/**
 * The format of the JSON that commands print. The reference in countersign(1) is generated from it, and tests check the
 * output of the commands against it. An incompatible change (a member renamed, removed or of another type) increases
 * {@link JSON_VERSION}; new members do not. It is one table, and therefore longer than other files.
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

const version: Member = { name: "version", type: "number", help: `The version of this format: ${JSON_VERSION}.` };
const counts: readonly Member[] = RESULTS.map((result) => {
  return { name: result, type: "number", help: `Messages with the result ${result}.` };
});

const reasons: readonly Member[] = [
  { name: "why", type: "string", help: "The reason, in words." },
  { name: "count", type: "number", help: "Number of messages." },
];

/** The objects, by the command line that prints them. */
export const JSON_FORMATS = {
  "explain --json": [
    version,
    {
      name: "verdict",
      help: "What the hook decides.",
      type: {
        members: [
          { name: "action", type: "string", help: "What the hook does: deliver, spam or answer." },
          { name: "result", type: "string", help: "The classification, such as genuine, known, late or forged." },
          { name: "check", type: "string", help: "The check that decided." },
          { name: "reason", type: "string", help: "Why, in words." },
          { name: "identity", type: "string or null", help: "The identity that the message concerns." },
          { name: "outcome", type: "string", help: "What then happens to the message, in words." },
        ],
      },
    },
    { name: "bounce", type: "boolean", help: "Whether the message is a bounce." },
    {
      name: "envelope",
      help: "The envelope, as far as it is known.",
      type: {
        members: [
          {
            name: "sender",
            type: "string or null",
            help: "The envelope sender; null for the null sender. Absent if it is unknown.",
            optional: true,
          },
          { name: "recipients", type: "list of strings", help: "The possible envelope recipients." },
        ],
      },
    },
    { name: "evidence", type: "string or null", help: "What shows that the message is a bounce." },
    {
      name: "original",
      help: "The message that is returned.",
      type: {
        members: [
          { name: "messageId", type: "string or null", help: "Its Message-ID, with angle brackets." },
          { name: "tag", type: "string or null", help: "The tag in the same header." },
        ],
      },
    },
    {
      name: "tags",
      help: "The tags that the message returns; a valid one comes first.",
      type: {
        each: [
          { name: "tag", type: "string", help: "The value of the X-Msgauth field." },
          { name: "messageId", type: "string", help: "The Message-ID in the same header, without angle brackets." },
          { name: "by", type: "string", help: "How it was found." },
          {
            name: "identity",
            type: "string or null",
            help: "The identity that made the tag; null if it is not valid.",
          },
        ],
      },
    },
    { name: "proof", type: "boolean", help: "Whether another hook of the user has added a valid proof." },
    { name: "notes", type: "list of strings", help: "What was assumed about the message, in words." },
    {
      name: "checks",
      help: "The checks in the order in which they ran.",
      type: {
        each: [
          { name: "check", type: "string", help: "The name of the check." },
          { name: "answer", type: "string", help: "The action, or next if the next check was asked." },
          { name: "evidence", type: "string", help: "What the check found." },
        ],
      },
    },
    { name: "hint", type: "string or null", help: "What to do if a list or a service rejected the envelope sender." },
  ],
  "explain --at rcpt --json": [
    version,
    { name: "at", type: "string", help: "When the door decides: rcpt, or data for the end of the message." },
    { name: "sender", type: "string or null", help: "The envelope sender; null for the null sender." },
    { name: "recipient", type: "string", help: "The envelope recipient." },
    { name: "result", type: "string or null", help: "The classification, if the door has one." },
    { name: "check", type: "string or null", help: "The check that decided, if one did." },
    { name: "reason", type: "string", help: "Why, in words." },
    { name: "notes", type: "list of strings", help: "What was assumed about the message, in words." },
    { name: "reply", type: "list of strings", help: "The lines of the SMTP reply; empty if the door accepts." },
    { name: "code", type: "number or null", help: "The code of the reply; null if the door accepts." },
  ],
  "explain --out --json": [
    version,
    { name: "scheme", type: "string", help: "The envelope sender scheme: srs, prvs, plain or none." },
    { name: "why", type: "string or null", help: "Why the message is not signed." },
    { name: "identity", type: "string or null", help: "The identity that signs the message." },
    {
      name: "sender",
      type: "string or null",
      help: "The envelope sender; null for the null sender. Absent if the program that sends the mail chooses it.",
      optional: true,
    },
    {
      name: "recipients",
      help: "The envelope recipients.",
      type: {
        each: [
          { name: "address", type: "string", help: "The address." },
          { name: "wanted", type: "string", help: "The scheme that the rules give for this recipient alone." },
          { name: "remembered", type: "boolean", help: "Whether its challenge about this message will be answered." },
        ],
      },
    },
    { name: "added", type: "list of strings", help: "The header fields that are added." },
    { name: "removed", type: "list of strings", help: "The names of the header fields that are removed." },
    { name: "notes", type: "list of strings", help: "Anything else that is logged." },
    {
      name: "account",
      help: "The account that sends the message. Absent if the settings have no [[account]].",
      optional: true,
      type: {
        members: [
          { name: "name", type: "string", help: "Its name." },
          { name: "because", type: "string", help: "Why it was chosen, in words." },
        ],
      },
    },
    {
      name: "transport",
      type: "list of strings",
      help: "The program that sends the message and its arguments, or the server, or the maildir.",
    },
  ],
  "explain --out --json -- -bs": [
    version,
    { name: "real", type: "string", help: "The option that only the real sendmail can handle: -bs, -bp or -q." },
    { name: "outcome", type: "string", help: "What happens, in words." },
  ],
  "doctor --json": [
    version,
    {
      name: "findings",
      help: "The problems.",
      type: {
        each: [
          {
            name: "id",
            type: "string",
            help: "A name that stays the same in later versions; the section Findings of doctor lists them.",
          },
          { name: "what", type: "string", help: "What is wrong." },
          {
            name: "where",
            help: "The place.",
            type: {
              members: [
                { name: "file", type: "string", help: "The file, folder or DNS name." },
                {
                  name: "line",
                  type: "number",
                  help: "The line, counted from 1. Absent if there is none.",
                  optional: true,
                },
              ],
            },
          },
          { name: "why", type: "string", help: "The consequence." },
          { name: "fix", type: "string", help: "The command to run or the change to make." },
        ],
      },
    },
    { name: "notes", type: "list of strings", help: "Facts that are not problems." },
  ],
  "audit --json": [
    version,
    { name: "mailboxes", type: "list of strings", help: "The mailboxes, as they were named." },
    { name: "date", type: "string", help: "The day of the audit, such as 2026-11-20." },
    {
      name: "refuses",
      help: "What the settings refuse.",
      type: {
        members: [
          { name: "forged", type: "boolean", help: "Forged bounces, during the SMTP session (incoming.forged)." },
          {
            name: "unsigned",
            type: "boolean",
            help: "All mail from the null sender to a plain address (refuse_unsigned).",
          },
        ],
      },
    },
    { name: "interrupted", type: "boolean", help: "Whether the audit was stopped before the end." },
    { name: "messages", type: "number", help: "Messages that were read." },
    { name: "seconds", type: "number", help: "Duration in seconds." },
    { name: "rate", type: "number", help: "Messages per second." },
    { name: "results", type: { members: counts }, help: "Messages by result." },
    {
      name: "months",
      help: "The same for each month, oldest first.",
      type: {
        each: [
          { name: "month", type: "string or null", help: "The month, such as 2026-11; null if it is unknown." },
          ...counts,
        ],
      },
    },
    {
      name: "bounces",
      help: "Bounces to addresses of the user.",
      type: {
        members: [
          { name: "total", type: "number", help: "All of them." },
          { name: "verified", type: "number", help: "Those with a valid signature of the user, and late ones." },
          { name: "known", type: "number", help: "Those that return or name a message found in the sent mail." },
          { name: "unrecognized", type: "number", help: "All others." },
        ],
      },
    },
    { name: "sent", type: "number or null", help: "Sent messages that were found; null without --sent." },
    {
      name: "recentlySent",
      help: "Sent mail of the last 30 days. Absent without settings, without --sent, and with notCounted.",
      optional: true,
      type: {
        members: [
          { name: "total", type: "number", help: "All of it." },
          { name: "signed", type: "number", help: "Messages with a tag." },
          { name: "unsigned", type: "number", help: "Messages that were sent through the shim without getting a tag." },
          { name: "unknown", type: "number", help: "Messages that were not sent through the shim." },
        ],
      },
    },
    {
      name: "notCounted",
      type: "string",
      help: "Why recentlySent is absent although there is sent mail: the state is in Redis or cannot be read.",
      optional: true,
    },
    {
      name: "backscatter",
      help: "The domains that sent bounces of mail that the user did not send, most first.",
      type: {
        each: [
          { name: "domain", type: "string", help: "The domain." },
          { name: "count", type: "number", help: "Number of bounces." },
        ],
      },
    },
    { name: "backscatterTruncated", type: "boolean", help: "Whether there were too many domains to count them all." },
    {
      name: "rejectable",
      help: "Messages that could be rejected during the SMTP session.",
      type: {
        members: [
          { name: "count", type: "number", help: "Their number." },
          { name: "share", type: "number", help: "Their share of all messages, from 0 to 1." },
        ],
      },
    },
    {
      name: "unsigned",
      type: "number",
      help: "Messages from the null sender to a plain address, all of which identity.refuse_unsigned would reject.",
    },
    {
      name: "unreadable",
      help: "Files and folders that could not be read.",
      type: {
        members: [
          { name: "count", type: "number", help: "Their number." },
          {
            name: "files",
            help: "The first of them.",
            type: {
              each: [
                { name: "path", type: "string", help: "The path." },
                { name: "why", type: "string", help: "The error." },
              ],
            },
          },
        ],
      },
    },
    {
      name: "compressed",
      help: "Compressed files, which are not read.",
      type: {
        members: [
          { name: "count", type: "number", help: "Their number." },
          { name: "files", type: "list of strings", help: "The first of them." },
        ],
      },
    },
    { name: "skipped", type: "number", help: "Files that are not messages, and links, which are not followed." },
  ],
  "sweep --json": [
    version,
    { name: "dryRun", type: "boolean", help: "Whether nothing was changed." },
    { name: "spam", type: "string", help: "The maildir for forged messages." },
    { name: "judged", type: "number", help: "Number of messages that were judged." },
    { name: "results", help: "How many messages have each result.", type: { members: counts } },
    {
      name: "moved",
      help: "The messages that were moved; with dryRun, that would be moved.",
      type: {
        each: [
          { name: "maildir", type: "string", help: "The maildir in which the message was." },
          { name: "file", type: "string", help: "Its path, after it was moved." },
          { name: "result", type: "string", help: "The classification, such as forged." },
          { name: "reason", type: "string", help: "Why, in words." },
          { name: "date", type: "string", help: "The day of its arrival, such as 2026-11-28." },
          { name: "from", type: "string", help: "The address of its author, or the text of the From field." },
          { name: "subject", type: "string", help: "Its Subject." },
        ],
      },
    },
    { name: "marked", type: "number", help: "Number of messages that got a result field." },
    { name: "movedBack", type: "number", help: "Forged messages that were left because the user had moved them back." },
    { name: "old", type: "number", help: "Forged messages that were left because they arrived too long ago." },
    { name: "gone", type: "number", help: "Messages that another program moved or removed meanwhile." },
    {
      name: "failures",
      help: "The messages that could not be judged or moved.",
      type: {
        each: [
          { name: "path", type: "string", help: "The path." },
          { name: "why", type: "string", help: "The error." },
        ],
      },
    },
  ],
  "report --json": [
    version,
    { name: "since", type: "string", help: "The first day (UTC), such as 2026-11-20." },
    { name: "until", type: "string", help: "The last day." },
    {
      name: "outgoing",
      help: "Messages that were sent.",
      type: {
        members: [
          { name: "signed", type: "number", help: "Messages that were signed." },
          {
            name: "schemes",
            help: "The same by the scheme of the envelope sender, the most frequent first.",
            type: {
              each: [
                { name: "scheme", type: "string", help: "The scheme: srs, prvs, plain or none." },
                { name: "count", type: "number", help: "Number of messages." },
              ],
            },
          },
          { name: "unsigned", type: "number", help: "Messages that were not signed." },
          { name: "reasons", type: { each: reasons }, help: "Why they were not signed." },
          { name: "failed", type: "number", help: "Messages that were rejected, or could not be sent." },
          { name: "failures", type: { each: reasons }, help: "Why they failed." },
          {
            name: "deferred",
            type: "number",
            help: "Attempts of the outbox that were deferred, and deferred messages.",
          },
          { name: "forgotten", type: "number", help: "Messages that could not be remembered." },
        ],
      },
    },
    {
      name: "incoming",
      help: "Messages that hooks and sweep have judged.",
      type: {
        members: [
          { name: "results", help: "How many have each result.", type: { members: counts } },
          { name: "deferred", type: "number", help: "Deliveries that were deferred." },
        ],
      },
    },
    {
      name: "forged",
      help: "What happened to messages with the results forged, suspect and unsure.",
      type: {
        each: [
          { name: "result", type: "string", help: "The result." },
          { name: "outcome", type: "string", help: "What happened, such as filed or go-on." },
          { name: "count", type: "number", help: "Number of messages." },
        ],
      },
    },
    {
      name: "door",
      help: "What countersign serve has decided in SMTP sessions.",
      type: {
        members: [
          { name: "refused", type: "number", help: "Recipients and messages that were refused." },
          { name: "refusals", type: { each: reasons }, help: "The same by result, or else by check." },
          { name: "results", help: "How many of the accepted ones have each result.", type: { members: counts } },
          { name: "deferred", type: "number", help: "Recipients that were deferred." },
        ],
      },
    },
    {
      name: "backscatter",
      help: "The domains that sent most bounces of mail that the user did not send.",
      type: {
        each: [
          { name: "domain", type: "string", help: "The domain." },
          { name: "count", type: "number", help: "Number of bounces." },
        ],
      },
    },
    { name: "backscatterTruncated", type: "boolean", help: "Whether there were too many domains to count them all." },
    { name: "errors", type: { each: reasons }, help: "Errors that were logged." },
    { name: "probes", type: "number", help: "Lines about tests of countersign doctor, which are not counted." },
    { name: "damaged", type: "number", help: "Lines that are cut or damaged, which are not counted." },
    {
      name: "unreadable",
      help: "Files that could not be read to their end.",
      type: {
        each: [
          { name: "path", type: "string", help: "The path." },
          { name: "why", type: "string", help: "The error." },
        ],
      },
    },
  ],
} satisfies Record<string, readonly Member[]>;
