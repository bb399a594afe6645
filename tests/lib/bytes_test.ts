import assert from "node:assert/strict";
import fc from "fast-check";
import {
  base32,
  concat,
  decodeLatin1,
  encodeLatin1,
  latin1ToUtf8,
  lower,
  text,
  timingSafeEqual,
  utf8,
  utf8ToLatin1,
} from "../../lib/bytes.ts";

// The same cases each time: hunting is for `deno task fuzz`.
fc.configureGlobal({ seed: 1 });

Deno.test("base32 follows RFC 4648 section 10, in lower case and without padding", () => {
  const good = (given: string, rfc: string) =>
    assert.equal(base32(utf8(given)), rfc.toLowerCase().replaceAll("=", ""), given);
  good("", "");
  good("f", "MY======");
  good("fo", "MZXQ====");
  good("foo", "MZXW6===");
  good("foob", "MZXW6YQ=");
  good("fooba", "MZXW6YTB");
  good("foobar", "MZXW6YTBOI======");
});

Deno.test("Property: base32 tells all bytes apart", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const bits = (one: Uint8Array) => [...one].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  fc.assert(fc.property(bytes, (given) => {
    const back = [...base32(given)].map((c) => "abcdefghijklmnopqrstuvwxyz234567".indexOf(c));
    const all = back.map((value) => value.toString(2).padStart(5, "0")).join("");
    assert.equal(all.slice(0, given.length * 8), bits(given));
    assert.match(all.slice(given.length * 8), /^0{0,4}$/);
  }));
});

Deno.test("A binary string holds every byte", () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const string = decodeLatin1(all);
  assert.deepEqual([...string].map((c) => c.charCodeAt(0)), [...all]);
  assert.deepEqual(encodeLatin1(string), all);
});

Deno.test("Property: bytes to binary and back, over the size of one piece too", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.deepEqual(encodeLatin1(decodeLatin1(bytes)), new Uint8Array(bytes));
  }));
  for (const size of [8191, 8192, 8193, 100_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 256);
    assert.deepEqual(encodeLatin1(decodeLatin1(bytes)), bytes);
  }
});

Deno.test("Text is UTF-8, and what is not equals nothing that was text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (given) => {
    const kept = given.replace(/^\ufeff/, ""); // A byte order mark is not text.
    assert.equal(text(utf8(given)), kept);
    assert.equal(latin1ToUtf8(utf8ToLatin1(given)), kept);
  }));
  assert.equal(utf8ToLatin1("ö"), "\xc3\xb6");
  assert.equal(latin1ToUtf8("J\xf6rg"), "J\ufffdrg");
  assert.equal(latin1ToUtf8("\xc3"), "\ufffd");
});

Deno.test("concat puts all parts in one", () => {
  assert.deepEqual(concat(), new Uint8Array(0));
  assert.deepEqual(concat(Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)), Uint8Array.of(1, 2, 3));
});

Deno.test("timingSafeEqual is true for the same bytes only", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (a, at, bits) => {
        assert.ok(timingSafeEqual(a, a.slice()));
        const other = a.slice();
        other[at % a.length]! ^= bits;
        assert.ok(!timingSafeEqual(a, other), "one byte changed");
        assert.ok(!timingSafeEqual(a, a.slice(1)) && !timingSafeEqual(a.slice(1), a), "shorter");
        assert.ok(!timingSafeEqual(a, concat(a, Uint8Array.of(0))), "longer");
      },
    ),
  );
  assert.ok(timingSafeEqual(new Uint8Array(0), new Uint8Array(0)));
});

Deno.test("lower changes A to Z only", () => {
  assert.equal(lower("ABCXYZ abc [\\]^_`@"), "abcxyz abc [\\]^_`@");
  const others = "ÄÖÜ İ \u212a"; // The last is the Kelvin sign.
  assert.equal(lower(others), others);
});
