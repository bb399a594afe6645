/** What a judgement needs to look up, and what was found. The checks return a need; the program looks it up. */
import type { Found } from "../lib/entry.ts";
import type { Identity } from "../lib/settings/identity.ts";

/** The next thing that a judgement needs. */
export type Need = MessageNeed | LookUp;

/** The message itself, because the envelope alone does not decide. */
export interface MessageNeed {
  readonly need: "message";
}

/** A lookup in the state folder. One judgement needs each kind at most once. */
export type LookUp =
  /** Whether pymsgauth has stored this token. */
  | { readonly need: "token"; readonly token: string }
  /** The ledger entries for a message that one of these identities sent, with their bodies. */
  | { readonly need: "entries"; readonly senders: readonly Identity[]; readonly messageId: string }
  /** The ledger entries for messages of these identities to these lists, without their bodies. */
  | { readonly need: "entries"; readonly senders: readonly Identity[]; readonly lists: readonly string[] }
  /** Which of these Message-IDs the identity sent. */
  | { readonly need: "sent"; readonly identity: Identity; readonly messageIds: readonly string[] };

/** The results of lookups so far. A fact that is supplied in advance is not requested. */
export interface Facts {
  readonly token?: boolean;
  /** Ledger entries, ordered by name; entries for other messages and lists are ignored. */
  readonly entries?: readonly OpenEntry[];
  /** The latest of the messages that were sent; null when there is none. */
  readonly sent?: SentMessage | null;
}

/** A ledger entry with its body. */
export interface OpenEntry extends Found {
  /** The beginning of the body as sent; undefined when no valid key of the identity decrypts it. */
  readonly body?: string | undefined;
}

/** A message in the index of sent mail. */
export interface SentMessage {
  /** The day on which it was sent, in days since 1970-01-01. */
  readonly day: number;
  /** Whether all messages that were found were sent with a tag, so that a bounce should return one. */
  readonly signed: boolean;
}

/** Returns whether a result is a need. */
export const isNeed = (one: object | string): one is Need => typeof one === "object" && "need" in one;
