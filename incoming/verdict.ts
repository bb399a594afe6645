/** What is said about a message: the types that the judge, its checks and those who act on a verdict share. */
import type { Address } from "../lib/address.ts";
import type { Identity } from "../lib/settings/identity.ts";
import type { Settings } from "../lib/settings/parse.ts";
import type { Form } from "./challenge/forms.ts";
import { type Delivery, DOUBLE_BOUNCE, isUnreadable } from "./delivery.ts";
import type { Facts, Need } from "./need.ts";

/** What is done with the message. Refusing is for a door, which knows `incoming.forged`; behind it forged mail is filed. */
export type Action = "deliver" | "spam" | "answer";

/** An answer to a challenge, to be given once. */
export interface Answer {
  readonly form: Form;
  /** Whose answer it is: the address with which the message was sent. */
  readonly author: Address;
  /** The entry of the ledger that it spends, and the token of pymsgauth that goes with it. */
  readonly spends: { readonly entry: string; readonly token?: string };
  /** The challenge's own Message-ID; undefined when it is not well formed. */
  readonly inReplyTo: string | undefined;
}

/** The answer of the check that decided. */
export interface Verdict {
  readonly action: Action;
  /** The check that said so. */
  readonly check: string;
  /** One word for the result field. */
  readonly result: Result;
  /** In words, for the log and the mark. */
  readonly reason: string;
  /** The identity that it is for, when one was found. */
  readonly identity?: Identity;
  /** Delivered with a result field that says why. */
  readonly mark?: boolean;
  /** The signed address of somebody else in a shared SRS domain: whatever comes behind the hook may know it. */
  readonly passed?: boolean;
  /** With `answer`: what is to be said. */
  readonly answer?: Answer;
}

/** The verdict on what is forged, as `incoming.forged` says; `marked` in the first days. */
export function forgedVerdict(
  check: string,
  reason: string,
  { settings }: Pick<JudgeContext, "settings">,
  marked = false,
): Verdict {
  const { forged } = settings.incoming;
  if (marked || forged === "mark") return { action: "deliver", check, result: "suspect", reason, mark: true };
  return { action: "spam", check, result: "forged", reason, mark: true };
}

/**
 * The classification of a message:
 * - `genuine`: an HMAC proves that it answers mail of ours
 * - `known`: it names a Message-ID that we remember, which is weaker: whoever has seen the message knows it
 * - `late`: sent to a signed address that has expired
 * - `unsolicited`: from the null sender, but not a bounce
 * - `suspect`: forged, but delivered, by the settings or during the first days
 * - `forged`: a bounce of mail that we did not send
 * - `unsure`: a bounce longer than what was looked at, in which nothing of ours was found
 * - `unjudged`: all keys of the identity are too old to judge by
 * - `challenge`: asks about a message of ours
 * - `other`: everything else
 */
export type Result =
  | "genuine"
  | "known"
  | "late"
  | "unsolicited"
  | "suspect"
  | "forged"
  | "unsure"
  | "unjudged"
  | "challenge"
  | "other";

/** What checks are made with. */
export interface JudgeContext {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly now: Date;
  /** Can a challenge be answered? A filter and an audit cannot. */
  readonly answers?: boolean;
}

/** A check: its verdict, what it found while it had none, or what it has to know first. */
export type Check = (delivery: Delivery, context: JudgeContext, facts: Facts) => Verdict | string | Need;

/** What was decided, and on the way to it. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly steps: readonly Step[];
}

/** A step of the way to the verdict, for `explain`. */
export interface Step {
  readonly check: string;
  readonly found: string;
}

/** Null sender, double bounce, or a daemon: what such a sender writes is treated as a bounce. */
export function isBounceSender(sender: Delivery["sender"]): boolean {
  if (sender === null || sender === DOUBLE_BOUNCE) return true;
  // What cannot be read counts as a person's address.
  return sender !== undefined && !isUnreadable(sender) && /^mailer-daemon@/i.test(sender);
}
