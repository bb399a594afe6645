/** The one table of exit statuses of the way in; nobody else knows a number. */
import type { Caller } from "../incoming/delivery.ts";

/**
 * How a hook ends:
 * - `go-on`: the caller delivers, as if the hook were not there
 * - `delivered`, `forwarded`, `filed` (as spam): the hook has done it; nothing more is to happen
 * - `answered`: a challenge was answered, and kept as the settings say
 * - `redirected`: condredirect is told to
 * - `defer`: the message stays in the queue
 *
 * A hook does not refuse: the server has accepted the message by now, so it would send a bounce, and to an address that
 * anybody could have written there (RFC 5321 section 6.1).
 */
export type Outcome = "go-on" | "delivered" | "forwarded" | "filed" | "answered" | "redirected" | "defer";

/** The outcomes after which nothing more is to happen. */
export const DONE: readonly Outcome[] = ["delivered", "forwarded", "filed", "answered", "redirected"];

// 75 is the one temporary status that qmail, Postfix, maildrop and procmail agree on; condredirect knows 111 only.
// Postfix bounces at all but 0, 71 and 75; it never delivers behind a hook, so there going on is not sure: later.
// procmail takes 0 for "delivered", so going on is another number there. condredirect redirects at 0.
const TABLE: Record<Caller, Record<"go-on" | "done" | "defer", number>> = {
  qmail: { "go-on": 0, done: 99, defer: 75 },
  maildrop: { "go-on": 0, done: 99, defer: 75 },
  procmail: { "go-on": 10, done: 0, defer: 75 },
  postfix: { "go-on": 75, done: 0, defer: 75 },
  filter: { "go-on": 0, done: 0, defer: 75 },
  condredirect: { "go-on": 10, done: 0, defer: 111 },
};

/**
 * The status for this caller.
 *
 * @param last is the hook the last deliverer (`to "|hook --maildir …"`)? Then maildrop hands its status to the MTA,
 *   to which only 0 is success.
 */
export function exitStatus(caller: Caller, outcome: Outcome, last: boolean): number {
  const row = TABLE[caller];
  if (outcome === "go-on" || outcome === "defer") return row[outcome];
  return caller === "maildrop" && last ? 0 : row.done;
}
