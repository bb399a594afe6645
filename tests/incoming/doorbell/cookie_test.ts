/** Cookies: what they cover, and how a message presents one. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import { parseKeys } from "../../../lib/settings/keys.ts";
import {
  confirmAddress,
  type Cookie,
  makeCookie,
  parseCookie,
  presentedCookie,
  printCookie,
  verifyCookie,
} from "../../../incoming/doorbell/cookie.ts";
import { envelope, header, KEYS, NOW, service, TODAY } from "./messages.ts";

const ANN = parseAddress("Ann@friend.example");
const MESSAGE = { id: "abcdefghijkl", address: ANN, expires: TODAY + 7 };
const SVC = service();
const cookie = makeCookie(SVC, KEYS, MESSAGE, NOW)!;
const verifies = (one: Cookie, of = SVC, address = ANN, keys = KEYS) => verifyCookie(of, keys, one, address, NOW);

Deno.test("a cookie has 80 bits, and its address at most 64 octets before the @, also for the longest service", () => {
  assert.match(cookie.mac, /^[a-z2-7]{16}$/);
  const longest = service("", "s", `${"x".repeat(20)}@example.org`);
  const address = confirmAddress(longest, makeCookie(longest, KEYS, MESSAGE, NOW)!);
  assert.ok(parseAddress(address).local.length <= 64, address);
  assert.equal(parseAddress(confirmAddress(SVC, cookie)).local.length, 47);
});

Deno.test("a cookie is valid for its service, message, address and expiry only, and with its key", () => {
  assert.ok(verifies(cookie));
  assert.ok(verifies(cookie, SVC, parseAddress("ANN@Friend.Example")), "letter case of the address");
  assert.ok(!verifies(cookie, service("", "other")));
  assert.ok(!verifies({ ...cookie, id: "abcdefghijkm" }));
  assert.ok(!verifies({ ...cookie, expires: cookie.expires + 1 }));
  assert.ok(!verifies(cookie, SVC, parseAddress("bob@friend.example")));
  assert.ok(!verifies(cookie, SVC, ANN, parseKeys("k1 2026-11-01 another secret of it", "keys")));
  const rotated = parseKeys("k1 2026-11-01 a secret of the doorbell\nk2 2026-11-19 a newer one, which signs", "keys");
  assert.ok(verifies(cookie, SVC, ANN, rotated), "an older key still verifies");
});

Deno.test("every change of a character of the MAC, and every part of it, is rejected", () => {
  for (let at = 0; at < 16; at++) {
    for (const letter of "abcdefghijklmnopqrstuvwxyz234567") {
      const mac = `${cookie.mac.slice(0, at)}${letter}${cookie.mac.slice(at + 1)}`;
      assert.equal(verifies({ ...cookie, mac }), mac === cookie.mac);
    }
    // The original accepted a single digit of its cookie.
    assert.equal(parseCookie(printCookie({ ...cookie, mac: cookie.mac.slice(0, at) })), undefined);
  }
});

/** [how, the recipient or fields, what is found] */
const PRESENTED: [string, string[], string, "cookie" | "malformed" | undefined][] = [
  ["the address", [confirmAddress(SVC, cookie)], "", "cookie"],
  ["in upper case", [confirmAddress(SVC, cookie).toUpperCase()], "", "cookie"],
  ["behind the prefix of a virtual domain", [`greg-${confirmAddress(SVC, cookie)}`], "", "cookie"],
  ["the same and what qmail adds", ["x@example.org", confirmAddress(SVC, cookie)], "", "cookie"],
  ["in To, if the recipient is unknown", [], `To: Svc <${confirmAddress(SVC, cookie)}>`, "cookie"],
  ["in Cc, if the recipient is unknown", [], `To: x@y.example\nCc: ${confirmAddress(SVC, cookie)}`, "cookie"],
  ["in To at another domain", [], `To: ${confirmAddress(SVC, cookie)}.example`, undefined],
  ["in To, of a message to the service", ["svc@example.org"], `To: ${confirmAddress(SVC, cookie)}`, undefined],
  ["without a cookie", ["svc-confirm@example.org"], "", "malformed"],
  ["too short", [confirmAddress(SVC, cookie).replace("@", "@").replace(/.@/, "@")], "", "malformed"],
  ["too long", [confirmAddress(SVC, cookie).replace("@", "a@")], "", "malformed"],
  ["with another character", [confirmAddress(SVC, cookie).replace(/.@/, "1@")], "", "malformed"],
  ["with a part of it twice", [confirmAddress(SVC, cookie).replace("@", `-${cookie.mac}@`)], "", "malformed"],
  ["another word", ["svc-confirmed@example.org"], "", undefined],
  ["another service", [confirmAddress(SVC, cookie).replace("svc", "svc2")], "", undefined],
  ["the service", ["svc@example.org"], "", undefined],
  ["in the Subject", ["svc@example.org"], `Subject: confirm ${printCookie(cookie)}`, undefined],
  ["in From", ["svc@example.org"], `From: ${confirmAddress(SVC, cookie)}`, undefined],
];
for (const [how, recipients, fields, expected] of PRESENTED) {
  Deno.test(`a cookie ${how}: ${expected ?? "none"}`, () => {
    const found = presentedCookie(envelope("ann@friend.example", ...recipients), header(fields), SVC);
    assert.deepEqual(found, expected === "cookie" ? cookie : expected);
  });
}

Deno.test("with the delimiter of Postfix", () => {
  const plus = service('delimiter = "+"');
  const address = confirmAddress(plus, cookie);
  assert.match(address, /^svc\+confirm-/);
  assert.deepEqual(presentedCookie(envelope("a@b.example", address), [], plus), cookie);
});

/** [Subject, what is found] */
const SUBJECTS: [string, "cookie" | "malformed" | undefined][] = [
  [`confirm ${printCookie(cookie)}`, "cookie"],
  [`Re: Auto: subscribe CONFIRM ${printCookie(cookie).toUpperCase()}`, "cookie"],
  [`confirm ${printCookie(cookie)} please`, "cookie"],
  [`confirm\t${printCookie(cookie)}`, "cookie"],
  [`confirm ${printCookie(cookie)}x`, "malformed"],
  [`confirm x${printCookie(cookie)}`, "malformed"],
  [`confirm ${printCookie(cookie).slice(0, -1)}`, "malformed"],
  [`confirm abcd-4`, "malformed"],
  [printCookie(cookie), undefined],
  [`confirm${printCookie(cookie)}`, undefined],
  [`confirmed ${printCookie(cookie)}`, undefined],
  ["please confirm my subscription", undefined],
  ["confirm", undefined],
  ["", undefined],
];
for (const [subject, expected] of SUBJECTS) {
  Deno.test(`with confirm = "subject", ${JSON.stringify(subject)}: ${expected ?? "none"}`, () => {
    const typed = service('confirm = "subject"');
    const found = presentedCookie(envelope("a@b.example", "svc@example.org"), header(`Subject: ${subject}`), typed);
    assert.deepEqual(found, expected === "cookie" ? cookie : expected);
  });
}

Deno.test("two Subjects confirm nothing", () => {
  const typed = service('confirm = "subject"');
  const two = header(`Subject: confirm ${printCookie(cookie)}\nSubject: hello`);
  assert.equal(presentedCookie(envelope("a@b.example", "svc@example.org"), two, typed), undefined);
});
