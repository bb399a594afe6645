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

// A fixed seed makes failures reproducible; `deno task fuzz` explores new cases.
fc.configureGlobal({ seed: 1 });

Deno.test("base32 follows RFC 4648 section 10, in lower case and without padding", () => {
  const good = (input: string, rfc: string) =>
    assert.equal(base32(utf8(input)), rfc.toLowerCase().replaceAll("=", ""), input);
  good("", "");
  good("f", "MY======");
  good("fo", "MZXQ====");
  good("foo", "MZXW6===");
  good("foob", "MZXW6YQ=");
  good("fooba", "MZXW6YTB");
  good("foobar", "MZXW6YTBOI======");
});

Deno.test("Property: base32 encodes every bit in order", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const bits = (array: Uint8Array) => [...array].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  fc.assert(fc.property(bytes, (input) => {
    const quintets = [...base32(input)].map((c) => "abcdefghijklmnopqrstuvwxyz234567".indexOf(c));
    const decoded = quintets.map((value) => value.toString(2).padStart(5, "0")).join("");
    assert.equal(decoded.slice(0, input.length * 8), bits(input));
    assert.match(decoded.slice(input.length * 8), /^0{0,4}$/);
  }));
});

Deno.test("decodeLatin1 and encodeLatin1 preserve every byte", () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const string = decodeLatin1(all);
  assert.deepEqual([...string].map((c) => c.charCodeAt(0)), [...all]);
  assert.deepEqual(encodeLatin1(string), all);
});

Deno.test("decodeLatin1 returns one character per byte, in short and in long texts", () => {
  for (let byte = 0; byte < 256; byte++) {
    for (const length of [1, 64, 65, 10_000]) {
      const expected = String.fromCharCode(byte).repeat(length);
      assert.ok(decodeLatin1(new Uint8Array(length).fill(byte)) === expected, `${length} bytes ${byte}`);
    }
  }
});

Deno.test("Property: encodeLatin1 reverses decodeLatin1, also beyond the size of one chunk", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.deepEqual(encodeLatin1(decodeLatin1(bytes)), new Uint8Array(bytes));
  }));
  for (const size of [8191, 8192, 8193, 100_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 256);
    assert.deepEqual(encodeLatin1(decodeLatin1(bytes)), bytes);
  }
});

Deno.test("Text is decoded as UTF-8; invalid bytes become U+FFFD", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (input) => {
    const expected = input.replace(/^\ufeff/, ""); // A leading byte order mark is removed.
    assert.equal(text(utf8(input)), expected);
    assert.equal(latin1ToUtf8(utf8ToLatin1(input)), expected);
  }));
  assert.equal(utf8ToLatin1("ö"), "\xc3\xb6");
  assert.equal(latin1ToUtf8("J\xf6rg"), "J\ufffdrg");
  assert.equal(latin1ToUtf8("\xc3"), "\ufffd");
});

Deno.test("concat joins its arguments", () => {
  assert.deepEqual(concat(), new Uint8Array(0));
  assert.deepEqual(concat(Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)), Uint8Array.of(1, 2, 3));
});

Deno.test("timingSafeEqual is true for equal bytes only", () => {
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
