/** Explains how the door would respond in the SMTP session, for `countersign explain --at`. Changes nothing. */
import { Fail } from "../../lib/fail.ts";
import type { ConfigSource } from "../../lib/settings/parse.ts";
import type { Delivery, Given } from "../../incoming/delivery.ts";
import type { Input } from "../../io/system/input.ts";
import {
  decideMessage,
  decideRecipient,
  type Decision,
  type DoorContext,
  whyNotJudged,
} from "../../serve/decisions.ts";
import { load } from "../../serve/loaded.ts";
import { assumedEnvelope, withoutBlankLines } from "./envelope.ts";
import { readIdentities } from "../identities.ts";
import { json, plain, rows } from "../terminal.ts";

/** The stage of the SMTP session at which the door decides. */
export type Stage = "rcpt" | "data";

/** The response of the door, and its reason. */
export interface DoorExplanation {
  readonly at: Stage;
  readonly sender: string | null;
  readonly recipient: string;
  /** The lines of the reply; empty if the door accepts. */
  readonly reply: readonly string[];
  readonly result: string | null;
  readonly check: string | null;
  readonly reason: string;
  /** What was assumed about the message, in words. */
  readonly notes: readonly string[];
}

/**
 * Explains the response of the door to a recipient, or at the end of the data.
 *
 * @param input the message; not needed for `rcpt` if sender and recipient are stated
 * @throws {Fail} `usage` if the envelope is unknown
 */
export async function explainDoor(
  stage: Stage,
  stated: Given,
  given: Input | undefined,
  source: ConfigSource,
  now: Date,
): Promise<DoorExplanation> {
  const { input, notes: blank } = given === undefined ? { input: undefined, notes: [] } : withoutBlankLines(given);
  const { sender, recipients: [recipient], notes } = await assumedEnvelope(undefined, stated, input);
  if (sender === undefined || recipient === undefined) {
    const fix = `use --${sender === undefined ? "sender" : "recipient"}`;
    throw new Fail("usage", "Envelope is unknown", { fix });
  }
  const context: DoorContext = { loaded: load(source, readIdentities), now, sender };
  const atRcpt = decideRecipient(recipient, context);
  const about = (at: Stage, { reply = "", event = {} }: Decision, otherwise: string): DoorExplanation => ({
    at,
    sender,
    recipient,
    reply: reply === "" ? [] : reply.split("\r\n"),
    result: textOf(event.result),
    check: textOf(event.check),
    reason: textOf(event.error) ?? textOf(event.why) ?? otherwise,
    notes: [...blank, ...notes],
  });
  if (atRcpt.reply !== undefined || stage === "rcpt") {
    return about("rcpt", atRcpt, atRcpt.needsMessage ? "the message decides" : "not about mail of an identity");
  }
  if (input === undefined) throw new Fail("usage", "Option --at data needs a message");
  if (!atRcpt.needsMessage) return about("data", { event: atRcpt.event ?? {} }, "not about mail of an identity");
  const why = whyNotJudged(context);
  if (why !== undefined) return about("data", {}, why);
  return about("data", await decideMessage(deliveryOf(input, sender, recipient), context), "");
}

/** The door sees the beginning of a message, and nothing of its end. */
function deliveryOf({ prefix, whole, head }: Input, sender: string | null, recipient: string): Delivery {
  const { header, bodyStart, cut = false } = head;
  return { sender, recipients: [recipient], header, prefix, bodyStart, cut, whole, unread: !whole };
}

const textOf = (value: string | number | undefined): string | null => value === undefined ? null : String(value);

/** Returns the explanation as text. */
export function doorText({ at, sender, recipient, reply, result, check, reason, notes }: DoorExplanation): string {
  const [first = "none; the door accepts it", ...more] = reply;
  return rows([
    ["At", at === "rcpt" ? "RCPT" : "the end of the data"],
    ["Envelope sender", sender === null ? "<>" : plain(sender)],
    ["Recipient", plain(recipient)],
    ...notes.map((note) => ["Note", note] as const),
    ["Reply", first],
    ...more.map((line) => ["", line] as const),
    ["Reason", check === null ? reason : `${check}${result === null ? "" : ` (${result})`}: ${reason}`],
  ]);
}

/** Returns the explanation as JSON. */
export function doorJson({ reply, ...more }: DoorExplanation): string {
  return json({ ...more, reply, code: reply.length === 0 ? null : Number(reply[0]!.slice(0, 3)) });
}
