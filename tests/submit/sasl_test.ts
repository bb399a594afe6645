/** What a client sends with AUTH PLAIN and AUTH LOGIN. */
import assert from "node:assert/strict";
import { encodeLatin1 } from "../../lib/bytes.ts";
import {
  ASK_PASSWORD,
  ASK_USER,
  checked,
  decodeBase64,
  loginCredentials,
  plainCredentials,
} from "../../submit/sasl.ts";

const base64 = (text: string) => encodeLatin1(text).toBase64();
const GREG = { user: "greg", password: "secret" };

Deno.test("base64 must be complete, with nothing before or after it", () => {
  for (
    const [text, bytes] of [
      ["", ""],
      ["eA==", "x"],
      ["eHk=", "xy"],
      ["eHl6", "xyz"],
      ["+/+/", "\xfb\xff\xbf"],
      ["09az", "\xd3\xd6\xb3"],
      ["AZAZ", "\x01\x90\x19"],
      ["eHl6eA==", "xyzx"],
      ["eHl6eHk=", "xyzxy"],
      ["9A==", "\xf4"],
      ["99k=", "\xf7\xd9"],
      ["eB==", "x"], // the unused bits are not zero
      ["eA", undefined],
      ["eHk", undefined],
      ["eA=", undefined],
      ["eA===", undefined],
      ["e===", undefined],
      ["=", undefined],
      ["*", undefined],
      ["eHl6*", undefined],
      ["*eHl6", undefined],
      ["eHl6\r", undefined],
      [" eHl6", undefined],
      ["eA==eHl6", undefined],
      ["e-_6", undefined],
    ] as const
  ) assert.equal(decodeBase64(text), bytes, JSON.stringify(text));
});

Deno.test("PLAIN has three parts, of which the first is ignored", () => {
  for (
    const [text, credentials] of [
      ["\0greg\0secret", GREG],
      ["root\0greg\0secret", GREG],
      ["\0gr\xe9g\0s\xffcret", { user: "gr\xe9g", password: "s\xffcret" }],
      ["greg\0secret", undefined],
      ["\0greg", undefined],
      ["greg", undefined],
      ["\0greg\0secret\0", undefined],
      ["\0\0secret", undefined],
      ["\0greg\0", undefined],
    ] as const
  ) assert.deepEqual(plainCredentials(base64(text)), credentials, JSON.stringify(text));
  assert.equal(plainCredentials("?"), undefined);
});

Deno.test("LOGIN sends two responses", () => {
  assert.deepEqual([ASK_USER, ASK_PASSWORD].map(atob), ["Username:", "Password:"]);
  assert.deepEqual(loginCredentials(base64("greg"), base64("secret")), GREG);
  for (
    const [first, second] of [["?", base64("secret")], [base64("greg"), "?"], ["", base64("x")], [base64("x"), ""]]
  ) {
    assert.equal(loginCredentials(first!, second!), undefined, `${first} ${second}`);
  }
});

Deno.test("credentials are what checkpassword can read", () => {
  const most = "x".repeat(255);
  assert.deepEqual(checked(most, most), { user: most, password: most });
  for (const text of ["", `${most}x`, "a\0b"]) {
    assert.equal(checked(text, "secret"), undefined, JSON.stringify(text));
    assert.equal(checked("greg", text), undefined, JSON.stringify(text));
  }
});
