/**
 * The interface of the state of a doorbell: held messages, counters of challenges, and remembered addresses. The hook
 * and `countersign doorbell` use nothing else.
 */
import type { Standing } from "../../../incoming/doorbell/decide.ts";

/** What is stored with a held message. */
export interface HeldRecord {
  /** The address that was asked, or would be. */
  readonly address: string;
  /** The only address in From; absent when there is none or more than one. */
  readonly author?: string;
  /** The last day on which it can be confirmed. */
  readonly expires: number;
  /** The program and its arguments. */
  readonly program: readonly string[];
  /** The variables of the delivery (SENDER, RECIPIENT, …), which the program gets again. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Whether a challenge is to be sent later, was sent, or is never sent. */
export type Challenged = "later" | "sent" | "never";

/** A held message as it is listed. */
export interface HeldItem {
  readonly id: string;
  readonly state: "held" | "running" | "interrupted" | "kept";
  readonly challenged?: Challenged;
  /** When it arrived, in seconds since 1970. */
  readonly time: number;
  /** Bytes of the message. */
  readonly size: number;
}

/** A listed message with its record, or with the error because of which it cannot be read. */
export type ListedMessage =
  & HeldItem
  & ({ readonly record: HeldRecord; readonly error?: undefined } | {
    readonly record?: undefined;
    readonly error: unknown;
  });

/** A message that this process has claimed. */
export interface Claim {
  readonly id: string;
  readonly record: HeldRecord;
  /** Returns the original message, from its beginning. */
  body(): AsyncIterable<Uint8Array>;
  /** Ends the claim. `held`: it can be confirmed again; `kept`: only the administrator decides about it. */
  settle(state: "held" | "done" | "kept"): void;
}

/** An address in the list of remembered, allowed and denied addresses. */
export interface ListedAddress {
  readonly address: string;
  readonly standing: Standing;
  /** The last day, for remembered addresses. */
  readonly until?: number;
}

/** How many items were removed because they had expired. */
export interface ExpiredCounts {
  readonly held: number;
  readonly addresses: number;
}

/** Most challenges to an address within a day, and within a week. */
export const [MAX_PER_DAY, MAX_PER_WEEK] = [2, 5];
