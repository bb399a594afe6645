/**
 * A minimal qsecretary: it holds a message to its list, sends the envelope sender a
 * challenge, and releases the message when mail arrives at the challenge's address.
 * Known of the real one: the display name in From, the line above the top of the
 * message, that mail to From confirms, one challenge per message. Other text is ours.
 */

/** A challenge as the envelope sender receives it. */
export interface Challenge {
  /** The envelope sender of the held message. */
  to: string;
  /** Mail to this address releases it. */
  confirm: string;
  mail: string;
}

/** Bytes of the body that a challenge quotes; it may be cut anywhere. */
const SHOWN = 60;

export class Qsecretary {
  #held = new Map<string, string>();
  /** Messages sent to the list, in order. */
  readonly released: string[] = [];
  /** Confirmations that released nothing. */
  readonly strays: string[] = [];

  constructor(readonly list: string) {}

  /** Accepts a message to the list from this envelope sender. */
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

  /** Accepts mail to an address of this host, which releases the message held for it, once. */
  mailTo(recipient: string): void {
    const held = this.#held.get(recipient);
    if (held === undefined) this.strays.push(recipient);
    else this.released.push(held);
    this.#held.delete(recipient);
  }
}

/** The date as qmail writes it. */
function date(): string {
  return new Date().toUTCString().replace(/^\w+, /, "").replace("GMT", "-0000");
}
