/**
 * The filter protocol of OpenSMTPD, smtpd-filters(7): reads the lines of smtpd, and decides with the door about
 * recipients and about bounces. Unknown lines are ignored, because smtpd exits when its filter does.
 */
import { type Bytes, encodeLatin1, latin1ToUtf8 } from "../lib/bytes.ts";
import { PREFIX_BYTES } from "../io/system/input.ts";
import { type DoorDecision, type MessagePrefix, oneLine } from "./door.ts";

/** Queries the door; undefined if it is down. Never throws. */
export type AskDoor = (
  envelope: { readonly sender: string; readonly recipient: string },
  message?: MessagePrefix,
) => Promise<DoorDecision | undefined>;

/** What smtpd calls. `data-line` cannot be registered for some sessions only. */
const EVENTS = [
  "report|smtp-in|link-disconnect",
  "report|smtp-in|tx-reset",
  "report|smtp-in|tx-rcpt",
  "filter|smtp-in|mail-from",
  "filter|smtp-in|rcpt-to",
  "filter|smtp-in|data-line",
  "filter|smtp-in|commit",
];

/** Bytes of all messages that are kept to be judged. A bounce that exceeds this is not judged. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Maximum number of deferred recipients of a message, as at the milter's door: a client could retry them forever. */
const MAX_DEFERRED = 3;

const DEFER = "452 4.5.3 Bounces are accepted for one recipient at a time";

/** A message in transit. */
class Transaction {
  accepted = 0;
  deferred = 0;
  /** The first accepted recipient, if the message must be judged for it. */
  #first: string | undefined;
  /** Whether smtpd has not yet replied to the recipient that was accepted last. */
  #open = false;
  whole = true;
  /** The beginning of the message. Strings would keep the input of which they are a part, which is much longer. */
  #bytes = new Uint8Array(1024);
  #size = 0;

  constructor(readonly sender: string) {}

  get size(): number {
    return this.#size;
  }

  get message(): Bytes {
    return this.#bytes.slice(0, this.#size);
  }

  /** The recipient for whom the message must be judged. A reply to it would apply to all recipients. */
  get judged(): string | undefined {
    return this.accepted === 1 ? this.#first : undefined;
  }

  /** Accepts a recipient, which smtpd may still reject. @param judged whether the message must be judged for it */
  accept(recipient: string, judged: boolean): void {
    if (this.accepted++ === 0) this.#first = judged ? recipient : undefined;
    this.#open = true;
  }

  /** Learns what smtpd replied to a recipient; to one that it cannot parse it replies without asking first. */
  replied(result: string | undefined): void {
    if (this.#open && (result === "permfail" || result === "tempfail")) this.accepted--;
    this.#open = false;
  }

  /** Accepts the message unexamined. */
  pass(): void {
    this.#first = undefined;
  }

  /** Adds a line with its end. */
  add(line: string): void {
    const size = this.#size + line.length;
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(encodeLatin1(line), this.#size);
    this.#size = size;
  }
}

/** Answers the lines of smtpd. A session waits for the answer before it sends anything else. */
export class OpenSmtpdFilter {
  readonly #write: (lines: string) => void;
  readonly #ask: AskDoor;
  readonly #transactions = new Map<string, Transaction>();
  #held = 0;
  #rest = "";

  /** @param write sends whole lines to smtpd, in Latin-1 */
  constructor(write: (lines: string) => void, ask: AskDoor) {
    [this.#write, this.#ask] = [write, ask];
  }

  /** Number of transactions and bytes in memory. */
  get load(): { transactions: number; bytes: number } {
    return { transactions: this.#transactions.size, bytes: this.#held };
  }

  /**
   * Processes input from smtpd, in Latin-1. Returns the lines to send at once; those that depend on the door follow by
   * `write`.
   */
  take(input: string): string {
    const lines = (this.#rest + input).split("\n");
    this.#rest = lines.pop()!;
    let out = "";
    for (const line of lines) out += this.#line(line);
    return out;
  }

  #line(line: string): string {
    if (line === "config|ready") return [...EVENTS, "ready"].map((event) => `register|${event}\n`).join("");
    const [kind, , , direction, event, session = "", ...more] = line.split("|", 7);
    if (direction !== "smtp-in") return "";
    if (kind === "report" && (event === "link-disconnect" || event === "tx-reset")) this.#forget(session);
    if (kind === "report" && event === "tx-rcpt") this.#transactions.get(session)?.replied(line.split("|", 8)[7]);
    const [token] = more;
    if (kind !== "filter" || token === undefined || session === "") return "";
    // The rest of the line may contain more of the separators.
    const value = line.slice(positionOf(line, 7));
    if (event === "data-line") {
      this.#collect(session, value);
      return `filter-dataline|${session}|${token}|${value}\n`;
    }
    const answer = this.#decide(event ?? "", session, value);
    if (typeof answer === "string") return result(session, token, answer);
    // A bug here must not leave the session without a reply.
    answer.catch(() => "proceed").then((text) => this.#write(result(session, token, text)));
    return "";
  }

  #decide(event: string, session: string, value: string): string | Promise<string> {
    if (event === "mail-from") {
      this.#forget(session);
      this.#transactions.set(latin1ToUtf8(session), new Transaction(addressOf(value))); // a copy, as in Transaction
    }
    const transaction = this.#transactions.get(session);
    if (transaction === undefined) return "proceed";
    if (event === "rcpt-to") return this.#recipient(transaction, addressOf(value));
    if (event === "commit" && transaction.judged !== undefined) return this.#message(session, transaction);
    return "proceed";
  }

  async #recipient(transaction: Transaction, recipient: string): Promise<string> {
    const { sender } = transaction;
    const decision = await this.#ask({ sender, recipient });
    if (decision?.reply !== undefined) return reject(decision.reply);
    const needsMessage = decision?.needsMessage === true;
    // A reply to the message applies to all recipients. The client sends it to the deferred ones again.
    const shared = transaction.judged !== undefined || (needsMessage && transaction.accepted > 0);
    if (shared && transaction.deferred < MAX_DEFERRED) {
      transaction.deferred++;
      return `reject|${DEFER}`;
    }
    transaction.accept(recipient, needsMessage);
    return "proceed";
  }

  async #message(session: string, transaction: Transaction): Promise<string> {
    const { sender, judged, message, whole } = transaction;
    this.#forget(session);
    const decision = await this.#ask({ sender, recipient: judged! }, { prefix: message, whole });
    return decision?.reply === undefined ? "proceed" : reject(decision.reply);
  }

  /** Keeps the beginning of a message that must be judged. Its lines are escaped as in SMTP, and `.` is its end. */
  #collect(session: string, line: string): void {
    const transaction = this.#transactions.get(session);
    if (transaction?.judged === undefined || line === "." || !transaction.whole) return;
    const text = `${line.startsWith(".") ? line.slice(1) : line}\n`;
    const room = Math.min(PREFIX_BYTES - transaction.size, MAX_HELD_BYTES - this.#held);
    if (text.length > room) {
      transaction.whole = false;
      if (transaction.size === 0) transaction.pass();
      return;
    }
    transaction.add(text);
    this.#held += text.length;
  }

  #forget(session: string): void {
    this.#held -= this.#transactions.get(session)?.size ?? 0;
    this.#transactions.delete(session);
  }
}

const result = (session: string, token: string, text: string): string => `filter-result|${session}|${token}|${text}\n`;

/** smtpd takes one line. */
function reject(reply: readonly string[]): string {
  const { code, status, text } = oneLine(reply);
  return `reject|${code} ${status} ${text}`;
}

/**
 * smtpd removes the angle brackets. An address that is not UTF-8 gets replacement characters, which the door passes.
 */
const addressOf = (value: string): string => latin1ToUtf8(value.replace(/^<(.*)>$/s, "$1"));

/** Returns the position behind the separator with this number; the end of the line if there are fewer. */
function positionOf(line: string, number: number): number {
  let at = -1;
  for (let left = number; left > 0; left--) {
    at = line.indexOf("|", at + 1);
    if (at < 0) return line.length;
  }
  return at + 1;
}
