import assert from "node:assert/strict";
import { queueIdIn } from "../../lib/queue_id.ts";

/** [reply, queue ID] as the servers write them */
const replies: [string, string | undefined][] = [
  ["250 2.0.0 Ok: queued as 4Z2yPq0Xq1z9sR3", "4Z2yPq0Xq1z9sR3"],
  ["250 2.0.0 Ok: queued as 9F2C81A0B3", "9F2C81A0B3"],
  ["250 OK id=1tGabc-000000001xY-2Zzz", "1tGabc-000000001xY-2Zzz"],
  ["250 2.0.0 4AS5WvQ1012345 Message accepted for delivery", "4AS5WvQ1012345"],
  ["250 2.0.0 1f9c3a7e Message accepted for delivery", "1f9c3a7e"],
  ["250 ok 1795843978 qp 4711", "4711"],
  ["250 2.0.0 OK  1795843978 d2e1a72fcca58-7243a4f5e6dsi123 - gsmtp", "d2e1a72fcca58-7243a4f5e6dsi123"],
  ["250 2.6.0 <1@x.example> [InternalId=12345678901, Hostname=a.b] Queued mail for delivery", "12345678901"],
  ["250 2.0.0 OK", undefined],
  ["250 2.0.0 Message accepted for delivery", undefined],
  ["550 5.1.1 No such user", undefined],
];
for (const [reply, name] of replies) {
  Deno.test(`the queue ID in ${reply}`, () => assert.equal(queueIdIn(reply), name));
}
