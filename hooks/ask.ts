/**
 * Asks `countersign serve` about a message that qmail is receiving, for hooks/queue and hooks/rcptcheck. Standard input
 * is the envelope in the format of qmail-queue, and with `data` the message behind it, whose size is an argument. The
 * exit status is 100, and the reason is printed, if the door rejects all recipients; 0 if it does not; 75 if the door
 * cannot be queried.
 */
import { type Bytes, concat, decodeLatin1, latin1ToUtf8 } from "../lib/bytes.ts";
import { errorText, Fail } from "../lib/fail.ts";
import { PREFIX_BYTES } from "../io/system/input.ts";
import { printError } from "../io/system/log.ts";
import { askDoor, DOOR_TIMEOUT_MS, type MessagePrefix, oneLine, type OneLineReply } from "./door.ts";
import { USUAL_LOOKUP } from "../lib/paths.ts";

/** Maximum length of an envelope that is examined. Only lists have longer ones, and no bounce has. */
const MAX_ENVELOPE_BYTES = 64 * 1024;

/**
 * Time limit in milliseconds for the queries about all recipients. A client that waits too long disconnects and sends
 * the message again.
 */
const ALL_MS = 20_000;

/** qmail-smtpd reads at most 255 bytes from descriptor 6. */
const MAX_TEXT_LENGTH = 240;

/** The envelope; an address has the bytes of the SMTP command. */
export interface QueueEnvelope {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Where the message begins. */
  readonly end: number;
}

/**
 * Parses an envelope: `F`, the sender and NUL, then for each recipient `T`, the address and NUL, then another NUL.
 *
 * @returns undefined if it is malformed, or not complete
 */
export function parseEnvelope(bytes: Uint8Array): QueueEnvelope | undefined {
  const text = decodeLatin1(bytes.subarray(0, MAX_ENVELOPE_BYTES));
  const end = text.indexOf("\0\0");
  if (end < 0 || text[0] !== "F") return undefined;
  const [sender = "", ...recipients] = text.slice(1, end).split("\0");
  if (recipients.length === 0 || !recipients.every((one) => one.startsWith("T"))) return undefined;
  return {
    sender: latin1ToUtf8(sender),
    recipients: recipients.map((one) => latin1ToUtf8(one.slice(1))),
    end: end + 2,
  };
}

/** Formats a rejection for descriptor 6 of a program in place of qmail-queue: `D` is permanent, `Z` temporary. */
export function queueText({ code, status, text }: OneLineReply): string {
  return `${code.startsWith("4") ? "Z" : "D"}${text.slice(0, MAX_TEXT_LENGTH)} (#${status})`;
}

/**
 * Decides about a message. One recipient that is accepted is enough: qmail-smtpd has a single reply for all.
 *
 * @param message undefined if only the envelope is known yet
 * @param limit in milliseconds
 * @throws {Fail} `temporary` if the server is down or slow
 */
export async function decide(
  path: string,
  { sender, recipients }: Omit<QueueEnvelope, "end">,
  message: MessagePrefix | undefined,
  limit = ALL_MS,
): Promise<OneLineReply | undefined> {
  const end = performance.now() + limit;
  let first: OneLineReply | undefined;
  for (const recipient of recipients) {
    const left = Math.min(end - performance.now(), DOOR_TIMEOUT_MS);
    if (left <= 0) throw new Fail("temporary", "countersign serve did not respond in time", { file: path });
    const early = await askDoor(path, { sender, recipient }, undefined, left);
    const judges = early.needsMessage && message !== undefined && recipients.length === 1;
    const { reply } = judges ? await askDoor(path, { sender, recipient }, message) : early;
    if (reply === undefined) return undefined;
    first ??= oneLine(reply);
  }
  return first;
}

/**
 * Returns what is examined of a message.
 *
 * @param size the size of the message
 * @throws {Fail} `io` if bytes are missing: what is left of a genuine bounce may look like a forged one
 */
function beginning(bytes: Bytes, size: number): MessagePrefix {
  if (bytes.length < Math.min(size, PREFIX_BYTES)) throw new Fail("io", "The message could not be read to its end");
  return { prefix: bytes.slice(0, PREFIX_BYTES), whole: size <= PREFIX_BYTES };
}

/** Reads standard input to its end, but not more than is examined. */
async function readAll(): Promise<Bytes> {
  const parts: Bytes[] = [];
  const most = MAX_ENVELOPE_BYTES + PREFIX_BYTES + 1;
  for (let size = 0; size < most;) {
    const buffer = new Uint8Array(64 * 1024);
    const count = await Deno.stdin.read(buffer);
    if (count === null) break;
    parts.push(buffer.subarray(0, count));
    size += count;
  }
  return concat(...parts);
}

/** Runs the program. @returns the exit status */
async function ask(name: string, args: readonly string[]): Promise<number> {
  try {
    const size = /^(?:rcpt|data (\d{1,15}))$/.exec(args.join(" "));
    if (size === null) throw new Fail("usage", "Usage: ask rcpt | data SIZE");
    const bytes = await readAll();
    const envelope = parseEnvelope(bytes);
    if (envelope === undefined) return 0; // qmail-queue rejects it
    const message = size[1] === undefined ? undefined : beginning(bytes.subarray(envelope.end), Number(size[1]));
    const rejection = await decide(Deno.env.get("COUNTERSIGN_LOOKUP") || USUAL_LOOKUP, envelope, message);
    if (rejection === undefined) return 0;
    console.log(queueText(rejection));
    return 100;
  } catch (error) {
    printError(name, `${errorText(error)}; the mail is accepted`);
    return 75;
  }
}

if (import.meta.main) Deno.exit(await ask(Deno.args[0] ?? "ask", Deno.args.slice(1)));
