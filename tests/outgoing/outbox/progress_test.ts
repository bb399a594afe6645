/** How entries change: delays, expiry, results, and clocks that were wrong. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import type { OutboxEntry, RecipientState } from "../../../outgoing/outbox/entry.ts";
import {
  afterAttempt,
  committing,
  delayAfter,
  expired,
  isDue,
  isExpired,
  isFinished,
  mayBeSent,
  type Outcome,
  reported,
  unreported,
  unsent,
} from "../../../outgoing/outbox/progress.ts";

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];
const NOW = Date.parse("2026-11-28T12:00:00Z");

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** An entry whose recipients are in these states. */
function entry(states: RecipientState[], more: Partial<OutboxEntry> = {}): OutboxEntry {
  return {
    created: NOW,
    next: NOW,
    size: 1,
    account: "",
    sender: { address: null, scheme: "none" },
    dsn: {},
    recipients: states.map((state, nth) => {
      return { address: parseAddress(`r${nth}@example.net`), state, reply: "", reported: false };
    }),
    owner: undefined,
    attempts: 0,
    unreachable: false,
    hold: false,
    report: false,
    ...more,
  };
}

const results = (...outcomes: Outcome[]) =>
  outcomes.map((outcome, nth) => ({ address: parseAddress(`r${nth}@example.net`), outcome, reply: outcome }));
const statesOf = ({ recipients }: OutboxEntry) => recipients.map(({ state }) => state);

test("delays double from one minute to four hours", () => {
  const minutes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000].map((attempts) => delayAfter(attempts) / MINUTE);
  assert.deepEqual(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240]);
});

test("an attempt is due at its time, and at once if a wrong clock set it too far ahead; never while held", () => {
  const rows: [attempts: number, ahead: number, due: boolean][] = [
    [20, -DAY, true],
    [20, 0, true],
    [20, 1, false],
    [20, 4 * HOUR, false],
    [20, 4 * HOUR + 1, true],
    [20, 900 * DAY, true],
    [0, MINUTE, false],
    [0, MINUTE + 1, true],
    [2, 2 * MINUTE, false],
    [2, 2 * MINUTE + 1, true],
  ];
  for (const [attempts, ahead, due] of rows) {
    const one = entry(["waiting"], { attempts, next: NOW + ahead });
    assert.equal(isDue(one, NOW), due, `${attempts} attempts, ${ahead} ms`);
    assert.equal(isDue({ ...one, hold: true }, NOW), false);
  }
});

test("an entry expires after five days, but not before its eighth attempt", () => {
  for (
    const [days, attempts, over] of [
      [5, 8, true],
      [4.99, 100, false],
      [5, 7, false],
      [3000, 1, false], // the clock was wrong for a moment, or the laptop was off
      [-3000, 100, false],
    ] as const
  ) assert.equal(isExpired(entry(["waiting"], { attempts }), NOW + days * DAY), over, `${days} days, ${attempts}`);
});

test("before the commit, accepted recipients become sending; after it, each gets its result", () => {
  const before = entry(["waiting", "waiting", "waiting", "waiting"]);
  const mixed = results("accepted", "temporary", "permanent", "accepted");
  const during = committing(before, mixed, NOW);
  assert.deepEqual(statesOf(during), ["sending", "waiting", "refused", "sending"]);
  assert.equal(mayBeSent(during), true);
  assert.deepEqual([during.attempts, during.next], [1, NOW + MINUTE], "an attempt, even if nothing more is noted");
  const after = afterAttempt(during, { results: mixed, unreachable: false }, NOW, before.attempts);
  assert.deepEqual(statesOf(after), ["sent", "waiting", "refused", "sent"]);
  assert.deepEqual([after.attempts, after.next], [1, NOW + MINUTE]);
  assert.deepEqual(after.recipients.map(({ reply }) => reply), ["accepted", "temporary", "permanent", "accepted"]);
  assert.deepEqual(unsent(after).map(({ address }) => address.local), ["r1"]);
  assert.deepEqual(unreported(after).map(({ address }) => address.local), ["r2"]);
  assert.equal(isFinished(after), false);
});

test("without a confirmation recipients stay sending, and are sent to again", () => {
  const after = afterAttempt(entry(["sending", "waiting"]), {
    results: results("unknown", "unknown"),
    unreachable: false,
  }, NOW);
  assert.deepEqual([statesOf(after), unsent(after).length, mayBeSent(after)], [["sending", "sending"], 2, true]);
});

test("what is sent or refused never changes any more", () => {
  const before = entry(["sent", "refused"]);
  for (const outcome of ["accepted", "temporary", "permanent", "unknown"] as const) {
    assert.deepEqual(statesOf(afterAttempt(before, { results: results(outcome, outcome), unreachable: false }, NOW)), [
      "sent",
      "refused",
    ]);
  }
});

test("addresses that differ in case are two recipients", () => {
  const [one] = entry(["waiting"]).recipients;
  const both = entry([], { recipients: [one!, { ...one!, address: { local: "R0", domain: "example.net" } }] });
  const accepted = { address: { local: "R0", domain: "example.net" }, outcome: "accepted", reply: "" } as const;
  const after = afterAttempt(both, { results: [accepted], unreachable: false }, NOW);
  assert.deepEqual(statesOf(after), ["waiting", "sent"]);
});

test("an entry is finished when all is sent, or refused and reported", () => {
  assert.equal(isFinished(entry(["sent", "sent"])), true);
  const given = expired(entry(["sent", "waiting", "sending"]));
  assert.deepEqual([statesOf(given), isFinished(given)], [["sent", "refused", "refused"], false]);
  assert.equal(isFinished(reported(given)), true);
});
