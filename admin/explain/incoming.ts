/** What the hook would do with a message, step by step, for `countersign explain`. Changes nothing. */
import type { Settings } from "../../lib/settings/parse.ts";
import { errorText, Fail, quote } from "../../lib/fail.ts";
import { env } from "../../io/system/environment.ts";
import type { Input } from "../../io/system/input.ts";
import { readBelowHome } from "../../io/system/files.ts";
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import { hasProof } from "../../incoming/proof.ts";
import { recipientIdentity } from "../../incoming/checks/addressed.ts";
import { contentOf } from "../../hooks/content.ts";
import { type Caller, CALLERS, type Delivery, envelope, type Given } from "../../incoming/delivery.ts";
import { whatFollows } from "../../hooks/dotqmail.ts";
import { isBounceSender, type JudgeContext, type Step, type Verdict } from "../../incoming/verdict.ts";
import { decide, storesFor } from "../../io/state/lookups.ts";
import { returnedId, returnedTags } from "../../incoming/checks/returned_header.ts";
import { bounceEvidence } from "../../incoming/bounce.ts";

/** What is asked. */
export interface Question extends Given {
  /** Who would run the hook; its environment then tells the envelope, as it does to the hook. */
  readonly as?: string | undefined;
}

/** A tag that stands in what the message returns. */
export interface FoundTag {
  readonly tag: string;
  readonly messageId: string;
  /** How it was found. */
  readonly by: string;
  /** The identity that made it; undefined: nobody of us, or not for this Message-ID, or too long ago. */
  readonly identity: string | undefined;
}

/** All that can be said. */
export interface Inspection {
  readonly sender: Delivery["sender"];
  readonly recipients: readonly string[];
  /** Does such a sender send bounces? */
  readonly bounceSender: boolean;
  /** What makes it look like a bounce. */
  readonly sign: string | undefined;
  readonly verdict: Verdict;
  /** What the hook then does, in words. */
  readonly outcome: string;
  readonly steps: readonly Step[];
  readonly tags: readonly FoundTag[];
  /** The first Message-ID in what it returns, when no tag stands beside one. */
  readonly returnedId: string | undefined;
  /** Did another hook of ours put a proof on it? */
  readonly proof: boolean;
}

/** Looks at a message. @throws {Fail} `usage` for a caller that is none */
export async function inspect(
  question: Question,
  input: Input,
  settings: Settings,
  identities: readonly Identity[],
  now: Date,
): Promise<Inspection> {
  const { as } = question;
  if (as !== undefined && !CALLERS.includes(as as Caller)) {
    throw new Fail("usage", `Option --as ${quote(as)} is not one of ${CALLERS.join(", ")}`);
  }
  const caller = as as Caller | undefined;
  const delivery = await received(caller, question, input);
  const context = { settings, identities, now };
  const stores = storesFor(caller ?? "qmail", settings, now);
  const { verdict, steps } = await decide(delivery, { ...context, ...stores });
  const tags = await foundTags(delivery, context);
  const addressed = recipientIdentity(delivery, context);
  return {
    sender: delivery.sender,
    recipients: delivery.recipients,
    bounceSender: isBounceSender(delivery.sender),
    sign: bounceEvidence(delivery),
    verdict,
    outcome: await outcomeOf(caller, verdict, settings),
    steps,
    tags,
    returnedId: tags[0]?.messageId ?? returnedId(delivery),
    proof: addressed !== undefined && hasProof(addressed, delivery.header, now),
  };
}

/** Told on the command line, by the caller's environment, or by what the last MTA wrote on top. */
async function received(caller: Caller | undefined, given: Given, input: Input): Promise<Delivery> {
  const { header } = input.head;
  const top = await envelope("maildrop", header, () => Promise.resolve(undefined), given);
  const told = caller === undefined ? top : await envelope(caller, header, env, given);
  const recipients = told.recipients.length > 0 ? told.recipients : top.recipients;
  const sender = told.sender === undefined ? top.sender : told.sender;
  return { sender, recipients, ...await contentOf(input, sender) };
}

/** What hooks/act.ts does with the verdict; tests hold the two together. */
async function outcomeOf(caller: Caller | undefined, verdict: Verdict, settings: Settings): Promise<string> {
  const { action, mark } = verdict;
  if (caller === "filter") return "passed through with a result field";
  const forged = action === "spam";
  if (caller === "condredirect") return forged ? "redirected" : "left to the next line";
  if (action === "answer") return "answered, once; then kept";
  if (!forged) {
    const { inbox, forward } = settings.incoming;
    let last = caller === "postfix";
    try {
      if (caller === "qmail") last = await whatFollows("incoming", env, readBelowHome) === "last";
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      return `deferred: ${errorText(error)}`;
    }
    const where = last && inbox === "" && !forward ? "; the hook's line or incoming.inbox must say where" : "";
    return `delivered${mark ? ", with a mark where the hook itself delivers" : ""}${where}`;
  }
  const { spam, spam_command } = settings.incoming;
  return spam_command.length === 0 ? `filed into ${spam}` : `filed by ${spam_command[0]}`;
}

/** Tags that are shown when none of them is ours. */
const MAX_SHOWN = 16;

async function foundTags(delivery: Delivery, context: JudgeContext): Promise<FoundTag[]> {
  const out: FoundTag[] = [];
  for await (const { tag, messageId, by, identity } of returnedTags(delivery, context)) {
    const found = { tag, messageId, by, identity: identity && canonicalAddress(identity) };
    // The one that counts comes first.
    if (identity !== undefined) return [found, ...out];
    if (out.length < MAX_SHOWN) out.push(found);
  }
  return out;
}
