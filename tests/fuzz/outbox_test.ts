/** Entries of the outbox that were changed by hand, and replies of servers. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { text } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { type OutboxEntry, parseEntry, printEntry } from "../../outgoing/outbox/entry.ts";
import { printQueue } from "../../outgoing/outbox/list.ts";
import { afterAttempt, unsent } from "../../outgoing/outbox/progress.ts";
import { composeReport } from "../../outgoing/outbox/report.ts";
import { fuzz } from "./fuzz.ts";
import { anyText, orFail, touched, touches } from "./texts.ts";

const [ANN, GREG] = [parseAddress("ann@example.net"), parseAddress("greg@example.org")];
const NOW = new Date("2026-11-28T12:00:00Z");
const ENTRY: OutboxEntry = {
  ...{ created: NOW.getTime(), next: NOW.getTime(), size: 1000, account: "work", dsn: { ret: "hdrs" }, owner: GREG },
  ...{ attempts: 3, unreachable: true, hold: false, report: false, sender: { address: GREG, scheme: "srs" } },
  recipients: [{ address: ANN, state: "waiting", reply: "450 later", reported: false }],
};

fuzz("a damaged entry is rejected, or parsed as written", touches, (changes) => {
  const read = orFail(() => parseEntry(touched(printEntry(ENTRY), changes)), "data");
  if (read !== undefined) assert.deepEqual(parseEntry(printEntry(read)), read);
});

fuzz("no reply of a server adds a line to the queue's listing, or a field to a report", anyText, (reply) => {
  const result = { address: ANN, outcome: "temporary", reply } as const;
  const entry = afterAttempt(ENTRY, { results: [result], unreachable: false }, NOW.getTime());
  assert.deepEqual(parseEntry(printEntry(entry)), entry);
  const [, , second, third] = printQueue([{ id: "A", entry }]);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(second!, /[\x00-\x1f\x7f-\x9f]/);
  assert.equal((second!.startsWith("(") ? third : second)!.trim(), "ann@example.net");
  const { header } = parseHead(new TextEncoder().encode("From: greg@example.org\n\n"), true)!;
  const about = { owner: GREG, recipients: unsent({ recipients: [{ ...ENTRY.recipients[0]!, reply }] }), header };
  const context = { now: NOW, unique: "0", mta: "example.org" };
  const status = text(composeReport({ ...about, created: NOW }, context).body).split("--report-0\n")[2]!;
  assert.match(
    status,
    /^Content-Type: .*\nContent.*\n\nRep.*\nArr.*\n\nFinal-.*\nAction: failed\nStatus: .*\n(?:Diag.*\n)?Last-.*\n\n$/,
  );
});
