/** Whom a login may send as, by each value of `submit.check_sender`. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { parseHead } from "../../lib/message.ts";
import { parseKeys } from "../../lib/settings/keys.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { srsForward } from "../../lib/srs.ts";
import { type CheckSender, receivedBefore, senderRefusal } from "../../outgoing/login.ts";

const SECRET = "a secret, for tests only";
const now = new Date("2026-11-20T05:32:58Z");
const settings = parseConfig(
  `[[identity]]\naddress = "me@example.org"\n[transport]\nvia = "maildir"\nmaildir = "~/out"\n`,
  { file: "/c", home: "/h" },
);
const identities = [{
  address: parseAddress("me@example.org"),
  also: ["me+*@example.org"],
  srsDomain: "srs.example.org",
  keys: parseKeys(`k1 2026-01-01 ${SECRET}\n`, "keys"),
}];
const SIGNED = srsForward("me@example.org", "srs.example.org", {
  secrets: [SECRET],
  hashLength: 8,
  alphabet: "base64url",
  now,
});
const headerOf = (lines: readonly string[]) =>
  parseHead(new TextEncoder().encode([...lines, "", ""].join("\n")), true)!.header;

/** `sender` is empty for the null sender. `yes`: it may be sent; otherwise a part of the reason. */
const CASES: [check: CheckSender, login: string, sender: string, lines: string[], answer: "yes" | RegExp][] = [
  ["identities", "me", "me@example.org", ["From: me@example.org"], "yes"],
  ["identities", "me", "ME@Example.ORG", ["From: Me <ME@Example.ORG>"], "yes"],
  ["identities", "me", "me+list@example.org", ["From: me@example.org"], "yes"],
  ["identities", "me", SIGNED, ["From: me@example.org"], "yes"],
  ["identities", "me", "", ["From: me@example.org"], "yes"],
  ["identities", "me", "me@example.org", [], "yes"],
  [
    "identities",
    "me",
    "eve@example.com",
    ["From: me@example.org"],
    /^"eve@example\.com" is not one of your addresses$/,
  ],
  ["identities", "me", "me@example.org", ["From: eve@example.com"], /^"eve@example\.com" is not/],
  ["identities", "me", "", ["From: eve@example.com"], /^"eve@example\.com" is not/],
  ["identities", "me", "me@example.org", ["From: me@example.org, eve@example.com"], /^"eve@example\.com" is not/],
  ["identities", "me", "me@example.org", ["From: eve@example.com, me@example.org", "Sender: me@example.org"], "yes"],
  [
    "identities",
    "me",
    "me@example.org",
    ["From: me@example.org, a@example.com", "Sender: a@example.com"],
    /^"a@example\.com"/,
  ],
  ["identities", "me", "me@example.org", ["From: me@example.org", "Sender: eve@example.com"], "yes"],
  [
    "identities",
    "me",
    "me@example.org",
    ["From: eve@example.com, me@example.org", "Sender: me@example.org, eve@example.com"],
    /"eve@example\.com" is not one/,
  ],
  [
    "identities",
    "me",
    "me@example.org",
    ["From: eve@example.com, me@example.org", "Sender: me@example.org", "Sender: eve@example.com"],
    /"eve@example\.com" is not one/,
  ],
  ["identities", "me", "me@example.org", ["From: me@example.org", "From: eve@example.com"], /more than one From/],
  ["identities", "me", "me@example.org", ["From: "], "yes"],
  ["identities", "me", "eve@example.com", ["From:"], /^"eve@example\.com" is not one of your addresses$/],
  ["identities", "me", "me@example.org", ["From:", "From: eve@example.com"], /^"eve@example\.com" is not/],
  ["identities", "me", "me@example.org", ["From:", "From: me@example.org"], "yes"],
  ["identities", "me", "me@example.org", ["Resent-From:", "From: me@example.org"], /Resent-From contains no address/],
  ["identities", "me", "me@example.org", ["From: me@example.org, eve@example.com", "Sender:"], /^"eve@example\.com"/],
  ["identities", "me", "me@example.org", ["From: <me@example.org"], /the field From contains no address/],
  ["identities", "me", "me@example.org", ["From: undisclosed:;"], /contains no address/],
  ["identities", "me", "me@example.org", ["Resent-From: me@example.org", "From: eve@example.com"], "yes"],
  [
    "identities",
    "me",
    "me@example.org",
    ["Resent-From: eve@example.com", "From: me@example.org"],
    /^"eve@example\.com"/,
  ],
  [
    "identities",
    "me",
    "me@example.org",
    ["Resent-From: (", "From: me@example.org"],
    /the field Resent-From contains no address/,
  ],
  [
    "identities",
    "me",
    "me@example.org",
    ["Delivered-To: x@example.com", "From: eve@example.com"],
    /^"eve@example\.com"/,
  ],
  ["identities", "me", "me@example.org", ["Resent-To: x@example.com", "From: eve@example.com"], /^"eve@example\.com"/],
  ["identities", "me", "me@example.org", ["Received: a; b", "From: eve@example.com"], /^"eve@example\.com"/],
  [
    "identities",
    "me",
    "me@example.org",
    ["Received: a; b", "Resent-From: me@example.org", "From: eve@example.com"],
    /^"eve/,
  ],
  ["identities", "me", "me@example.org", ["Delivered-To: x@example.com", "From: me@example.org"], "yes"],
  ["login", "me", "me@any.example", ["From: me@other.example"], "yes"],
  ["login", "me", "you@any.example", ["From: me@other.example"], /^"you@any\.example"/],
  ["login", "me", "me@any.example", ["From: you@any.example"], /^"you@any\.example"/],
  ["login", "Me@Example.org", "me@example.org", ["From: me@example.org"], "yes"],
  ["login", "me@example.org", "me@example.net", ["From: me@example.org"], /^"me@example\.net"/],
  ["login", "*", "me@example.org", ["From: me@example.org"], /^"me@example\.org"/],
  ["login", "", "me@example.org", ["From: me@example.org"], /^"me@example\.org"/],
  ["any", "me", "eve@example.com", ["From: eve@example.com", "From: (("], "yes"],
];
for (const [check, login, sender, lines, answer] of CASES) {
  Deno.test({
    name: `${check}: login ${login}, sender <${sender}>, ${lines.join(" / ")}`,
    permissions: "none",
    fn() {
      const address = sender === "" ? null : parseAddress(sender);
      const refusal = senderRefusal(check, login, address, headerOf(lines), { settings, identities, now });
      if (answer === "yes") assert.equal(refusal, undefined);
      else assert.match(refusal ?? "", answer);
    },
  });
}

Deno.test({
  name: "without identities, `identities` restricts nothing and `login` does",
  permissions: "none",
  fn() {
    const nobody = { settings, identities: [], now };
    const [sender, header] = [parseAddress("eve@example.com"), headerOf(["From: eve@example.com"])];
    assert.equal(senderRefusal("identities", "me", sender, header, nobody), undefined);
    assert.notEqual(senderRefusal("login", "me", sender, header, nobody), undefined);
  },
});

Deno.test({
  name: "Received fields are hidden from the planner, except in a message that was delivered or is re-sent",
  permissions: "none",
  fn() {
    const count = (...lines: string[]) => receivedBefore(headerOf(lines)).size;
    assert.equal(count("Received: a; b", "received: c; d", "From: me@example.org"), 2);
    assert.equal(count("From: me@example.org"), 0);
    assert.equal(count("Received: a; b", "Delivered-To: me@example.org"), 0);
    assert.equal(count("Resent-From: me@example.org", "Received: a; b"), 0);
    assert.equal(count("X-Resent-From: me@example.org", "Received: a; b"), 1);
  },
});
