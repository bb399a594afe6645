/** Explains what the hook would do with a message, step by step, for `countersign explain`. Changes nothing. */
import { mailboxOf, pathOf } from "../../lib/settings/mailbox.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { errorText, Fail, quote } from "../../lib/fail.ts";
import { env } from "../../io/system/environment.ts";
import type { Input } from "../../io/system/input.ts";
import { readBelowHome } from "../../io/system/files.ts";
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import { hasProof } from "../../incoming/proof.ts";
import { recipientIdentity } from "../../incoming/checks/addressed.ts";
import { contentOf } from "../../hooks/content.ts";
import { type Caller, CALLERS, type Delivery, type Given } from "../../incoming/delivery.ts";
import { whatFollows } from "../../hooks/dotqmail.ts";
import { isBounceSender, type JudgeContext, type Step, type Verdict } from "../../incoming/verdict.ts";
import { decide, type DecideContext, storesFor } from "../../io/state/lookups.ts";
import { arrivalOf, decideRecorded, recordedEnvelope } from "../recorded.ts";
import { returnedIds, returnedTags } from "../../incoming/checks/returned_header.ts";
import { bounceEvidence } from "../../incoming/bounce.ts";
import { assumedEnvelope, withoutBlankLines } from "./envelope.ts";

/** The envelope and the caller, as far as the command line states them. */
export interface Question extends Given {
  /**
   * The program that would run the hook, whose environment then provides the envelope; or `sweep`, for the verdict of
   * countersign sweep on a message in a mailbox.
   */
  readonly as?: string | undefined;
  /** When the file of the message was written. */
  readonly written?: Date | null;
}

/** A tag found in the returned message. */
export interface FoundTag {
  readonly tag: string;
  readonly messageId: string;
  /** Where it was found. */
  readonly by: string;
  /** The identity that made the tag; undefined if it is not valid for this Message-ID, or expired. */
  readonly identity: string | undefined;
}

/** The explanation. */
export interface IncomingExplanation {
  readonly sender: Delivery["sender"];
  readonly recipients: readonly string[];
  /** Whether the envelope sender is one that bounces use. */
  readonly bounceSender: boolean;
  /** What shows that the message is a bounce. */
  readonly evidence: string | undefined;
  readonly verdict: Verdict;
  /** What the hook does then, in words. */
  readonly outcome: string;
  readonly steps: readonly Step[];
  readonly tags: readonly FoundTag[];
  /** The first Message-ID in the returned message; used if there is no tag. */
  readonly returnedId: string | undefined;
  /** Whether another hook of the user added a valid proof. */
  readonly proof: boolean;
  /** What was assumed about the message, in words. */
  readonly notes: readonly string[];
}

/** Explains a message. @throws {Fail} `usage` for an unknown caller */
export async function explainIncoming(
  question: Question,
  given: Input,
  settings: Settings,
  identities: readonly Identity[],
  now: Date,
): Promise<IncomingExplanation> {
  const { input, notes } = withoutBlankLines(given);
  const { as } = question;
  const sweep = as === "sweep";
  if (as !== undefined && !sweep && !CALLERS.includes(as as Caller)) {
    throw new Fail("usage", `Option --as ${quote(as)} is not one of ${CALLERS.join(", ")}, sweep`);
  }
  const caller = sweep ? undefined : as as Caller | undefined;
  const context = { settings, identities, now };
  const stores = storesFor(sweep ? "filter" : caller ?? "qmail", settings, now);
  const judging = { ...context, ...stores };
  const { delivery, verdict, steps, assumed } = sweep
    ? { ...await judgeRecorded(question, input, judging), assumed: [] }
    : await judgeReceived(caller, question, input, judging);
  const tags = await foundTags(delivery, context);
  const addressed = recipientIdentity(delivery, context);
  return {
    sender: delivery.sender,
    recipients: delivery.recipients,
    bounceSender: isBounceSender(delivery.sender),
    evidence: bounceEvidence(delivery),
    verdict,
    outcome: sweep ? outcomeOfSweep(verdict, settings) : await outcomeOf(caller, verdict, settings),
    steps,
    tags,
    returnedId: tags[0]?.messageId ?? returnedIds(delivery)[0],
    proof: addressed !== undefined && hasProof(addressed, delivery.header, now),
    notes: [...notes, ...assumed],
  };
}

async function judgeReceived(caller: Caller | undefined, stated: Given, input: Input, context: DecideContext) {
  const { sender, recipients, notes } = await assumedEnvelope(caller, stated, input);
  const delivery = { sender, recipients, ...await contentOf(input, sender) };
  return { delivery, ...await decide(delivery, context), assumed: notes };
}

/** Judges a message in a mailbox as countersign sweep does. @throws {Fail} `usage` if the envelope is given */
async function judgeRecorded({ sender: given, recipient, written }: Question, input: Input, context: DecideContext) {
  if (given !== undefined || recipient !== undefined) {
    throw new Fail("usage", "Option --as sweep cannot be combined with --sender or --recipient");
  }
  const { head: { header, bodyStart }, prefix } = input;
  const { sender, recipients } = await recordedEnvelope({ header, prefix, bodyStart });
  const arrived = arrivalOf(header, written ?? null);
  const judging = { ...context, ...(arrived < context.now && { arrived }) };
  return await decideRecorded({ sender, recipients, ...await contentOf(input, sender) }, judging);
}

/** Returns what countersign sweep does with the verdict, in words. */
function outcomeOfSweep({ action }: Verdict, { incoming: { spam } }: Settings): string {
  return action === "spam" ? `moved to ${spam}, unless it arrived too long ago or was moved back` : "left";
}

/** Returns what hooks/act.ts does with the verdict, in words; a test compares the two. */
async function outcomeOf(caller: Caller | undefined, verdict: Verdict, settings: Settings): Promise<string> {
  const { action, mark } = verdict;
  if (caller === "filter") return "passed through with a result field";
  const forged = action === "spam";
  if (caller === "condredirect") return forged ? "redirected" : "left to the next line";
  if (action === "answer") return "answered once, then kept";
  if (!forged) {
    const { inbox, forward } = settings.incoming;
    let last = caller === "postfix";
    try {
      if (caller === "qmail") last = await whatFollows("incoming", env, readBelowHome) === "last";
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      return `deferred: ${errorText(error)}`;
    }
    const where = last && inbox === "" && !forward
      ? "; requires a destination in the hook's line, or incoming.inbox"
      : "";
    return `delivered${mark ? ", with a mark if the hook itself delivers" : ""}${where}`;
  }
  const { spam, spam_command } = settings.incoming;
  return spam_command.length === 0 ? `filed into ${pathOf(mailboxOf(spam))}` : `filed by ${spam_command[0]}`;
}

/** Number of tags that are shown if none of them is valid. */
const MAX_TAGS = 16;

async function foundTags(delivery: Delivery, context: JudgeContext): Promise<FoundTag[]> {
  const out: FoundTag[] = [];
  for await (const { tag, messageId, by, identity } of returnedTags(delivery, context)) {
    const found = { tag, messageId, by, identity: identity && canonicalAddress(identity) };
    // The valid tag comes first.
    if (identity !== undefined) return [found, ...out];
    if (out.length < MAX_TAGS) out.push(found);
  }
  return out;
}
