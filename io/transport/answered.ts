/** What the receiver of a message answered, for the log. */
import type { Envelope } from "../../lib/envelope.ts";
import { type Event, maskAddresses } from "../../lib/log.ts";
import { queueIdIn } from "../../lib/queue_id.ts";

/** The answer of a server, or of a program. */
export interface Answered {
  /** The last reply of the server about the message, on one line. */
  readonly reply?: string | undefined;
  /** The last line that the program wrote to standard error. */
  readonly said?: string | undefined;
}

/** Returns the answer for the log; without the addresses of the envelope unless `whole`. */
export function logAnswered(
  { reply, said }: Answered,
  { sender, recipients }: Pick<Envelope, "sender" | "recipients">,
  whole: boolean,
): Event {
  const addresses = sender ? [sender, ...recipients] : recipients;
  const masked = (text: string | undefined) => text === undefined || whole ? text : maskAddresses(text, addresses);
  return {
    queue: reply === undefined ? undefined : queueIdIn(reply),
    reply: masked(reply),
    said: masked(said),
  };
}
