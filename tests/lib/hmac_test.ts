import assert from "node:assert/strict";
import fc from "fast-check";
import { hmac, purposeMac, type Secret } from "../../lib/hmac.ts";
import { utf8 } from "../../lib/bytes.ts";

/** An independent implementation. */
async function byWebCrypto(hash: "SHA-1" | "SHA-256", secret: Uint8Array, data: Uint8Array): Promise<Uint8Array> {
  const raw = new Uint8Array(secret);
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(data)));
}

const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });

Deno.test("hmac agrees with Web Crypto for secrets and data of any length", { permissions: "none" }, async () => {
  await fc.assert(fc.asyncProperty(bytes, fc.uint8Array({ maxLength: 300 }), async (secret, data) => {
    for (const hash of ["SHA-1", "SHA-256"] as const) {
      assert.deepEqual(hmac(hash, secret, data), await byWebCrypto(hash, secret, data));
    }
  }));
});

Deno.test("a secret changed in place is not served from the cache", { permissions: "none" }, async () => {
  const [secret, data] = [utf8("a secret that is wiped after use"), utf8("data")];
  const before = hmac("SHA-256", secret, data);
  secret[0]! ^= 1;
  assert.notDeepEqual(hmac("SHA-256", secret, data), before);
  assert.deepEqual(hmac("SHA-256", secret, data), await byWebCrypto("SHA-256", secret, data));
  secret[0]! ^= 1;
  assert.deepEqual(hmac("SHA-256", secret, data), before);
});

Deno.test(
  "more secrets than the cache holds, in any order, get their own MACs",
  { permissions: "none" },
  () => {
    const secrets = Array.from({ length: 200 }, (_, nth) => utf8(`secret ${nth}`));
    const first = secrets.map((secret) => hmac("SHA-1", secret, utf8("data")));
    assert.equal(new Set(first.map((mac) => mac.toHex())).size, secrets.length);
    assert.deepEqual(secrets.toReversed().map((secret) => hmac("SHA-1", secret, utf8("data"))), first.toReversed());
  },
);

Deno.test("a secret as text is the same as its UTF-8 bytes", { permissions: "none" }, () => {
  for (const text of ["a", "ü", "\ud800", "text a", "bytes a", "\x80"]) {
    assert.deepEqual(hmac("SHA-256", text, utf8("x")), hmac("SHA-256", utf8(text), utf8("x")), JSON.stringify(text));
  }
  assert.notDeepEqual(hmac("SHA-256", "\x80", utf8("x")), hmac("SHA-256", Uint8Array.of(0x80), utf8("x")));
});

Deno.test("an empty secret is an error, also after other secrets were used", { permissions: "none" }, () => {
  for (const secret of ["", new Uint8Array(), "a", ""] as Secret[]) {
    const run = () => hmac("SHA-1", secret, utf8("x"));
    if (secret.length === 0) assert.throws(run, { kind: "no-secret" });
    else run();
  }
  assert.throws(() => purposeMac("", "tag", []), { kind: "no-secret" });
});

Deno.test("a failure does not affect the next MAC", { permissions: "none" }, () => {
  const before = hmac("SHA-256", "a secret", utf8("data"));
  assert.throws(() => hmac("SHA-256", "a secret", "no bytes" as unknown as Uint8Array));
  assert.deepEqual(hmac("SHA-256", "a secret", utf8("data")), before);
});
