/** The sockets `policy` and `map`: requests in any pieces, and addresses that forwarding writes and reverses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { parseAddress } from "../../lib/address.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { identityOf } from "../../lib/settings/identity.ts";
import { srsForward } from "../../lib/srs.ts";
import { forwardSender, reverseForwarded } from "../../serve/map/forwarding.ts";
import { netstring, NetstringReader } from "../../serve/map/netstring.ts";
import { PolicyReader } from "../../serve/policy/request.ts";
import type { RequestReader } from "../../serve/sockets/requests.ts";
import { day, joe, now } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { piecesOf } from "./texts.ts";

/** What a reader makes of these pieces: each request, and how it ended. */
function readAll<R>(
  reader: RequestReader<R>,
  pieces: readonly Uint8Array[],
  print: (request: R) => unknown,
): unknown[] {
  const out: unknown[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let request; (request = reader.next()) !== undefined;) out.push(print(request));
    }
    return [...out, reader.partial ? "partial" : "end"];
  } catch (error) {
    assert.ok(error instanceof Fail && error.kind === "data", String(error));
    return [...out, error.message];
  }
}

/** Splits bytes at these places. */
function split(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, nth) => bytes.subarray(sorted[nth], end));
}

const places = fc.array(fc.nat(100_000), { maxLength: 20 });
const damage = fc.record({ at: fc.nat(100_000), bit: fc.nat(7), junk: fc.uint8Array({ maxLength: 40 }) });
const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 80 }), { maxLength: 5 });
const netstrings = (pieces: readonly Uint8Array[]) => readAll(new NetstringReader(), pieces, (text) => text);
const policy = (pieces: readonly Uint8Array[]) =>
  readAll(new PolicyReader(), pieces, ({ attributes }) => attributes && [...attributes]);

fuzz("netstrings are read alike in whatever pieces they arrive", fc.tuple(texts, places), ([all, places]) => {
  const bytes = concat(...all.map(netstring));
  assert.deepEqual(netstrings([bytes]), [...all, "end"]);
  assert.deepEqual(netstrings(split(bytes, places)), [...all, "end"]);
});

const names = fc.string({ unit: fc.constantFrom(..."abc_é"), minLength: 1, maxLength: 8 });
const values = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.replaceAll("\n", "="));
const requests = fc.array(fc.uniqueArray(fc.tuple(names, values), { selector: ([name]) => name, maxLength: 6 }), {
  maxLength: 4,
});

fuzz("policy requests are read alike in whatever pieces they arrive", fc.tuple(requests, places), ([all, places]) => {
  const printed = all.map((one) => utf8(`${one.map(([name, value]) => `${name}=${value}\n`).join("")}\n`));
  const bytes = concat(...printed);
  assert.deepEqual(policy([bytes]), [...all, "end"]);
  assert.deepEqual(policy(split(bytes, places)), [...all, "end"]);
});

fuzz(
  "anything else is an error or a request that is not well formed, wherever it is split",
  fc.tuple(texts, requests, places, damage),
  ([texts, requests, places, { at, bit, junk }]) => {
    const lines = requests.flat().map(([name, value]) => `${name}=${value}\n`).join("\n");
    for (
      const [all, reading] of [[concat(...texts.map(netstring), junk), netstrings], [utf8(lines), policy]] as const
    ) {
      const bytes = Uint8Array.from(concat(all, junk));
      if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << bit;
      assert.deepEqual(reading(split(bytes, places)), reading([bytes]));
    }
  },
);

const secret = utf8("a secret for forwarded mail only");
const settings = parseConfig(
  `transport.preset = "postfix"\n[[identity]]\naddress = "joe@example.org"\nsrs_domain = "srs.example.org"\n` +
    `[forwarding]\ndomain = "fwd.example"\nexclude = ["*.example.com"]\n`,
  { file: "/c/config.toml", home: "/h" },
);
const identities = [{ ...joe, address: parseAddress("joe@example.org"), srsDomain: "srs.example.org" }];
const keys = [{ id: "f1", created: Math.floor(now.getTime() / 86_400_000), secret }];
const context = { settings, identities, keys, now };

const local = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."jJoe019.+-=/_"), minLength: 1, maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...'ab" \\@,ü'), maxLength: 10 }).map((text) =>
    `"${text.replace(/["\\]/g, "\\$&")}"`
  ),
  fc.constantFrom(
    "joe",
    "SRS0=abcd=KA=b.example=jo",
    "SRS1=abcd=b.example==abcd=KA=c.example=jo",
    "prvs=0000abcdef=joe",
  ),
);
const domain = fc.constantFrom(
  "b.example",
  "B.Example",
  "example.org",
  "example.o",
  "srs.example.org",
  "a.example.com",
  "[192.0.2.1]",
);

fuzz(
  "a sender is left alone, or its rewritten form is an address and leads back to it",
  fc.tuple(local, domain, fc.nat(21)),
  ([local, domain, later]) => {
    const sender = `${local}@${domain}`;
    const written = forwardSender(sender, context);
    if (!("address" in written)) return;
    assert.equal(identityOf(identities, sender), undefined);
    assert.equal(parseAddress(written.address).domain, "fwd.example");
    const back = reverseForwarded(written.address, { ...context, now: new Date(now.getTime() + later * 86_400_000) });
    assert.ok("address" in back, JSON.stringify({ written, back }));
    const bare = (text: string) => text.replace(/^"((?:[\w.+=/-]|ü)+)"@/, "$1@");
    const expected = /^SRS1/i.test(bare(sender)) ? "SRS0=abcd=KA=c.example=jo@b.example" : bare(sender);
    assert.equal(back.address.replace(/^SRS0/i, "SRS0"), expected.replace(/^SRS0/i, "SRS0"));
    assert.ok(
      "why" in reverseForwarded(written.address, { ...context, now: day(30) }) || /^"?SRS1/.test(written.address),
    );
  },
);

const PIECES = [
  "SRS0",
  "srs1",
  "SRS1",
  "=",
  "==",
  "-",
  "+",
  "abcd",
  "KA",
  "b.example",
  "srs.example.org",
  "fwd.example",
];

fuzz(
  "a sender that looks like SRS is left alone, or can be restored",
  fc.tuple(fc.constantFrom("SRS0", "SRS1"), piecesOf([...PIECES, "joe", "example.org", '"', "@"]), domain),
  ([tag, rest, domain]) => {
    const written = forwardSender(`${tag}${rest}@${domain}`, context);
    if (!("address" in written)) return;
    const back = reverseForwarded(written.address, context);
    assert.ok("address" in back, JSON.stringify({ written, back }));
    assert.equal(identityOf(identities, back.address), undefined);
    assert.doesNotMatch(back.address, /@(?:srs\.example\.org|fwd\.example)\.*$/i);
  },
);

fuzz(
  "whatever is signed with a forwarding key, no identity comes out",
  fc.tuple(
    fc.constantFrom(
      "joe",
      "JOE",
      '"joe"',
      "prvs=0000abcdef=joe",
      "joe-prvs=0000abcdef",
      "SRS0=abcd=KA=example.org=joe",
    ),
    fc.constantFrom("example.org", "Example.ORG", "srs.example.org", "SRS.example.org", "fwd.example"),
    fc.boolean(),
  ),
  ([local, domain, twice]) => {
    const options = { secrets: [secret], hashLength: 8, alphabet: "base64url", now } as const;
    const bare = local.replaceAll('"', "");
    const once = srsForward(`${bare}@${domain}`, twice ? "other.example" : "FWD.example", options);
    const signed = twice ? srsForward(once, "fwd.example", options) : once;
    const back = reverseForwarded(signed, context);
    if (!("address" in back)) return;
    assert.equal(identityOf(identities, back.address), undefined);
    assert.doesNotMatch(back.address, /@(?:srs\.example\.org|fwd\.example)$/i);
  },
);
