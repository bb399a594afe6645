import assert from "node:assert/strict";
import fc from "fast-check";
import { base32, utf8 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import { Fail } from "../../lib/fail.ts";
import { hmac, purposeMac } from "../../lib/hmac.ts";
import { bareMessageId, signedMessageId } from "../../lib/message_id.ts";
import { signTag, TAG_FIELD, TagVerifier, verifyTag } from "../../lib/tag.ts";
import { SECRET } from "../rig.ts";
import { randomNonce } from "../random.ts";

// A fixed seed makes failures reproducible; `deno task fuzz` explores new cases.
fc.configureGlobal({ seed: 1 });

const ADDRESS = "greg@example.org";
const ID = "<20261120053258.4711@example.org>";
const NOW = new Date("2026-11-20T05:32:58Z");
const secrets = { k1: SECRET };
const sign = (lifetime?: number) =>
  signTag(ADDRESS, ID, {
    key: "k1",
    secret: SECRET,
    now: NOW,
    ...(lifetime !== undefined && { lifetime }),
    nonce: randomNonce(),
  });
const days = (count: number) => new Date(NOW.getTime() + count * 86_400_000);

Deno.test("Property: signed tags verify", () => {
  const texts = fc.string({ unit: "binary" });
  fc.assert(fc.property(texts, texts, fc.uint8Array({ minLength: 1 }), (address, id, secret) => {
    const signing = () => signTag(address, id, { key: "k1", secret, now: NOW, nonce: randomNonce() });
    if (!canBeSigned(id)) return void assert.throws(signing, { kind: "data" });
    const tag = signing();
    verifyTag(tag, address, id, { secrets: { k1: secret }, now: NOW });
    verifyTag(` ${tag}\t`, address, id, { secrets: { k1: secret }, now: NOW });
  }));
});

function canBeSigned(id: string): boolean {
  try {
    signedMessageId(id);
    return true;
  } catch {
    return false;
  }
}

/** Every text that differs in one character: replaced, deleted or inserted. */
function* variants(text: string): Generator<string> {
  for (let at = 0; at <= text.length; at++) {
    for (const one of "a2z.@<>X0 =") {
      if (at < text.length && text[at] !== one) yield text.slice(0, at) + one + text.slice(at + 1);
      yield text.slice(0, at) + one + text.slice(at);
    }
    if (at < text.length) yield text.slice(0, at) + text.slice(at + 1);
  }
}

function rejects(tag: string, address: string, id: string): void {
  const what = JSON.stringify([tag, address, id]);
  assert.throws(() => verifyTag(tag, address, id, { secrets, now: NOW }), Fail, what);
}

Deno.test("One changed character of the tag is rejected", () => {
  const tag = sign();
  let count = 0;
  for (const other of new Set(variants(tag))) {
    if (other.trim() === tag) continue;
    rejects(other, ADDRESS, ID);
    count++;
  }
  assert.ok(count > 10 * tag.length);
});

Deno.test("One changed character of the address is rejected", () => {
  const tag = sign();
  for (const other of new Set(variants(ADDRESS))) {
    if (other.toLowerCase() !== ADDRESS) rejects(tag, other, ID);
  }
});

Deno.test("One changed character of the Message-ID is rejected", () => {
  const tag = sign();
  // Only the text between the angle brackets counts, without surrounding blanks.
  for (const other of new Set(variants(ID))) {
    if (bareMessageId(other) !== bareMessageId(ID)) rejects(tag, ADDRESS, other);
  }
  for (const same of [` ${ID}`, `${ID} (comment)`, ID.slice(1, -1), `\t< ${ID.slice(1, -1)} >`]) {
    verifyTag(tag, ADDRESS, same, { secrets, now: NOW });
  }
});

Deno.test("The case of the address is ignored, that of the tag is not", () => {
  const tag = sign();
  verifyTag(tag, ADDRESS.toUpperCase(), ID, { secrets, now: NOW });
  const upper = () => verifyTag(tag.toUpperCase(), ADDRESS, ID, { secrets, now: NOW });
  assert.throws(upper, { kind: "not-tag" });
  assert.equal(tag, tag.toLowerCase());
});

Deno.test("Text cannot be moved from one field of a tag to the next", () => {
  const [address, id] = ["greg@example.org1", "2@example.org"];
  const tag = signTag(address, `<${id}>`, { key: "k1", secret: SECRET, now: NOW, nonce: randomNonce() });
  verifyTag(tag, address, id, { secrets, now: NOW });
  rejects(tag, address.slice(0, -1), `1${id}`);
});

Deno.test("A tag is valid to the end of its last day, and not on the next", () => {
  for (const lifetime of [0, 1, 30, 400]) {
    const tag = sign(lifetime);
    const verify = (now: Date) => verifyTag(tag, ADDRESS, ID, { secrets, now });
    const last = new Date((dayOf(NOW) + lifetime + 1) * 86_400_000 - 1);
    verify(NOW);
    verify(days(lifetime));
    verify(last);
    assert.throws(() => verify(new Date(last.getTime() + 1)), { kind: "tag-expired" }, `${lifetime}`);
  }
  assert.equal(sign().split(".")[2], String(dayOf(NOW) + 30), "30 days by default");
});

Deno.test("The expiry cannot be changed to a later day", () => {
  const tag = sign();
  const [version, key, expiry, nonce, mac] = tag.split(".");
  for (const other of [Number(expiry) + 1, `0${expiry}`, "999999"]) {
    rejects([version, key, other, nonce, mac].join("."), ADDRESS, ID);
  }
});

Deno.test("With the longest key id the field is still shorter than 70 characters and contains no =", () => {
  for (const now of [NOW, new Date("2400-01-01")]) {
    const tag = signTag(ADDRESS, ID, { key: "abcdefg8", secret: SECRET, now, nonce: randomNonce() });
    const line = `${TAG_FIELD}: ${tag}`;
    assert.ok(line.length < 70, line);
    assert.match(tag, /^v1\.[a-z0-9.]+$/);
    verifyTag(tag, ADDRESS, ID, { secrets: { abcdefg8: SECRET }, now });
  }
});

Deno.test("A tag has the documented format", () => {
  assert.equal(TAG_FIELD, "X-Msgauth");
  const nonce = "abcdefg7";
  for (const [key, lifetime] of [["k1", 30], ["9", 0], ["z0000009", 400]] as const) {
    const expiry = String(dayOf(NOW) + lifetime);
    const mac = purposeMac(SECRET, "tag", [ADDRESS, ID.slice(1, -1), nonce, expiry]);
    const tag = signTag(ADDRESS, ID, { key, secret: SECRET, now: NOW, lifetime, nonce });
    assert.equal(tag, `v1.${key}.${expiry}.${nonce}.${base32(mac.subarray(0, 16))}`);
    verifyTag(tag, ADDRESS, ID, { secrets: { [key]: SECRET }, now: NOW });
  }
});

Deno.test("The day of expiry has one to six digits", () => {
  const made = (day: number) =>
    signTag(ADDRESS, ID, { key: "k1", secret: SECRET, now: new Date(0), lifetime: day, nonce: randomNonce() });
  for (const day of [0, 9, 19, 199_999, 999_999]) {
    const tag = made(day);
    assert.equal(tag.split(".")[2], String(day));
    verifyTag(tag, ADDRESS, ID, { secrets, now: new Date(0) });
  }
  assert.throws(() => made(1_000_000), { kind: "option-invalid" });
});

Deno.test("Errors contain the tag and what is wrong with it", () => {
  const tag = sign();
  const bad = (run: () => unknown, kind: string, message: string) => assert.throws(run, { kind, message });
  const options = { key: "K", secret: SECRET, lifetime: 3, nonce: "x" };
  bad(
    () => signTag(ADDRESS, ID, { ...options, now: NOW }),
    "option-invalid",
    'No tag can be made of key "K", lifetime 3, nonce "x"',
  );
  bad(() => verifyTag("x", ADDRESS, ID, { secrets, now: NOW }), "not-tag", '"x" is not a tag');
  bad(() => verifyTag(tag, ADDRESS, ID, { secrets: {}, now: NOW }), "no-secret", `No key "k1" for tag "${tag}"`);
  const other = () => verifyTag(tag, ADDRESS, "<x>", { secrets, now: NOW });
  bad(other, "tag-invalid", `Tag "${tag}" was not made for this message and address`);
  bad(() => verifyTag(tag, ADDRESS, ID, { secrets, now: days(31) }), "tag-expired", `Tag "${tag}" is expired`);
});

Deno.test("No two tags of one message are equal", () => {
  assert.notEqual(sign(), sign());
  const fixed = { key: "k1", secret: SECRET, now: NOW, nonce: "abcdefgh" };
  assert.equal(signTag(ADDRESS, ID, fixed), signTag(ADDRESS, ID, fixed));
});

Deno.test("Each key verifies its own tags", () => {
  const tag = sign();
  const verify = (secrets: Record<string, string>) => verifyTag(tag, ADDRESS, ID, { secrets, now: NOW });
  verify({ k1: SECRET, k2: "other" });
  assert.throws(() => verify({ k1: "other" }), { kind: "tag-invalid" });
  assert.throws(() => verify({ k2: SECRET }), { kind: "no-secret" });
  assert.throws(() => verify({}), { kind: "no-secret" });
  // Inherited properties of the object are not keys.
  const inherited = tag.replace("v1.k1.", "v1.valueof.");
  assert.throws(() => verifyTag(inherited, ADDRESS, ID, { secrets, now: NOW }), { kind: "no-secret" });
});

Deno.test("A verifier knows the tags of its keys", () => {
  const tag = sign();
  const knows = (tag: string, ...keys: string[]) =>
    new TagVerifier(Object.fromEntries(keys.map((key) => [key, SECRET])), NOW).knows(tag);
  assert.equal(knows(tag, "k1"), true);
  assert.equal(knows(` ${tag}\t`, "k2", "k1"), true);
  assert.equal(knows(tag, "k2"), false);
  assert.equal(knows(tag), false);
  assert.equal(knows(tag.replace("v1.k1.", "v1.valueof."), "k1"), false, "an inherited property");
  assert.equal(knows(`${tag}x`, "k1"), false);
});

Deno.test("Text without the form of a tag is rejected", () => {
  const tag = sign();
  for (
    const wrong of [
      ...["", "v1", tag.replace("v1", "v2"), `${tag}.`, `${tag} ${tag}`, `${tag}\n${tag}`, tag.slice(0, -1)],
      ...[tag.replace(/\d{5}/, ""), ..."0189A".split("").map((last) => tag.slice(0, -1) + last)],
    ]
  ) {
    assert.throws(() => verifyTag(wrong, ADDRESS, ID, { secrets, now: NOW }), { kind: "not-tag" }, wrong);
  }
});

Deno.test("signTag rejects what could not be verified", () => {
  const bad = (options: Record<string, unknown>, kind: string) => {
    const made = () => signTag(ADDRESS, ID, { key: "k1", secret: SECRET, now: NOW, nonce: randomNonce(), ...options });
    assert.throws(made, { kind }, JSON.stringify(options));
  };
  for (const key of ["", "K1", "k.1", "abcdefghi", "k1\n"]) bad({ key }, "option-invalid");
  for (const nonce of ["", "abcdefg", "abcdefghi", "ABCDEFGH", "abcdefg1", "abcdefg8"]) {
    bad({ nonce }, "option-invalid");
  }
  for (const lifetime of [0.5, NaN, Infinity, -dayOf(NOW) - 1]) bad({ lifetime }, "option-invalid");
  bad({ secret: "" }, "no-secret");
  bad({ secret: new Uint8Array(0) }, "no-secret");
});

Deno.test("A secret is the same as text and as bytes", () => {
  verifyTag(sign(), ADDRESS, ID, { secrets: { k1: utf8(SECRET) }, now: NOW });
});

Deno.test("A MAC for one purpose is not valid for another", () => {
  const macs = (["tag", "proof", "sent", "ledger", "cookie"] as const).map((one) => purposeMac(SECRET, one, ["a"]));
  macs.push(hmac("SHA-256", SECRET, utf8("a")), hmac("SHA-256", SECRET, utf8("\0\0\0\x01a")));
  assert.equal(new Set(macs.map((one) => one.toHex())).size, macs.length);
  assert.notDeepEqual(purposeMac(SECRET, "tag", ["ab", "c"]), purposeMac(SECRET, "tag", ["a", "bc"]));
  assert.notDeepEqual(purposeMac(SECRET, "tag", ["a"]), purposeMac(SECRET, "tag", ["a", ""]));
});

Deno.test("signTag rejects an ambiguous Message-ID", () => {
  for (const id of ["", " ", "<>", "< >", "(only a comment)", "<a@b>\0", "<a@b> <c@d>", "a@b, c@d"]) {
    assert.throws(() => signTag(ADDRESS, id, { key: "k1", secret: SECRET, now: NOW, nonce: randomNonce() }), {
      kind: "data",
    }, JSON.stringify(id));
  }
});
