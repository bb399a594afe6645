/** The needs that judge() returns: each at most once, and none that no check requires. */
import assert from "node:assert/strict";
import type { Delivery } from "../../incoming/delivery.ts";
import { judge } from "../../incoming/judge.ts";
import { type Facts, isNeed, type Need } from "../../incoming/need.ts";
import type { JudgeContext } from "../../incoming/verdict.ts";
import { dayOf } from "../../lib/date.ts";
import { LEDGER_DAYS } from "../../lib/entry.ts";
import { signTag } from "../../lib/tag.ts";
import { context, day, delivery, greg, now, signedAddress } from "../judging.ts";
import { delivery as toJoe, genuine, joe, settings } from "../challenges.ts";
import { randomNonce } from "../random.ts";

const GREG = "greg@example.org";
const ANSWERING = `[challenge]\nanswer = true\nlists = ["*@lists.example.org"]\n`;
const WRONG = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
const FROM = "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n";
const NAMED = `${FROM}In-Reply-To: <1@example.org>\n\nsorry\n`;
const LETTER = "From: jo@b.example\nSubject: Hello\n\nHow are you?\n";
const tag = signTag(GREG, "<1@example.org>", {
  key: "k1",
  secret: greg.keys[0]!.secret,
  now,
  nonce: randomNonce(),
});
const RETURNED = `${FROM}\n--- Below\n\nMessage-ID: <1@example.org>\nX-Msgauth: ${tag}\n\n`;

/** Calls judge() with the requested facts until it returns a verdict, as a program does. */
function decide(received: Delivery, context: JudgeContext, available: Facts): { needs: Need[]; result: string } {
  const needs: Need[] = [];
  for (let facts: Facts = {};;) {
    const judged = judge(received, context, facts);
    if (!isNeed(judged)) return { needs, result: judged.verdict.result };
    needs.push(judged);
    assert.ok(needs.length < 5, "too many needs");
    assert.ok(!Object.hasOwn(facts, judged.need), `it needs ${judged.need} twice`);
    const fact = available[judged.need];
    assert.notEqual(fact, undefined, `unexpected need ${judged.need}`);
    facts = { ...facts, [judged.need]: fact };
  }
}

interface Row {
  readonly what: string;
  readonly sender: Delivery["sender"];
  readonly to: string;
  readonly mail: string;
  readonly answers?: boolean;
  readonly facts?: Facts;
  readonly needs: readonly string[];
  readonly result: string;
  /** The result or need for the envelope alone, with challenges answered and not answered. */
  readonly envelope: readonly [answering: string, otherwise: string];
}
const signed = signedAddress(greg);
const sent = { day: dayOf(day(-1)), signed: false };
const ROWS: readonly Row[] = [
  {
    what: "a double bounce",
    ...{ sender: "#@[]", to: GREG, mail: NAMED, needs: [], result: "other", envelope: ["other", "other"] },
  },
  {
    what: "a wrong address in the SRS domain",
    ...{ sender: null, to: WRONG, mail: NAMED, answers: true, needs: [], result: "forged" },
    envelope: ["forged", "forged"],
  },
  {
    what: "a valid signed address",
    ...{ sender: null, to: signed, mail: NAMED, answers: true, needs: [], result: "genuine" },
    envelope: ["message", "genuine"],
  },
  {
    what: "a person's letter",
    ...{ sender: "jo@b.example", to: GREG, mail: LETTER, answers: true, needs: [], result: "other" },
    envelope: ["message", "other"],
  },
  {
    what: "a bounce to somebody else",
    ...{ sender: null, to: "ann@example.org", mail: NAMED, needs: [], result: "other", envelope: ["message", "other"] },
  },
  {
    what: "a bounce that returns our tag",
    ...{ sender: null, to: GREG, mail: RETURNED, needs: [], result: "genuine", envelope: ["message", "message"] },
  },
  {
    what: "a bounce that names no message",
    ...{ sender: null, to: GREG, mail: `${FROM}\nsorry\n`, needs: [], result: "forged" },
    envelope: ["message", "message"],
  },
  {
    what: "a bounce that names a sent message",
    ...{ sender: null, to: GREG, mail: NAMED, facts: { sent }, needs: ["sent"], result: "known" },
    envelope: ["message", "message"],
  },
  {
    what: "a bounce that names a message that was not sent",
    ...{ sender: null, to: GREG, mail: NAMED, facts: { sent: null }, needs: ["sent"], result: "forged" },
    envelope: ["message", "message"],
  },
];

for (const { what, sender, to, mail, answers = false, facts = {}, needs, result, envelope } of ROWS) {
  Deno.test(`${what} needs ${needs.join(", ") || "nothing"}`, { permissions: "none" }, () => {
    const received = delivery(sender, to, mail);
    const given = { ...context(ANSWERING), answers };
    const found = decide(received, given, facts);
    assert.deepEqual([found.needs.map(({ need }) => need), found.result], [needs, result]);
    const complete = judge(received, given, { sent: null, entries: [], token: false, ...facts });
    assert.equal(
      "verdict" in complete && complete.verdict.result,
      result,
      "facts given in advance are not needed again",
    );
    for (const [nth, answering] of [true, false].entries()) {
      const early = judge({ sender, recipients: [to] }, { ...given, answers: answering });
      assert.equal(isNeed(early) ? early.need : early.verdict.result, envelope[nth], "at RCPT");
    }
  });
}

Deno.test("a challenge needs the entries of its message once, and nothing if challenges are not answered", async () => {
  const challenge = await genuine("qsecretary-challenge");
  const given = { settings: settings(), identities: [joe], now, answers: true };
  const received = toJoe(challenge.mail);
  const first = judge(received, given);
  const messageId = challenge.sent.entries[0]!.messageId;
  assert.deepEqual(first, { need: "entries", senders: [joe], messageId });
  const { result, needs } = decide(received, given, { entries: [], sent: null });
  assert.equal(needs.filter(({ need }) => need === "entries").length, 1);
  assert.notEqual(result, "challenge");
  const [entry] = challenge.sent.entries;
  const others = [{ ...entry!, messageId: "other@example.net" }, { ...entry!, list: "other@example.net" }];
  for (const wrong of others) {
    const entries = [{ name: "x", state: "issued" as const, entry: wrong }];
    assert.notEqual(
      decide(received, given, { entries, sent: null }).result,
      "challenge",
      "an entry of another message or list",
    );
  }
  const late = [{ name: "x", state: "issued" as const, entry: { ...entry!, expires: dayOf(now) - LEDGER_DAYS } }];
  assert.notEqual(decide(received, given, { entries: late, sent: null }).result, "challenge");
  const notAnswering = decide(received, { ...given, answers: false }, { sent: null }).needs;
  assert.ok(notAnswering.every(({ need }) => need !== "entries"));
});
