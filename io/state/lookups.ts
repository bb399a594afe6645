/** Answers what a judgement asks for from the folders of state. Looking changes nothing. */
import type { LedgerView } from "../../lib/entry.ts";
import { type Identity, identityOf } from "../../lib/settings/identity.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import type { Caller, Delivery } from "../../incoming/delivery.ts";
import { judge } from "../../incoming/judge.ts";
import { type Facts, isNeed, type LookUp, type OpenEntry, type SentMessage } from "../../incoming/need.ts";
import type { JudgeContext, Judgement } from "../../incoming/verdict.ts";
import { fileLedger } from "./ledger.ts";
import { holdsToken } from "./pymsgauth.ts";
import { openBody } from "./seal.ts";
import { sentIndex } from "./sent.ts";

/** What can be looked at. Without a ledger no challenge is answered; without an index nothing was sent. */
export interface Stores {
  readonly ledger?: LedgerView;
  /** Does pymsgauth hold this token? */
  readonly token?: (token: string) => boolean;
  readonly sent?: SentView;
}

/**
 * Looks up Message-IDs, at most 20 of them.
 *
 * @returns the latest of those that this identity sent; not `signed` where any of them left without a tag
 */
export type SentView = (
  identity: Identity,
  messageIds: readonly string[],
) => Promise<SentMessage | undefined> | SentMessage | undefined;

/** What a program judges with: whether challenges can be answered, its ledger tells. */
export type DecideContext = Omit<JudgeContext, "answers"> & Stores;

/** The stores for this caller: a filter answers no challenge, so it has no ledger. */
export function storesFor(caller: Caller, settings: Settings, now: Date): Stores {
  const sent = sentIndex(`${settings.state.folder}/sent`, now);
  if (caller === "filter") return { sent };
  const { find } = fileLedger(`${settings.state.folder}/ledger`);
  return { sent, ledger: { find }, token: (text) => holdsToken(settings.tag.pymsgauth, text) };
}

/**
 * Judges a delivery: only what a check needs is read.
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
      return {
        entries: "lists" in asked ? await ofLists(asked.lists, context) : await ofMessage(asked.messageId, context),
      };
  }
}

async function ofLists(lists: readonly string[], { ledger }: Stores): Promise<OpenEntry[]> {
  const entries: OpenEntry[] = [];
  for (const list of lists) entries.push(...await ledger?.find({ list }) ?? []);
  return entries;
}

/** A body is opened with the keys of the identity that sent it. */
async function ofMessage(messageId: string, context: DecideContext): Promise<OpenEntry[]> {
  const entries: OpenEntry[] = [];
  for (const found of await context.ledger?.find({ messageId }) ?? []) {
    const identity = identityOf(context.identities, found.entry.from);
    entries.push({ ...found, body: identity && await openBody(found.entry, identity, context.now) });
  }
  return entries;
}
