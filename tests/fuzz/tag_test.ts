/** Tags, and proofs on forwarded bounces. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddressList } from "../../lib/address.ts";
import { field, type Header, value } from "../../lib/message.ts";
import { hasProof, makeProof, PROOF_FIELD } from "../../incoming/proof.ts";
import { messageIdReadings, signedMessageId } from "../../lib/message_id.ts";
import { signTag, verifyTag } from "../../lib/tag.ts";
import { chair, day, joe, now } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { anyText, orFail, piecesOf, touched, touches } from "./texts.ts";
import { randomNonce } from "../random.ts";

const KINDS = ["not-tag", "no-secret", "tag-invalid", "tag-expired"] as const;
const FIELDS = ["address", "id", "tag", "key", "none"] as const;
const secrets = { k1: "a secret", k2: "another" };
const accepted = (...args: Parameters<typeof verifyTag>): true => {
  verifyTag(...args);
  return true;
};
const isValid = (tag: string, address: string, id: string, when = now) =>
  orFail(() => accepted(tag, address, id, { secrets, now: when }), ...KINDS);

fuzz(
  "a tag is valid for its address and Message-ID until its last day, and for nothing else",
  fc.tuple(anyText, anyText, fc.nat(60), fc.constantFrom(...FIELDS), touches),
  ([address, id, lifetime, changed, touch]) => {
    const signing = () => signTag(address, id, { key: "k1", secret: secrets.k1, lifetime, now, nonce: randomNonce() });
    const signed = orFail(() => signedMessageId(id), "data");
    if (signed === undefined) return void assert.throws(signing, { kind: "data" });
    const tag = signing();
    const covers = (other: string) => messageIdReadings(other).some((one) => sameText(one, signed));
    assert.match(tag, /^v1\.[a-z0-9.]{1,66}$/);
    for (const one of [0, lifetime]) assert.equal(isValid(tag, address, id, day(one)), true);
    assert.equal(isValid(tag, address, id, day(lifetime + 1)), undefined);
    const [other, otherId, otherTag] = [touched(address, touch), touched(id, touch), touched(tag, touch)];
    if (changed === "address") {
      assert.equal(isValid(tag, other, id) === true, sameText(other.toLowerCase(), address.toLowerCase()));
    } else if (changed === "id") {
      assert.equal(isValid(tag, address, otherId) === true, covers(otherId));
    } else if (changed === "tag") assert.equal(isValid(otherTag, address, id) === true, otherTag.trim() === tag);
    else if (changed === "key") {
      const crossed = { secrets: { k1: secrets.k2, k2: secrets.k1 }, now };
      assert.equal(orFail(() => accepted(tag, address, id, crossed), ...KINDS), undefined);
      assert.equal(isValid(tag.replace(".k1.", ".k2."), address, id), undefined);
    } else if (!sameText(address.toLowerCase(), id.toLowerCase()) || !covers(address)) {
      assert.equal(isValid(tag, id, address), undefined);
    }
  },
);

/** Compares texts as UTF-8, where every lone surrogate becomes U+FFFD. */
const sameText = (a: string, b: string) => a.toWellFormed() === b.toWellFormed();

const shapes = piecesOf(
  ["v1.", "k1", ".", "20800", "a".repeat(8), "b".repeat(26), "0", "constructor", "__proto__"],
  10,
);

fuzz("no text is a valid tag unless it was signed", fc.oneof(shapes, anyText), (text) => {
  assert.equal(isValid(text, "joe@example.net", "1@example.net"), undefined);
});

const lines = anyText.map((text) => text.slice(0, 200));
const bounce = fc.record({ id: lines, date: lines, from: lines, subject: lines }, { noNullPrototype: true });
const headerOf = (one: { id: string; date: string; from: string; subject: string }, proof: string): Header => [
  field(PROOF_FIELD, proof),
  field("Message-ID", one.id),
  field("Date", one.date),
  field("From", one.from),
  field("Subject", one.subject),
];
/** What a proof covers: the fields with white space collapsed, and the first address of From. */
function covered(header: Header): string[] {
  const [id, date, from, subject] = ["Message-ID", "Date", "From", "Subject"].map((name) =>
    value(header, name)!.replace(/\s+/g, " ")
  );
  let author = from!;
  try {
    const [first] = parseAddressList(from!, { bare: true });
    if (first?.address) author = `${first.address.local}@${first.address.domain}`.toLowerCase();
  } catch {
    // Then the text itself is covered.
  }
  return [id!, date!, author, subject!];
}

fuzz(
  "a proof is valid for its bounce and identity, and for nothing else",
  fc.tuple(bounce, fc.constantFrom("id", "date", "from", "subject", "proof"), touches),
  ([given, changed, touch]) => {
    const proof = makeProof(joe, headerOf(given, ""), now)!;
    const header = headerOf(given, proof);
    assert.equal(hasProof(joe, header, now), true);
    assert.equal(hasProof(joe, header, day(10)), true);
    assert.equal(hasProof(joe, header, day(11)), false);
    assert.equal(hasProof(chair, header, now), false);
    assert.equal(hasProof({ ...joe, address: chair.address }, header, now), false);
    if (changed === "proof") {
      const other = headerOf(given, touched(proof, touch));
      assert.equal(hasProof(joe, other, now), value(other, PROOF_FIELD) === proof);
    } else {
      const other = headerOf({ ...given, [changed]: touched(given[changed], touch) }, proof);
      const same = JSON.stringify(covered(other)) === JSON.stringify(covered(header));
      assert.equal(hasProof(joe, other, now), same);
    }
  },
);
