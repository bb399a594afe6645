/** Verdicts on incoming messages: types shared by the judge, its checks and the programs that act on a verdict. */
import type { Address } from "../lib/address.ts";
import type { Identity } from "../lib/settings/identity.ts";
import type { Settings } from "../lib/settings/parse.ts";
import type { Form } from "./challenge/forms.ts";
import { type Delivery, DOUBLE_BOUNCE, isUnreadable, withoutRoute } from "./delivery.ts";
import type { Facts, Need } from "./need.ts";

/** What to do with the message. Only a filter during the SMTP session can reject it, depending on `incoming.forged`. */
export type Action = "deliver" | "spam" | "answer";

/** An answer to a challenge, which must be sent at most once. */
export interface Answer {
  readonly form: Form;
  /** The author of the answer: the address from which the challenged message was sent. */
  readonly author: Address;
  /** The ledger entry that the answer spends, and the pymsgauth token that belongs to it. */
  readonly spends: { readonly entry: string; readonly token?: string };
  /** The Message-ID of the challenge; undefined when it is not well formed. */
  readonly inReplyTo: string | undefined;
}

/** The result of the check that decided. */
export interface Verdict {
  readonly action: Action;
  /** The name of the check that decided. */
  readonly check: string;
  /** The classification, for the result field. */
  readonly result: Result;
  /** Why, in words, for the log and the result field. */
  readonly reason: string;
  /** The identity to which the message is addressed, if any. */
  readonly identity?: Identity;
  /** The Message-ID of the returned message that the user has signed, in the form of `bareMessageId()`. */
  readonly original?: string;
  /** Add a result field that gives the reason when the message is delivered. */
  readonly mark?: boolean;
  /** The recipient is a signed address of another user in a shared SRS domain: leave it to the next program. */
  readonly passed?: boolean;
  /**
   * The address to write to instead: the recipient is a signed address that contains it, correctly signed, but no
   * longer valid.
   */
  readonly expired?: string;
  /** The answer to send, when the action is `answer`. */
  readonly answer?: Answer;
}

/** Returns the verdict on a forged message as configured by `incoming.forged`; with `marked` it is only marked. */
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
 * - `genuine`: an HMAC proves that it responds to a message that the user sent
 * - `known`: it names a remembered Message-ID, which is weaker, because whoever has seen the message knows it
 * - `late`: sent to a signed address that has expired
 * - `unsolicited`: from the null sender, but not a bounce
 * - `suspect`: forged, but delivered because of the settings or the grace period
 * - `forged`: a bounce of a message that the user did not send
 * - `unsure`: a bounce that is too long to search completely and in which no message of the user was found
 * - `unjudged`: every key of the identity is too old to verify anything
 * - `challenge`: a challenge about a message that the user sent
 * - `other`: everything else
 */
export type Result = typeof RESULTS[number];

/** All classifications, in the order in which reports list them. */
export const RESULTS = [
  "genuine",
  "known",
  "late",
  "unsolicited",
  "suspect",
  "forged",
  "unsure",
  "unjudged",
  "challenge",
  "other",
] as const;

/** What the checks need besides the message. */
export interface JudgeContext {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly now: Date;
  /** When the message arrived, if it is judged later. */
  readonly arrived?: Date;
  /** Whether the caller can answer challenges. A filter and an audit cannot. */
  readonly answers?: boolean;
}

/** A check returns a verdict, a description of what it found if it does not decide, or what it needs to know first. */
export type Check = (delivery: Delivery, context: JudgeContext, facts: Facts) => Verdict | string | Need;

/** A verdict and the steps that led to it. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly steps: readonly Step[];
}

/** One step towards the verdict, for `explain`. */
export interface Step {
  readonly check: string;
  readonly found: string;
}

/** Returns whether mail from this sender is treated as a bounce: null sender, double bounce, or a mailer daemon. */
export function isBounceSender(sender: Delivery["sender"]): boolean {
  if (sender === null || sender === DOUBLE_BOUNCE) return true;
  // A sender that cannot be parsed is treated as an ordinary address. Milters see it as the client wrote it.
  return sender !== undefined && !isUnreadable(sender) && /^("?)mailer-daemon\1@/i.test(withoutRoute(sender));
}
