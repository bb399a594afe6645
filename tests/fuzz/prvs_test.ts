/** prvs addresses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { lower } from "../../lib/bytes.ts";
import { prvsSign, prvsVerify } from "../../lib/prvs.ts";
import { day, now } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { anyText, orFail, piecesOf, touched, touches } from "./texts.ts";

const KINDS = ["no-at", "not-prvs", "no-secret", "hash-invalid", "stamp-expired"] as const;
const locals = fc.string({ unit: fc.constantFrom(...'abcXYZ019.+-_=/"\u00fc@ '), minLength: 1, maxLength: 20 });
const delimiters = fc.constantFrom("", "-", "+", "/");
const made = fc.record({
  local: locals,
  keyNumber: fc.nat(9),
  lifetime: fc.integer({ min: 1, max: 499 }),
  delimiter: delimiters,
  secret: fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
}, { noNullPrototype: true });

fuzz(
  "prvsVerify returns what was signed on every day of its lifetime and on no other",
  fc.tuple(made, fc.nat(3000), fc.nat(999)),
  ([{ local, secret, ...form }, first, age]) => {
    const address = `${local}@example.org`;
    const signed = prvsSign(address, { ...form, secret, now: day(first) });
    const secrets = { [form.keyNumber]: ["another", secret] };
    const read = orFail(
      () => prvsVerify(signed, { secrets, lifetime: form.lifetime, now: day(first + age) }),
      ...KINDS,
    );
    assert.equal(read, age <= form.lifetime ? address : undefined);
    const other = { [form.keyNumber]: "another" };
    assert.equal(
      orFail(() => prvsVerify(signed, { ...form, secrets: other, now: day(first) }), ...KINDS),
      undefined,
    );
  },
);

fuzz(
  "a changed prvs address is valid only if its case or delimiter changed",
  fc.tuple(made, touches),
  ([form, touch]) => {
    const address = `${form.local}@example.org`;
    const signed = prvsSign(address, { ...form, now });
    const changed = touched(signed, touch);
    const read = orFail(
      () => prvsVerify(changed, { lifetime: form.lifetime, secrets: { [form.keyNumber]: form.secret }, now }),
      ...KINDS,
    );
    if (read === undefined) return;
    assert.equal(lower(read), lower(address), changed);
    assert.ok(lower(changed).endsWith("@example.org"), changed);
  },
);

const pieces = piecesOf(["prvs=", "0123", "abcdef", "=", "-", "@", "example.org", "joe", "00000000ab"], 10);

fuzz("no text is a valid prvs address unless it was signed", fc.oneof(pieces, anyText), (text) => {
  assert.equal(orFail(() => prvsVerify(text, { secrets: { 0: "a secret" }, now }), ...KINDS), undefined);
});
