/**
 * Asks `countersign serve` for the decision of the door, on the socket `lookup`. The programs that mail servers start
 * use it: they need neither settings nor keys.
 */
import type { Bytes } from "../lib/bytes.ts";
import { askLookup } from "../io/state/shared/ask.ts";

/** Timeout in milliseconds for the server to respond, while an SMTP client waits. */
export const DOOR_TIMEOUT_MS = 5000;

/** The beginning of a message, and whether it is all of it. */
export interface MessagePrefix {
  readonly prefix: Bytes;
  readonly whole: boolean;
}

/**
 * The decision: `reply` is the SMTP reply, line by line; `needsMessage` asks for the message, at the end of the data,
 * because it may be rejected then.
 */
export interface DoorDecision {
  readonly reply?: readonly string[];
  readonly needsMessage: boolean;
}

/**
 * Asks about one recipient.
 *
 * @param sender empty for the null sender
 * @param message the message, once it is known
 * @throws {Fail} `temporary` if the server is down; the mail must be accepted
 */
export async function askDoor(
  path: string,
  { sender, recipient }: { readonly sender: string; readonly recipient: string },
  message?: MessagePrefix,
  timeout = DOOR_TIMEOUT_MS,
): Promise<DoorDecision> {
  const request = { request: "judge", sender, recipient, ...(message && { whole: message.whole }) };
  const { need, rejects, reply } = await askLookup(path, request, message?.prefix, timeout);
  const lines = Array.isArray(reply) ? reply.filter((line) => typeof line === "string" && REPLY_LINE.test(line)) : [];
  return { needsMessage: need === "message" && rejects !== false, ...(lines.length > 0 && { reply: lines }) };
}

/** A line of a reply that rejects or defers. Anything else could not be passed on to an SMTP client. */
const REPLY_LINE = /^([45]\d\d)[- ]([45]\.\d{1,3}\.\d{1,3}) ([ -~]*)$/;

/** A reply for programs that only take one line. */
export interface OneLineReply {
  /** The reply code and the enhanced status code (RFC 3463). */
  readonly code: string;
  readonly status: string;
  /** The texts of all lines. */
  readonly text: string;
}

/** Joins the lines of a reply. */
export function oneLine(reply: readonly string[]): OneLineReply {
  const parts = reply.map((line) => REPLY_LINE.exec(line)!);
  const [, code = "", status = ""] = parts[0]!;
  return { code, status, text: parts.map(([, , , text = ""]) => text).join(". ") };
}
