/**
 * A small qsecretary: it holds a message to its list, asks the envelope sender,
 * and releases the message when mail comes to the address that it asked from.
 * Known of the real one: the name in From, the line above the top of the
 * message, that From alone confirms, one challenge a message. Other words are ours.
 */

/** A question, as it reaches the envelope sender. */
export interface Challenge {
  /** The envelope sender of what is held. */
  to: string;
  /** Mail to this address releases it. */
  confirm: string;
  mail: string;
}

/** Octets of the body that a challenge shows; the cut may fall anywhere. */
const SHOWN = 60;

export class Qsecretary {
  #held = new Map<string, string>();
  /** What went to the list, in order. */
  readonly released: string[] = [];
  /** Confirmations that released nothing. */
  readonly strays: string[] = [];

  constructor(readonly list: string) {}

  /** Takes a message for the list from this envelope sender. */
  take(sender: string, message: string): Challenge {
    const [name, host] = this.list.split("@") as [string, string];
    const cookie = crypto.randomUUID().replaceAll("-", "");
    const confirm = `${name}-confirm-${cookie}@${host}`;
    const arrived = `Return-Path: <${sender}>\nReceived: (qmail 2222 invoked from network); ${date()}\n${message}`;
    this.#held.set(confirm, arrived);
    const top = arrived.slice(0, arrived.indexOf("\n\n") + 2 + SHOWN);
    const mail = `Received: (qmail 12345 invoked by uid 1017); ${date()}
Date: ${date()}
Message-ID: <${cookie}.qmail@${host}>
From: "The qsecretary program" <${confirm}>
To: ${sender}
Subject: please confirm your message

Your message to ${this.list} is held. Answer, and it goes on; you say so that it is not bulk mail.

--- Below this line is the top of your message.

${top}`;
    return { to: sender, confirm, mail };
  }

  /** Mail has come to an address of this host: it releases what is held there, once. */
  mailTo(recipient: string): void {
    const held = this.#held.get(recipient);
    if (held === undefined) this.strays.push(recipient);
    else this.released.push(held);
    this.#held.delete(recipient);
  }
}

/** As qmail writes it. */
function date(): string {
  return new Date().toUTCString().replace(/^\w+, /, "").replace("GMT", "-0000");
}
