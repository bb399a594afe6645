/** Entries of the outbox: what is written is read as the same, and anything else is damage. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import { type OutboxEntry, parseEntry, printEntry } from "../../../outgoing/outbox/entry.ts";

const NOW = Date.parse("2026-11-28T12:00:00Z");

/** An entry with two recipients. */
const ENTRY: OutboxEntry = {
  created: NOW,
  next: NOW + 60_000,
  size: 1000,
  account: "work",
  sender: { address: parseAddress("greg@example.org"), scheme: "srs" },
  dsn: { notify: "failure", ret: "hdrs" },
  recipients: [
    { address: parseAddress("ann@example.net"), state: "waiting", reply: "", reported: false },
    { address: { local: "root", domain: "" }, state: "refused", reply: '550 5.1.1 No "x"\u00e9', reported: true },
  ],
  owner: parseAddress("greg@example.org"),
  attempts: 3,
  unreachable: true,
  hold: false,
  report: false,
};

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("an entry is read as it was written", () => {
  assert.deepEqual(parseEntry(printEntry(ENTRY)), ENTRY);
  for (const address of [null, undefined]) {
    const one: OutboxEntry = { ...ENTRY, sender: { address, scheme: "none" }, owner: undefined };
    assert.deepEqual(parseEntry(printEntry(one)), one);
  }
});

test("anything else is damage", () => {
  const good = JSON.parse(printEntry(ENTRY));
  const to = good.recipients[0];
  const bad: unknown[] = [
    null,
    [],
    "x",
    { ...good, version: 2 },
    { ...good, created: "yesterday" },
    { ...good, next: 5 },
    { ...good, size: -1 },
    { ...good, size: 1.5 },
    { ...good, attempts: "3" },
    { ...good, account: undefined },
    { ...good, sender: null },
    { ...good, sender: { address: "greg", scheme: "other" } },
    { ...good, sender: { address: "a@b, c@d", scheme: "srs" } },
    { ...good, sender: { address: "<a@b>", scheme: "srs" } },
    { ...good, dsn: [] },
    { ...good, dsn: { notify: 1 } },
    { ...good, recipients: [] },
    { ...good, recipients: {} },
    { ...good, recipients: [{ ...to, state: "lost" }] },
    { ...good, recipients: [{ ...to, address: "a@b\r\nRCPT TO:<c@d>" }] },
    { ...good, recipients: [{ ...to, reply: undefined }] },
    { ...good, recipients: [{ ...to, reported: "no" }] },
    { ...good, owner: 1 },
    { ...good, hold: 0 },
  ];
  for (const one of bad) assert.throws(() => parseEntry(JSON.stringify(one)), { kind: "data" }, JSON.stringify(one));
  for (const text of ["", "{", printEntry(ENTRY).slice(0, -10)]) {
    assert.throws(() => parseEntry(text), { kind: "data" });
  }
});
