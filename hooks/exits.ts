/** The table of the hook's exit statuses. */
import type { Caller } from "../incoming/delivery.ts";
import type { State } from "../incoming/doorbell/decide.ts";

/**
 * What the hook did:
 * - `go-on`: the caller delivers, as if the hook were not there
 * - `delivered`, `forwarded`, `filed` (as spam): done by the hook; nothing remains to be done
 * - `answered`: a challenge was answered, and filed according to the settings
 * - `redirected`: condredirect redirects the message
 * - `defer`: the message stays queued
 *
 * A hook never rejects: the server has accepted the message, so it would send a bounce to a sender address that anybody
 * could have forged (RFC 5321 section 6.1).
 */
export type Outcome = "go-on" | "delivered" | "forwarded" | "filed" | "answered" | "redirected" | "defer";

/** The outcomes after which nothing remains to be done. */
export const DONE: readonly Outcome[] = ["delivered", "forwarded", "filed", "answered", "redirected"];

// qmail, Postfix, maildrop and procmail all treat 75 as temporary; condredirect only 111.
// Postfix bounces on any status other than 0, 71 and 75, and nothing delivers after the hook there, so `go-on` defers.
// procmail treats 0 as "delivered", so `go-on` needs another status there. condredirect redirects on 0.
const TABLE: Record<Caller, Record<"go-on" | "done" | "defer", number>> = {
  qmail: { "go-on": 0, done: 99, defer: 75 },
  maildrop: { "go-on": 0, done: 99, defer: 75 },
  procmail: { "go-on": 10, done: 0, defer: 75 },
  postfix: { "go-on": 75, done: 0, defer: 75 },
  filter: { "go-on": 0, done: 0, defer: 75 },
  condredirect: { "go-on": 10, done: 0, defer: 111 },
};

/**
 * Returns the exit status for this caller.
 *
 * @param last whether the hook delivers last (`to "|hook --maildir …"`); maildrop then passes its status to the MTA,
 *   for which only 0 is success
 */
export function exitStatus(caller: Caller, outcome: Outcome, last: boolean): number {
  const row = TABLE[caller];
  if (outcome === "go-on" || outcome === "defer") return row[outcome];
  return caller === "maildrop" && last ? 0 : row.done;
}

/**
 * The statuses by which a doorbell without a program tells a pipeline about the sender. Under qmail the lines after it
 * are for known senders only; 99 ends the delivery, and the message is held.
 */
const STATE_TABLE: Record<State, number> = { known: 0, new: 10, mismatch: 11, expired: 12, denied: 13 };

/** Returns the exit status of a doorbell without a program. A filter has written the state into the message. */
export function stateStatus(caller: Caller, state: State): number {
  if (caller === "filter") return 0;
  if (caller === "qmail") return state === "known" ? 0 : 99;
  return STATE_TABLE[state];
}
