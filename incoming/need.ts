/** What a decision needs from outside, and what was found there. The checks ask; the program looks it up and asks again. */
import type { Found } from "../lib/entry.ts";
import type { Identity } from "../lib/settings/identity.ts";

/** The one thing that a decision lacks. */
export type Need = MessageNeed | LookUp;

/** Only the envelope is known, and it does not decide. */
export interface MessageNeed {
  readonly need: "message";
}

/** What the folders of state tell. One judgement asks for each kind at most once. */
export type LookUp =
  /** Does pymsgauth hold this token? */
  | { readonly need: "token"; readonly token: string }
  /** The entries of the ledger for a message, with their bodies. */
  | { readonly need: "entries"; readonly messageId: string }
  /** The entries of the ledger for these lists; their bodies are not asked for. */
  | { readonly need: "entries"; readonly lists: readonly string[] }
  /** Which of these Message-IDs did the identity send? */
  | { readonly need: "sent"; readonly identity: Identity; readonly messageIds: readonly string[] };

/** The answers so far. What is given unasked is not asked for. */
export interface Facts {
  readonly token?: boolean;
  /** Entries of the ledger, in the order of their names; those of other messages and lists change nothing. */
  readonly entries?: readonly OpenEntry[];
  /** The latest of the messages; null when none of them was sent. */
  readonly sent?: SentMessage | null;
}

/** An entry that was found. */
export interface OpenEntry extends Found {
  /** The beginning of the body as it was sent; undefined when no valid key of the identity opens it. */
  readonly body?: string | undefined;
}

/** A message that we passed on. */
export interface SentMessage {
  /** The day on which it left, since 1970-01-01. */
  readonly day: number;
  /** Did all of them that were found leave with a tag? Then a bounce should return one. */
  readonly signed: boolean;
}

/** Is it a need, or an answer? */
export const isNeed = (one: object | string): one is Need => typeof one === "object" && "need" in one;
