/** The listing of the outbox, as `postqueue -p` and `mailq` print it. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import type { OutboxEntry, OutboxRecipient } from "../../../outgoing/outbox/entry.ts";
import { printQueue } from "../../../outgoing/outbox/list.ts";

const recipient = (address: string, reply = "", state: OutboxRecipient["state"] = "waiting"): OutboxRecipient => (
  { address: parseAddress(address), state, reply, reported: false }
);
const entry = (address: OutboxEntry["sender"]["address"], ...recipients: OutboxRecipient[]): OutboxEntry => ({
  ...{ created: new Date(2026, 10, 8, 9, 5, 7).getTime(), next: 0, size: 1000, account: "", dsn: {}, owner: undefined },
  ...{ attempts: 1, unreachable: false, hold: false, report: false, sender: { address, scheme: "none" }, recipients },
});
const HEADING = "-Queue ID-      --Size-- ----Arrival Time---- -Sender/Recipient-------";
const to = (address: string) => " ".repeat(46) + address;

Deno.test("the listing of an empty queue", () => assert.deepEqual(printQueue([]), ["Mail queue is empty"]));

Deno.test("the listing names sender, size and recipients of each message, and each reply once", () => {
  const greg = parseAddress("greg@example.org");
  const later = "450 later";
  const waiting = entry(greg, recipient("a@b", later), recipient("c@d", later), recipient("e@f", "451 no"));
  assert.deepEqual(printQueue([{ id: "A1", entry: waiting }]), [
    HEADING,
    "A1                 1000 Sun Nov  8 09:05:07  greg@example.org",
    `(${later})`,
    to("a@b"),
    to("c@d"),
    "(451 no)",
    to("e@f"),
    "",
    "-- 1 Kbytes in 1 Request.",
  ]);
  const held = { ...entry(null, recipient("a@b")), hold: true };
  assert.deepEqual(printQueue([{ id: "A1", entry: held }, { id: "A2", entry: entry(undefined, recipient("c@d")) }]), [
    HEADING,
    "A1!                1000 Sun Nov  8 09:05:07  MAILER-DAEMON",
    to("a@b"),
    "",
    "A2                 1000 Sun Nov  8 09:05:07  (unknown)",
    to("c@d"),
    "",
    "-- 2 Kbytes in 2 Requests.",
  ]);
});
