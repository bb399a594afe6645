/** Looks up what a judgement needs in the state. Read-only. */
import type { LedgerView } from "../../lib/entry.ts";
import { type Identity, identityOf } from "../../lib/settings/identity.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import type { Caller, Delivery } from "../../incoming/delivery.ts";
import { judge } from "../../incoming/judge.ts";
import { type Facts, isNeed, type LookUp, type OpenEntry, type SentMessage } from "../../incoming/need.ts";
import type { JudgeContext, Judgement } from "../../incoming/verdict.ts";
import { holdsToken } from "./pymsgauth.ts";
import { openBody } from "./seal.ts";
import { ledgerOf, sentOf } from "./stores.ts";

/** The stores for lookups. Without a ledger no challenge is answered; without an index no message is known as sent. */
export interface Stores {
  readonly ledger?: LedgerView;
  /** Returns whether pymsgauth has stored this token. */
  readonly token?: (token: string) => boolean;
  readonly sent?: SentView;
}

/**
 * Looks up Message-IDs, at most 20 of them.
 *
 * @returns the latest of those that this identity sent; `signed` is false if any of them left without a tag
 */
export type SentView = (
  identity: Identity,
  messageIds: readonly string[],
) => Promise<SentMessage | undefined> | SentMessage | undefined;

/** What a program judges with. Challenges can be answered if there is a ledger. */
export type DecideContext = Omit<JudgeContext, "answers"> & Stores;

/** Returns the stores for this caller. A filter does not answer challenges, so it has no ledger. */
export function storesFor(caller: Caller, settings: Settings, now: Date): Stores {
  const sent = sentOf(settings, now);
  if (caller === "filter") return { sent };
  const { find } = ledgerOf(settings);
  return { sent, ledger: { find }, token: (text) => holdsToken(settings.tag.pymsgauth, text) };
}

/**
 * Judges a delivery. Reads only what the checks need.
 *
 * @throws {Fail} `temporary` when a store cannot be read
 */
export async function decide(delivery: Delivery, context: DecideContext): Promise<Judgement> {
  const asking: JudgeContext = { ...context, answers: context.ledger !== undefined };
  for (let facts: Facts = {};;) {
    const judged = judge(delivery, asking, facts);
    if (!isNeed(judged)) return judged;
    facts = { ...facts, ...await lookUp(judged, context) };
  }
}

async function lookUp(asked: LookUp, context: DecideContext): Promise<Facts> {
  switch (asked.need) {
    case "token":
      return { token: context.token?.(asked.token) ?? false };
    case "sent":
      return { sent: await context.sent?.(asked.identity, asked.messageIds) ?? null };
    case "entries":
      return { entries: await entriesFor(asked, context) };
  }
}

/** Finds entries, and decrypts each body with the keys of the identity that sent the message if one was asked for. */
async function entriesFor(asked: LookUp & { need: "entries" }, context: DecideContext): Promise<OpenEntry[]> {
  const { ledger, identities, now } = context;
  const entries: OpenEntry[] = [];
  if ("lists" in asked) {
    for (const list of asked.lists) entries.push(...await ledger?.find({ list }, asked.senders) ?? []);
    return entries;
  }
  for (const found of await ledger?.find({ messageId: asked.messageId }, asked.senders) ?? []) {
    const identity = identityOf(identities, found.entry.from);
    entries.push({ ...found, body: identity && await openBody(found.entry, identity, now) });
  }
  return entries;
}
