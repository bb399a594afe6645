/** What a judgement asks for: each thing once, in which order, and nothing that no check needs. */
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

/** Asks until it is decided, as a program does. */
function ask(given: Delivery, with_: JudgeContext, answers: Facts): { asked: Need[]; result: string } {
  const asked: Need[] = [];
  for (let facts: Facts = {};;) {
    const judged = judge(given, with_, facts);
    if (!isNeed(judged)) return { asked, result: judged.verdict.result };
    asked.push(judged);
    assert.ok(asked.length < 5, "it asks again for what it was told");
    assert.ok(!Object.hasOwn(facts, judged.need), `it asks for ${judged.need} twice`);
    const answer = answers[judged.need];
    assert.notEqual(answer, undefined, `it asks for ${judged.need}`);
    facts = { ...facts, [judged.need]: answer };
  }
}

interface Row {
  readonly what: string;
  readonly sender: Delivery["sender"];
  readonly to: string;
  readonly mail: string;
  readonly answers?: boolean;
  readonly facts?: Facts;
  readonly asked: readonly string[];
  readonly result: string;
  /** What the envelope alone gives, where challenges are answered and where they are not. */
  readonly envelope: readonly [answering: string, otherwise: string];
}
const signed = signedAddress(greg);
const sent = { day: dayOf(day(-1)), signed: false };
const ROWS: readonly Row[] = [
  {
    what: "a double bounce",
    ...{ sender: "#@[]", to: GREG, mail: NAMED, asked: [], result: "other", envelope: ["other", "other"] },
  },
  {
    what: "a wrong address in the SRS domain",
    ...{ sender: null, to: WRONG, mail: NAMED, answers: true, asked: [], result: "forged" },
    envelope: ["forged", "forged"],
  },
  {
    what: "a valid signed address",
    ...{ sender: null, to: signed, mail: NAMED, answers: true, asked: [], result: "genuine" },
    envelope: ["message", "genuine"],
  },
  {
    what: "a person's letter",
    ...{ sender: "jo@b.example", to: GREG, mail: LETTER, answers: true, asked: [], result: "other" },
    envelope: ["message", "other"],
  },
  {
    what: "a bounce to somebody else",
    ...{ sender: null, to: "ann@example.org", mail: NAMED, asked: [], result: "other", envelope: ["message", "other"] },
  },
  {
    what: "a bounce that returns our tag",
    ...{ sender: null, to: GREG, mail: RETURNED, asked: [], result: "genuine", envelope: ["message", "message"] },
  },
  {
    what: "a bounce that names nothing",
    ...{ sender: null, to: GREG, mail: `${FROM}\nsorry\n`, asked: [], result: "forged" },
    envelope: ["message", "message"],
  },
  {
    what: "a bounce that names what was sent",
    ...{ sender: null, to: GREG, mail: NAMED, facts: { sent }, asked: ["sent"], result: "known" },
    envelope: ["message", "message"],
  },
  {
    what: "a bounce that names what was not sent",
    ...{ sender: null, to: GREG, mail: NAMED, facts: { sent: null }, asked: ["sent"], result: "forged" },
    envelope: ["message", "message"],
  },
];

for (const { what, sender, to, mail, answers = false, facts = {}, asked, result, envelope } of ROWS) {
  Deno.test(`${what} asks for ${asked.join(", ") || "nothing"}`, { permissions: "none" }, () => {
    const one = delivery(sender, to, mail);
    const with_ = { ...context(ANSWERING), answers };
    const found = ask(one, with_, facts);
    assert.deepEqual([found.asked.map(({ need }) => need), found.result], [asked, result]);
    const unasked = judge(one, with_, { sent: null, entries: [], token: false, ...facts });
    assert.equal("verdict" in unasked && unasked.verdict.result, result, "facts given up front cost no question");
    for (const [nth, answering] of [true, false].entries()) {
      const early = judge({ sender, recipients: [to] }, { ...with_, answers: answering });
      assert.equal(isNeed(early) ? early.need : early.verdict.result, envelope[nth], "at RCPT");
    }
  });
}

Deno.test("a challenge asks for the entries of its message once, and for nothing where none is answered", async () => {
  const challenge = await genuine("qsecretary-challenge");
  const with_ = { settings: settings(), identities: [joe], now, answers: true };
  const one = toJoe(challenge.mail);
  const first = judge(one, with_);
  const messageId = challenge.sent.entries[0]!.messageId;
  assert.deepEqual(first, { need: "entries", messageId });
  const { result, asked } = ask(one, with_, { entries: [], sent: null });
  assert.equal(asked.filter(({ need }) => need === "entries").length, 1);
  assert.notEqual(result, "challenge");
  const [entry] = challenge.sent.entries;
  const others = [{ ...entry!, messageId: "other@example.net" }, { ...entry!, list: "other@example.net" }];
  for (const wrong of others) {
    const entries = [{ name: "x", state: "issued" as const, entry: wrong }];
    assert.notEqual(ask(one, with_, { entries, sent: null }).result, "challenge", "an entry of something else");
  }
  const late = [{ name: "x", state: "issued" as const, entry: { ...entry!, expires: dayOf(now) - LEDGER_DAYS } }];
  assert.notEqual(ask(one, with_, { entries: late, sent: null }).result, "challenge");
  const silent = ask(one, { ...with_, answers: false }, { sent: null }).asked;
  assert.ok(silent.every(({ need }) => need !== "entries"));
});
