/**
 * The role `door`: rejects forgeries during the SMTP session. It accepts what it cannot decide, and the hook after it
 * judges again. It never signs.
 */
import { concat } from "../lib/bytes.ts";
import type { Event } from "../lib/log.ts";
import { printHead } from "../lib/message.ts";
import type { Delivery } from "../incoming/delivery.ts";
import { PREFIX_BYTES } from "../io/system/input.ts";
import { logTogether } from "../io/system/log.ts";
import {
  decideMessage,
  decideRecipient,
  type Decision,
  type DoorContext,
  identityNamed,
  logClient,
  mayRefuseMessage,
  whyNotJudged,
} from "./decisions.ts";
import type { Engine } from "./engine.ts";
import type { Answer } from "./milter/protocol.ts";
import type { Content, MailFrom, MilterMessage, MilterRole } from "./milter/session.ts";
import { reply } from "./reply.ts";

/** The role, with the settings that the engine holds when a message begins. */
export function doorRole(engine: Engine): MilterRole {
  return {
    actions: 0,
    bodyBytes: PREFIX_BYTES,
    skipsBody: false, // bounces are short
    mail: ({ sender, client }: MailFrom) =>
      new IncomingMessage({ sender, client, loaded: engine.loaded, now: new Date() }),
  };
}

/**
 * Maximum number of deferred recipients of a message. Postfix ends the session after 20 errors
 * (`smtpd_hard_error_limit`), so a client that retries the same recipients would never make progress.
 */
const MAX_DEFERRED = 3;

class IncomingMessage implements MilterMessage {
  readonly #context: DoorContext;
  /** Whether this message may be rejected because of its content; undefined until that matters. */
  #evidence: boolean | undefined;
  /** Number of accepted recipients, and those among them for which the message must be judged. */
  #accepted = 0;
  readonly #judged: string[] = [];
  #deferred = 0;

  constructor(context: DoorContext) {
    this.#context = context;
  }

  async recipient(address: string): Promise<Answer> {
    const decision = decideRecipient(address, this.#context);
    await this.#log("rcpt", decision);
    if (decision.reply !== undefined) return { reply: decision.reply };
    const needsMessage = decision.needsMessage === true;
    if ((needsMessage || decision.unrelated) && (this.#evidence ??= mayRefuseMessage(this.#context))) {
      // A reply to DATA applies to all recipients. The client sends the message to the deferred ones again.
      if (this.#accepted > 0 && (needsMessage || this.#judged.length > 0) && this.#deferred < MAX_DEFERRED) {
        this.#deferred++;
        const why = "Bounces are accepted for one recipient at a time";
        await this.#log("rcpt", { event: { outcome: "deferred", why } });
        return { reply: reply("452 4.5.3", why) };
      }
      if (needsMessage) this.#judged.push(address);
    } else if (needsMessage) {
      await this.#logPassed("rcpt", address, whyNotJudged(this.#context));
    }
    this.#accepted++;
    return "continue";
  }

  data(): Answer {
    return this.#judged.length > 0 ? "continue" : "accept";
  }

  async end(content: Content): Promise<{ answer: Answer }> {
    const [address] = this.#judged;
    if (address === undefined) return { answer: "accept" };
    if (this.#accepted > 1) {
      await this.#logPassed("data", address, "the message has several recipients, to whom the reply would apply");
      return { answer: "accept" };
    }
    const decision = await decideMessage(deliveryOf(this.#context.sender, address, content), this.#context);
    await this.#log("data", decision);
    return { answer: decision.reply === undefined ? "accept" : { reply: decision.reply } };
  }

  /** Logs why a message to an identity is not judged. */
  async #logPassed(stage: "rcpt" | "data", recipient: string, why: string | undefined): Promise<void> {
    const identity = identityNamed(recipient, this.#context);
    await this.#log(stage, { event: { identity, outcome: "passed", why } });
  }

  /** Logs a decision before it is answered. */
  async #log(stage: "rcpt" | "data", { event }: Decision): Promise<void> {
    if (event === undefined) return;
    const line: Event = { direction: "in", at: stage, ...logClient(this.#context), ...event };
    await logTogether(this.#context.loaded.settings, line);
  }
}

function deliveryOf(sender: string | null, recipient: string, { header, cut, body, whole }: Content): Delivery {
  const head = printHead(header, cut);
  const prefix = concat(head, body);
  return { sender, recipients: [recipient], header, prefix, bodyStart: head.length, cut, whole, unread: !whole };
}
