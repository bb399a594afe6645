/**
 * Mutated real bounces. A bounce is genuine only if it contains something that we signed, unchanged: what was signed
 * for another identity, with another key or too long ago never is.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Delivery } from "../../incoming/delivery.ts";
import type { Verdict } from "../../incoming/verdict.ts";
import type { DecideContext } from "../../io/state/lookups.ts";
import { decide } from "../../io/state/lookups.ts";
import { withResult } from "../../hooks/result_field.ts";
import { replayMessage } from "../../admin/audit/replay.ts";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";
import { messageIdReadings } from "../../lib/message_id.ts";
import { findOriginals } from "../../incoming/originals.ts";
import { field, parseHead, printHead, value, values } from "../../lib/message.ts";
import { makeProof, PROOF_FIELD } from "../../incoming/proof.ts";
import { bounceOfOurs, SAMPLES } from "../bounces.ts";
import { chair, day, joe, now, settings } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { corpus, mutated, mutations } from "./mutate.ts";

const SENT = "a-message-that-we-sent@example.net";
const CONTEXT: DecideContext = {
  settings: settings(),
  identities: [joe, chair],
  now,
  sent: (_, ids) => Promise.resolve(ids.includes(SENT) ? { day: dayOf(now), signed: true } : undefined),
};

/** The message as a hook receives it: from the null sender, to joe. */
function arrived(mail: string): Delivery {
  const bytes = encodeLatin1(mail);
  const prefix = bytes.subarray(0, PREFIX_BYTES);
  return {
    sender: null,
    recipients: ["joe@example.net"],
    prefix,
    ...parseHead(prefix, true)!,
    whole: prefix.length === bytes.length,
  };
}

/** Checks what is true of every verdict: it can be written to one field, which is the only one of its name. */
function checkVerdict({ header }: Delivery, verdict: Verdict): void {
  assert.ok(["deliver", "spam", "answer"].includes(verdict.action));
  const marked = withResult(header, verdict);
  assert.doesNotMatch(marked[0]!.raw, /[\r\n\0]/);
  assert.equal(marked.filter(({ name }) => name.toLowerCase() === PROOF_FIELD.toLowerCase()).length, 1);
  assert.deepEqual(parseHead(printHead(marked), true)!.header, marked);
}

const returning = SAMPLES.filter((name) => {
  const mail = Deno.readTextFileSync(new URL(`../samples/bounces/${name}`, import.meta.url));
  return /X-Msgauth-Tag: 0123456789abcdef/.test(mail) &&
    /^\s*Message-ID: <av_/im.test(mail.slice(mail.indexOf("\n\n")));
});
const ownBounces = await Promise.all(returning.map((name) => bounceOfOurs(name, "joe@example.net", now)));
const wrongBounces = (await Promise.all([
  ...returning.map((name) => bounceOfOurs(name, "eve@example.net", now)),
  ...returning.map((name) => bounceOfOurs(name, "chair@club.example", now)), // signed with joe's key
  ...returning.map((name) => bounceOfOurs(name, "joe@example.net", day(-31))),
  // with the tag of another message
  ...ownBounces.map((one) => {
    const other = ownBounces.find(({ messageId }) => messageId !== one.messageId)!;
    return { ...one, mail: one.mail.replaceAll(one.tag, other.tag) };
  }),
])).map(({ mail }) => mail);
const notOurs = [...wrongBounces, ...corpus];

Deno.test("The unchanged bounces get the expected verdicts", async () => {
  assert.ok(returning.length > 8);
  for (const { mail } of ownBounces) assert.equal((await decide(arrived(mail), CONTEXT)).verdict.result, "genuine");
  for (const mail of notOurs) assert.notEqual((await decide(arrived(mail), CONTEXT)).verdict.result, "genuine");
});

const number = fc.nat(10_000);
const pick = <T>(all: readonly T[], at: number): T => all[at % all.length]!;

fuzz(
  "no mutation of a bounce of other people's mail is genuine",
  fc.tuple(number, number, mutations),
  async ([at, beside, all]) => {
    const delivery = arrived(mutated(pick(notOurs, at), all, pick(notOurs, beside)));
    const { verdict } = await decide(delivery, CONTEXT);
    checkVerdict(delivery, verdict);
    // Combining two bounces may bring a tag and its Message-ID together again, which were separated above.
    if (verdict.result === "genuine") hasPair(delivery);
  },
  50,
);

/** Checks that the bounce contains one of our tags, unchanged, together with its Message-ID. */
function hasPair({ prefix, bodyStart }: Delivery): void {
  const found: [tag: string, readings: string[]][] = [];
  for (const { tag, messageId, by } of findOriginals(prefix, bodyStart)) {
    found.push([tag, messageIdReadings(messageId)]);
    if (by === "bytes") assert.ok(decodeLatin1(prefix.subarray(bodyStart)).toLowerCase().includes(tag));
  }
  assert.ok(
    ownBounces.some(({ tag, messageId }) => found.some(([other, ids]) => other === tag && ids.includes(messageId))),
    JSON.stringify(found),
  );
}

fuzz(
  "a bounce of our mail is genuine only with its tag and Message-ID unchanged",
  fc.tuple(number, number, mutations),
  async ([at, beside, all]) => {
    const delivery = arrived(mutated(pick(ownBounces, at).mail, all, pick(notOurs, beside)));
    const { verdict } = await decide(delivery, CONTEXT);
    checkVerdict(delivery, verdict);
    if (verdict.result !== "genuine") return;
    assert.equal(verdict.check, "returned-header");
    hasPair(delivery);
  },
  50,
);

const RECEIPT = `From: Ann <ann@example.org>\nSubject: Read: hello\nIn-Reply-To: <${SENT}>\nDate: x\n\nIt was read.\n`;

fuzz("a reply is known only by a Message-ID that we sent", fc.tuple(number, mutations), async ([beside, all]) => {
  const delivery = arrived(mutated(RECEIPT, all, pick(notOurs, beside)));
  const { verdict } = await decide(delivery, CONTEXT);
  checkVerdict(delivery, verdict);
  assert.notEqual(verdict.result, "genuine");
  // NULs are ignored, as in UTF-16. In an encoded text the Message-ID is not readable.
  if (verdict.result === "known" && !all.some(({ kind }) => kind === "encode" || kind === "nest")) {
    assert.ok(decodeLatin1(delivery.prefix).replace(/[\s\0]/g, "").includes(SENT));
  }
});

const fields = [
  "Message-ID: <b1@mx.example>",
  "Date: Fri, 20 Nov 2026 05:32:58 +0000",
  "From: MAILER-DAEMON@mx.example",
  "Subject: failure notice",
]
  .map((line) => field(line.split(": ")[0]!, line.slice(line.indexOf(": ") + 2)));
const PROOF = makeProof(joe, fields, now)!;
const WITH_PROOF = `${PROOF_FIELD}: ${PROOF}\n${
  fields.map(({ raw }) => raw).join("\n")
}\n\nHi. This is the qmail-send program.\n`;

fuzz(
  "a proof is accepted only for the bounce that it was made for",
  fc.tuple(number, mutations),
  async ([beside, all]) => {
    const delivery = arrived(mutated(WITH_PROOF, all, pick(notOurs, beside)));
    const { verdict } = await decide(delivery, CONTEXT);
    checkVerdict(delivery, verdict);
    if (verdict.result !== "genuine") return;
    assert.equal(verdict.check, "proof");
    assert.ok(values(delivery.header, PROOF_FIELD).includes(PROOF));
    for (const { name, raw } of fields.filter(({ name }) => name !== "From")) {
      assert.equal((value(delivery.header, name) ?? "").replace(/\s+/g, " "), raw.slice(name.length + 2));
    }
    assert.match(value(delivery.header, "From") ?? "", /mailer-daemon@mx\.example/i);
  },
);

fuzz("an audit accepts any message in a mailbox", fc.tuple(number, number, mutations), async ([at, beside, all]) => {
  const prefix = encodeLatin1(mutated(pick(notOurs, at), all, pick(notOurs, beside)));
  const stored = { prefix, whole: at % 2 === 0, sender: undefined, now, sent: () => false };
  const { result, domain, bodyStart } = await replayMessage(stored, CONTEXT.settings, CONTEXT.identities);
  if (result === "genuine") {
    // In an archive the To field counts as the recipient; the tag must still be valid.
    hasPair({ ...arrived(decodeLatin1(prefix)), bodyStart });
  }
  assert.doesNotMatch(domain, /[\r\n\0]/);
}, 50);
