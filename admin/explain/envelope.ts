/**
 * The envelope of a message that is explained: as the command line states it, else from the environment of the caller,
 * else from the fields that mail servers recorded in the header. What nobody recorded is assumed, and noted.
 */
import { parseHead, value } from "../../lib/message.ts";
import { type Caller, envelope, type Given, type Received } from "../../incoming/delivery.ts";
import { env } from "../../io/system/environment.ts";
import type { Input } from "../../io/system/input.ts";
import { addressesIn, recordedEnvelope, recordedRecipients } from "../recorded.ts";

/** An envelope, and what was assumed about it, in words. */
export interface AssumedEnvelope extends Received {
  readonly notes: readonly string[];
}

/**
 * Returns the envelope.
 *
 * @param caller the program whose environment provides it; undefined if the environment is not used
 * @param input the message; undefined if only the envelope is explained
 */
export async function assumedEnvelope(
  caller: Caller | undefined,
  stated: Given,
  input: Input | undefined,
): Promise<AssumedEnvelope> {
  const header = input?.head.header ?? [];
  const known = caller === undefined
    ? await envelope("maildrop", [], () => Promise.resolve(undefined), stated)
    : await envelope(caller, header, env, stated);
  const notes: string[] = [];

  let { sender } = known;
  if (sender === undefined && input !== undefined) {
    const { prefix, head: { bodyStart } } = input;
    const recorded = await recordedEnvelope({ header, prefix, bodyStart });
    sender = recorded.sender;
    if (recorded.assumed) {
      notes.push("no field records the envelope sender; the message looks like a bounce and is judged as from <>");
    }
  }

  let { recipients } = known;
  if (recipients.length === 0) recipients = recordedRecipients(header);
  if (recipients.length === 0) {
    recipients = addressesIn(value(header, "To") ?? "");
    if (recipients.length > 0) notes.push("no field records the envelope recipient; the addresses in To are used");
  }
  return { sender, recipients, notes };
}

/** The bytes of blank lines: tab, LF, CR, space. */
const BLANK = [9, 10, 13, 32];

/**
 * Returns a message without the blank lines at its beginning, which a browser or an editor may have saved with it. They
 * would end the header before its first field.
 */
export function withoutBlankLines(input: Input): { readonly input: Input; readonly notes: readonly string[] } {
  const { prefix, whole, head } = input;
  const first = prefix.findIndex((byte) => !BLANK.includes(byte));
  // Spaces on the same line belong to the text.
  const start = prefix.lastIndexOf(10, first) + 1;
  if (head.header.length > 0 || first < 0 || start === 0) return { input, notes: [] };
  const left = prefix.subarray(start);
  const parsed = parseHead(left, whole);
  if (parsed === undefined || parsed.header.length === 0) return { input, notes: [] };
  return { input: { ...input, prefix: left, head: parsed }, notes: ["blank lines before the header are ignored"] };
}
