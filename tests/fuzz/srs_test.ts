/** SRS addresses in the library and in the judge. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decide } from "../../io/state/lookups.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { parseHead } from "../../lib/message.ts";
import { lower } from "../../lib/bytes.ts";
import { srsForward, type SrsOptions, srsReverse } from "../../lib/srs.ts";
import { day, joe, now } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { anyText, orFail, piecesOf, touched, touches } from "./texts.ts";

const KINDS = ["no-at", "not-srs", "hash-invalid", "stamp-expired"] as const;
const plain = fc.string({ unit: fc.constantFrom(...'abcXYZ019.+-_=/"\u00fc\u0130 '), minLength: 1, maxLength: 20 })
  .filter((local) => !/^SRS[01][-+=]/i.test(local));
const options = fc.record({
  hashLength: fc.integer({ min: 1, max: 27 }), // 28 writes only 27 characters, which Mail::SRS then rejects.
  separator: fc.constantFrom("=", "+", "-"),
  alphabet: fc.constantFrom("base64", "base64url"),
  maxAge: fc.nat(1000),
}, { noNullPrototype: true }) as fc.Arbitrary<Partial<SrsOptions>>;
const hosts = fc.constantFrom("example.org", "Mail.Example.ORG", "[192.0.2.1]", "x");
const secrets = fc.array(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 3 });

fuzz(
  "srsReverse returns what was signed, after any number of hops, on every day of its lifetime",
  fc.tuple(plain, hosts, options, secrets, fc.nat(1000), fc.nat(3000)),
  ([local, host, given, keys, age, later]) => {
    const [sent, read] = [day(later), day(later + Math.min(age, given.maxAge!))];
    const own = { ...given, secrets: keys };
    const one = srsForward(`${local}@${host}`, "srs.example.net", { ...own, now: sent });
    // Any of the secrets may have signed.
    const reversed = { ...own, secrets: [...keys].reverse(), now: read };
    assert.equal(srsReverse(one, reversed), `${local}@${host}`);
    const two = srsForward(one, "srs.example.com", { ...own, now: sent });
    const three = srsForward(two, "srs.example", { ...own, now: sent });
    for (const hop of [two, three]) {
      const back = srsReverse(hop, reversed);
      assert.equal(back.slice(5), one.slice(5));
      assert.equal(srsReverse(back, reversed), `${local}@${host}`);
    }
    if (age > given.maxAge!) {
      assert.equal(
        orFail(() => srsReverse(one, { ...reversed, now: day(later + age) }), ...KINDS),
        undefined,
      );
    }
  },
);

/** What the hash covers: the joined fields in lower case. It does not cover where they join; the judge checks that. */
const covered = (address: string) => lower(address.slice(0, address.lastIndexOf("@")).slice(5)).replace(/^[^=]*=/, "");

fuzz(
  "a changed SRS address is valid only if its case or separators changed",
  fc.tuple(plain, options, touches),
  ([local, given, touch]) => {
    const own = { ...given, hashLength: Math.max(8, given.hashLength!), secrets: ["a secret"], now };
    const signed = srsForward(`${local}@example.org`, "srs.example.net", own);
    const changed = touched(signed, touch);
    const read = orFail(() => srsReverse(changed, own), ...KINDS);
    const domain = (text: string) => text.lastIndexOf("@");
    if (read === undefined || changed.slice(0, domain(changed)) === signed.slice(0, domain(signed))) return;
    assert.equal(covered(changed).replaceAll("=", ""), covered(signed).replaceAll("=", ""), changed);
    assert.equal(
      orFail(() => srsReverse(changed, { ...own, secrets: ["another"] }), ...KINDS),
      undefined,
    );
  },
);

const pieces = piecesOf(["SRS0", "SRS1", "=", "+", "-", "@", "AAAA", "G3", "example.org", "==", "srs.example.net"], 14);

fuzz("no text is a valid SRS address unless it was signed", fc.oneof(pieces, anyText), (text) => {
  const own = { secrets: ["a secret"], hashLength: 8, now };
  assert.equal(orFail(() => srsReverse(text, own), ...KINDS), undefined);
  const signed = orFail(() => srsForward(text, "srs.example.net", own), "no-at", "at-in-user");
  if (signed !== undefined && /[\r\n\0]/.test(signed)) assert.match(text, /[\r\n\0]/);
});

const SETTINGS = parseConfig(
  `[[identity]]\naddress = "joe@example.net"\nsrs_domain = "srs.example.net"\n` +
    `[[identity]]\naddress = "ann@example.net"\nsrs_domain = "srs.example.net"\nkeys = "ann"\n` +
    `[transport]\nvia = "maildir"\nmaildir = "/out"\n[prvs]\nreceive = true\n`,
  { file: "/etc/config.toml", home: "/home/joe" },
);
const own = { ...joe, srsDomain: "srs.example.net" };
const ann = {
  ...own,
  address: { local: "ann", domain: "example.net" },
  keys: [{ ...joe.keys[0]!, secret: joe.keys[0]!.secret.slice(1) }],
};
const mail = new TextEncoder().encode("From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi.\n");
const judge = (recipient: string, when = now) =>
  decide({ sender: null, recipients: [recipient], prefix: mail, ...parseHead(mail, true)! }, {
    settings: SETTINGS,
    identities: [own, ann],
    now: when,
  });
const signing = {
  secrets: [joe.keys[0]!.secret],
  hashLength: SETTINGS.srs.hash_length,
  alphabet: SETTINGS.srs.alphabet,
  now,
};
const SIGNED = srsForward("joe@example.net", "srs.example.net", signing);
const BY_ANN = srsForward("joe@example.net", "srs.example.net", { ...signing, secrets: [ann.keys[0]!.secret] });
const FOR_EVE = srsForward("eve@example.com", "srs.example.net", signing);
const FOR_ANN = srsForward("ann@example.net", "srs.example.net", signing);

/** Normalizes what may differ in a signed address: case, separator, alphabet, qmail's prefix and the domain. */
const normalized = (address: string) =>
  lower(address.slice(0, Math.max(0, address.lastIndexOf("@")))).replace(/^.*-(?=srs0)/s, "").replace(
    /^srs0[-+=]/,
    "srs0=",
  ).replace(
    /^(srs0=)([^=]*)/,
    (_, tag, hash) => tag + hash.replaceAll("+", "-").replaceAll("/", "_"),
  );

fuzz(
  "the judge accepts an SRS address as it was signed, or in an equivalent form",
  fc.array(touches, { maxLength: 3 }),
  async (all) => {
    const given = all.reduce(touched, SIGNED);
    const { verdict } = await judge(given);
    const equivalent = normalized(given) === normalized(SIGNED);
    assert.equal(verdict.result === "genuine", equivalent, `${given}: ${verdict.reason}`);
  },
);

fuzz(
  "the judge accepts no SRS address with another key, address or day",
  fc.tuple(
    fc.constantFrom(BY_ANN, FOR_EVE, FOR_ANN),
    fc.array(touches, { maxLength: 2 }),
    fc.integer({ min: 200, max: 800 }),
  ),
  async ([foreign, all, days]) => {
    assert.notEqual((await judge(all.reduce(touched, foreign))).verdict.result, "genuine");
    assert.notEqual((await judge(all.reduce(touched, SIGNED), day(days))).verdict.result, "genuine");
  },
);

fuzz("the judge accepts no other text as a signed address", fc.oneof(pieces, anyText), async (text) => {
  assert.notEqual((await judge(text)).verdict.result, "genuine");
});
