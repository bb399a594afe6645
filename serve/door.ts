/**
 * The role `door`: refuses forgeries while the SMTP session is open. It accepts whatever it cannot decide; a hook
 * behind it looks again. It never signs.
 */
import { concat } from "../lib/bytes.ts";
import { type Event, logAddress } from "../lib/log.ts";
import { printHead } from "../lib/message.ts";
import { addressIn, type Delivery } from "../incoming/delivery.ts";
import { PREFIX_BYTES } from "../io/system/input.ts";
import { log } from "../io/system/log.ts";
import { decideMessage, decideRecipient, type Decision, type DoorContext, mayRefuseMessage } from "./decisions.ts";
import type { Engine } from "./engine.ts";
import type { Answer } from "./milter/protocol.ts";
import type { Content, MailFrom, MilterMessage, MilterRole } from "./milter/session.ts";
import { reply } from "./reply.ts";

/** The role, with the settings that the engine holds when a message begins. */
export function doorRole(engine: Engine): MilterRole {
  return {
    actions: 0,
    bodyBytes: PREFIX_BYTES,
    mail: ({ sender }: MailFrom) => new IncomingMessage({ sender, loaded: engine.loaded, now: new Date() }),
  };
}

/**
 * How many recipients of a message are put off. Postfix ends the session after 20 errors (`smtpd_hard_error_limit`), and
 * the client would try the same recipients again, and never get past the first.
 */
const MAX_PUT_OFF = 3;

class IncomingMessage implements MilterMessage {
  readonly #context: DoorContext;
  /** May this message be refused because of what it says? Undefined before that matters. */
  #evidence: boolean | undefined;
  /** Recipients that were accepted; of those the identities to which it may be a forged bounce. */
  #accepted = 0;
  readonly #judged: string[] = [];
  #putOff = 0;

  constructor(context: DoorContext) {
    this.#context = context;
  }

  recipient(address: string): Answer {
    const decision = decideRecipient(address, this.#context);
    this.#log("rcpt", decision);
    if (decision.reply !== undefined) return { reply: decision.reply };
    const ours = decision.needsMessage === true;
    if ((ours || decision.unrelated) && (this.#evidence ??= mayRefuseMessage(this.#context))) {
      // A reply to the content would be for all recipients. The client sends the message to the others once more.
      if (this.#accepted > 0 && (ours || this.#judged.length > 0) && this.#putOff < MAX_PUT_OFF) {
        this.#putOff++;
        const why = "A bounce has one recipient at a time";
        this.#log("rcpt", { event: { outcome: "deferred", why } });
        return { reply: reply("452 4.5.3", why) };
      }
      if (ours) this.#judged.push(address);
    }
    this.#accepted++;
    return "continue";
  }

  data(): Answer {
    return this.#judged.length > 0 ? "continue" : "accept";
  }

  async end(content: Content): Promise<{ answer: Answer }> {
    const [address] = this.#judged;
    if (address === undefined || this.#accepted > 1) return { answer: "accept" };
    const decision = await decideMessage(deliveryOf(this.#context.sender, address, content), this.#context);
    this.#log("data", decision);
    return { answer: decision.reply === undefined ? "accept" : { reply: decision.reply } };
  }

  #log(stage: "rcpt" | "data", { event }: Decision): void {
    if (event === undefined) return;
    const { loaded: { settings }, sender } = this.#context;
    const address = sender === null ? null : addressIn(sender);
    const from = address === undefined ? "unreadable" : logAddress(address, settings.log_addresses);
    const line: Event = { direction: "in", at: stage, sender: from, ...event };
    log(settings, line);
  }
}

function deliveryOf(sender: string | null, recipient: string, { header, cut, body, whole }: Content): Delivery {
  const head = printHead(header, cut);
  const prefix = concat(head, body);
  return { sender, recipients: [recipient], header, prefix, bodyStart: head.length, cut, whole, unread: !whole };
}
