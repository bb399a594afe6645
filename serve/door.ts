/**
 * The role `door`: refuses forgeries while the SMTP session is open. It accepts whatever it cannot decide; a hook
 * behind it looks again. It never signs.
 */
import { concat } from "../lib/bytes.ts";
import { errorText } from "../lib/fail.ts";
import { type Event, logAddress } from "../lib/log.ts";
import { printHead } from "../lib/message.ts";
import { canonicalAddress } from "../lib/settings/identity.ts";
import { addressIn, type Delivery, DOUBLE_BOUNCE, isUnreadable } from "../incoming/delivery.ts";
import { judge } from "../incoming/judge.ts";
import { isNeed } from "../incoming/need.ts";
import { isBounceSender, type Verdict } from "../incoming/verdict.ts";
import { remembersAll } from "../io/state/forgotten.ts";
import { decide, storesFor } from "../io/state/lookups.ts";
import { PREFIX_BYTES } from "../io/system/input.ts";
import { log } from "../io/system/log.ts";
import type { Engine, Loaded } from "./engine.ts";
import type { Answer } from "./milter/protocol.ts";
import type { Content, MailFrom, MilterMessage, MilterRole } from "./milter/session.ts";
import { reply } from "./reply.ts";

/** The role, with the settings that the engine holds when a message begins. */
export function doorRole(engine: Engine): MilterRole {
  return {
    actions: 0,
    bodyBytes: PREFIX_BYTES,
    mail: (from) => new IncomingMessage(from, engine.loaded, new Date()),
  };
}

/** Checks that decide about mail to anybody: there is nothing to log. */
const NOT_ABOUT_US = ["double-bounce", "addressed"];

/** Where in the SMTP session something is decided. */
type Stage = "rcpt" | "data";

class IncomingMessage implements MilterMessage {
  readonly #sender: string | null;
  readonly #loaded: Loaded;
  readonly #now: Date;
  /** May this message be refused because of what it says? */
  readonly #evidence: boolean;
  /** Recipients that were accepted; of those the identities to which it may be a forged bounce. */
  #accepted = 0;
  readonly #judged: string[] = [];

  constructor({ sender }: MailFrom, loaded: Loaded, now: Date) {
    [this.#sender, this.#loaded, this.#now] = [sender, loaded, now];
    const { settings } = loaded;
    this.#evidence = settings.incoming.forged === "refuse" && settings.state.shared &&
      sender !== DOUBLE_BOUNCE && isBounceSender(sender) && remembersAll(settings.state.folder, now);
  }

  recipient(address: string): Answer {
    const answer = this.#recipient(address);
    if (answer === "continue") this.#accepted++;
    return answer;
  }

  #recipient(address: string): Answer {
    if (isRole(address) || isUnreadable(address)) return "continue";
    const { settings, identities } = this.#loaded;
    let ours = false;
    try {
      const delivery = { sender: this.#sender, recipients: [address] };
      const judged = judge(delivery, { settings, identities, now: this.#now, answers: false });
      // The envelope alone does not decide about a bounce to an identity.
      ours = isNeed(judged);
      if (!isNeed(judged) && !NOT_ABOUT_US.includes(judged.verdict.check)) {
        const refused = this.#refuses(judged.verdict);
        this.#log("rcpt", judged.verdict, refused);
        return refused ? this.#reply("550 5.1.1", "No such address") : "continue";
      }
    } catch (error) {
      this.#logError("rcpt", error);
      return "continue";
    }
    if (!this.#evidence) return "continue";
    // A reply to the content would be for all recipients. The client sends the message to the others once more.
    if (this.#accepted > 0 && (ours || this.#judged.length > 0)) {
      return { reply: reply("452 4.5.3", "A bounce has one recipient at a time") };
    }
    if (ours) this.#judged.push(address);
    return "continue";
  }

  data(): Answer {
    return this.#judged.length > 0 ? "continue" : "accept";
  }

  async end(content: Content) {
    const [address] = this.#judged;
    if (address === undefined || this.#accepted > 1) return { answer: "accept" as const };
    const { settings, identities } = this.#loaded;
    try {
      const delivery = deliveryOf(this.#sender, address, content);
      const stores = storesFor("postfix", settings, this.#now);
      const { verdict } = await decide(delivery, { settings, identities, now: this.#now, ...stores });
      const refused = this.#refuses(verdict);
      this.#log("data", verdict, refused);
      if (!refused) return { answer: "accept" as const };
      return { answer: this.#reply("550 5.7.1", "This is a bounce of a message that was not sent from here") };
    } catch (error) {
      this.#logError("data", error);
      return { answer: "accept" as const };
    }
  }

  /** Only what is certainly forged; *unsure*, *unjudged* and all others pass. */
  #refuses({ result }: Verdict): boolean {
    return result === "forged" && this.#loaded.settings.incoming.forged === "refuse";
  }

  #reply(code: string, text: string): Answer {
    return { reply: reply(code, text, this.#loaded.settings.serve.contact) };
  }

  #log(stage: Stage, verdict: Verdict, refused: boolean): void {
    const { result, check, identity, reason: why } = verdict;
    this.#write(stage, {
      identity: identity && canonicalAddress(identity),
      result,
      check,
      outcome: refused ? "refused" : "passed",
      why,
    });
  }

  #logError(stage: Stage, error: unknown): void {
    this.#write(stage, { outcome: "passed", error: errorText(error) });
  }

  #write(stage: Stage, event: Event): void {
    const { settings } = this.#loaded;
    const sender = this.#sender === null ? null : addressIn(this.#sender);
    const from = sender === undefined ? "unreadable" : logAddress(sender, settings.log_addresses);
    log(settings, { direction: "in", at: stage, sender: from, ...event });
  }
}

/** RFC 5321 section 4.5.1 and RFC 2142: somebody must be able to complain about us. */
function isRole(address: string): boolean {
  return /^(?:postmaster|abuse)(?:@|$)/i.test(address);
}

function deliveryOf(sender: string | null, recipient: string, { header, cut, body, whole }: Content): Delivery {
  const head = printHead(header, cut);
  const prefix = concat(head, body);
  return { sender, recipients: [recipient], header, prefix, bodyStart: head.length, cut, whole, unread: !whole };
}
