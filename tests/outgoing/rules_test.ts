import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddress } from "../../lib/address.ts";
import { utf8 } from "../../lib/bytes.ts";
import { parseConfig, type Rule } from "../../lib/settings/parse.ts";
import type { Scheme } from "../../lib/settings/schema.ts";
import { glob } from "../../lib/glob.ts";
import { isListCommand, isRemembered, schemeFor } from "../../outgoing/rules.ts";

// A fixed seed makes failures reproducible; `deno task fuzz` explores new cases.
fc.configureGlobal({ seed: 1 });

Deno.test("glob: an asterisk matches any characters, or none", () => {
  const good = (pattern: string, text: string) => assert.ok(glob(pattern, text), `${pattern} ${text}`);
  const bad = (pattern: string, text: string) => assert.ok(!glob(pattern, text), `${pattern} ${text}`);
  good("", "");
  good("a", "a");
  good("*", "");
  good("*", "anything");
  good("**", "");
  good("a*", "a");
  good("*a", "a");
  good("*a*", "a");
  good("a*b", "ab");
  good("a*b*c", "aXbYc");
  good("a*b*c", "abbbc");
  good("*@lists.example.org", "dev@lists.example.org");
  good("*@*.example.org", "a@b.example.org");
  good("*aab", "aaab");
  good("*ab*ab", "abab");
  bad("", "a");
  bad("a", "");
  bad("a", "ab");
  bad("a*a", "a");
  bad("ab*ba", "aba");
  bad("*ab*ab", "ab");
  bad("a*b", "a");
  bad("a*b", "xab");
  bad("a*b", "abx");
  bad("*@lists.example.org", "dev@lists.example.org.evil.example");
  bad("*@example.org", "a@lists.example.org");
  // No other character is special.
  bad("a.c", "abc");
  bad("a?c", "abc");
  bad("[a]", "a");
  good("a+[b](c)$", "a+[b](c)$");
});

Deno.test("Property: glob matches like a regular expression", () => {
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
  const patterns = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "*"), maxLength: 8 });
  let matches = 0;
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      const expected = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`).test(text);
      assert.equal(glob(pattern, text), expected);
      if (expected) matches++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(matches > 0);
});

const COOKIE = "abcdefghijklmnopabcd";
const HEX = "0123456789abcdef0123456789abcdef01234567";

Deno.test("Addresses for list commands are recognized by the whole local part", () => {
  const good = (local: string) => {
    assert.ok(isListCommand({ local, domain: "lists.example.org" }), local);
    assert.ok(isListCommand({ local: local.toUpperCase(), domain: "lists.example.org" }), local.toUpperCase());
  };
  for (const verb of ["subscribe", "unsubscribe", "confirm", "join", "leave", "request", "help", "owner"]) {
    good(`dev-${verb}`);
    good(`dev+${verb}`);
    good(`my-long-list-${verb}`);
  }
  for (const verb of ["subscribe", "unsubscribe"]) {
    good(`dev-${verb}-greg=example.org`);
    good(`dev+${verb}+greg=example.org`);
    good(`dev-${verb}-greg-srs=example.org`);
  }
  for (const verb of ["sc", "uc"]) {
    good(`dev-${verb}.1700000000.${COOKIE}`);
    good(`dev-${verb}.1700000000.${COOKIE}-greg=example.org`);
    good(`my-list-${verb}.1700000000.${COOKIE}-greg=example.org`);
  }
  good(`dev-accept-1700000000.12345.${COOKIE}`);
  good(`dev-confirm-1700000000.${COOKIE}`);
  good(`dev-confirm+${HEX}`);
  for (const program of ["majordomo", "sympa", "listserv", "mailer-daemon"]) good(program);
});

Deno.test("Addresses that only resemble list commands are ordinary", () => {
  const bad = (local: string) => assert.ok(!isListCommand({ local, domain: "example.org" }), local);
  bad("greg");
  bad("dev");
  for (const verb of ["subscribe", "unsubscribe", "confirm", "join", "leave", "request", "help", "owner"]) {
    bad(verb);
    bad(`-${verb}`);
    bad(`+${verb}`);
    bad(`x${verb}`);
    bad(`${verb}-x`);
    bad(`joe-${verb}-x`);
    bad(`joe-${verb}s`);
    bad(`joe.${verb}`);
  }
  bad("dev-help-greg=example.org");
  bad("dev-subscribe-greg");
  bad("dev-subscribe-=example.org");
  bad("dev-subscribe-greg=");
  bad("dev-subscribe-a=b=c");
  bad("-subscribe-greg=example.org");
  bad(`dev-sc.1700000000.${COOKIE.slice(1)}`);
  bad(`dev-sc.1700000000.${COOKIE}a`);
  bad(`dev-sc.1700000000.${COOKIE.replace("a", "q")}`);
  bad(`dev-sc.${COOKIE}`);
  bad(`dev-sc.soon.${COOKIE}`);
  bad(`dev-sc.1700000000.${COOKIE}-greg`);
  bad(`-sc.1700000000.${COOKIE}`);
  bad(`dev-xc.1700000000.${COOKIE}`);
  bad("dev-sc");
  bad(`dev-confirm+${HEX.slice(1)}`);
  bad(`dev-confirm+${HEX}0`);
  bad(`dev-confirm+${HEX.replace("f", "g")}`);
  bad(`dev+${HEX}`);
  bad("majordomo-x");
  bad("my-majordomo");
  bad("postmaster");
});

Deno.test("The scheme is plain for list commands, otherwise that of the first matching rule, otherwise the setting sender", () => {
  const rule = (sender: Scheme, ...to: string[]): Rule => ({ to, sender, confirm: false });
  const rules = [
    rule("prvs", "joe@example.com", "ann@example.com"),
    rule("plain", "*@Example.COM"),
    rule("srs", "*@example.com"),
    rule("srs", "dev-subscribe@*"),
  ];
  const good = (recipient: string, scheme: Scheme) => {
    assert.equal(schemeFor(parseAddress(recipient), { rule: rules, sender: "srs" }), scheme, recipient);
  };
  good("joe@example.com", "prvs");
  good("JOE@EXAMPLE.COM", "prvs");
  good("ann@example.com", "prvs");
  good("bob@example.com", "plain");
  good("bob@example.net", "srs");
  good("dev-subscribe@example.net", "plain");
  assert.equal(schemeFor(parseAddress("a@b"), { rule: [], sender: "prvs" }), "prvs");
  assert.equal(schemeFor({ local: "root", domain: "" }, { rule: [rule("plain", "*")], sender: "srs" }), "plain");
});

Deno.test("Mail to configured lists, with confirm = true and subscription requests are remembered", () => {
  const rules: Rule[] = [
    { to: ["bob@*"], sender: "", confirm: false },
    { to: ["ann@*", "*@people.example"], sender: "", confirm: true },
  ];
  const remembered = (recipient: string, { answer = true, requests = false, text = "" } = {}) => {
    const { challenge } = parseConfig(
      `[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "sendmail"\n` +
        `[challenge]\nanswer = ${answer}\nrequests = ${requests}\nlists = ["*@Lists.example"]\n`,
      { file: "/etc/config.toml", home: "/" },
    );
    const message = { header: [], body: utf8(text), whole: true };
    return isRemembered(parseAddress(recipient), { rule: rules, challenge }, message);
  };
  const good = (recipient: string) => {
    assert.ok(remembered(recipient), recipient);
    assert.ok(remembered(recipient.toUpperCase()), recipient.toUpperCase());
    assert.ok(!remembered(recipient, { answer: false, requests: true }), `${recipient}, with challenge.answer = false`);
  };
  const bad = (recipient: string) => assert.ok(!remembered(recipient), recipient);
  good("dev@lists.example");
  good("ann@example.com");
  good("jo@people.example");
  for (const verb of ["subscribe", "unsubscribe"]) {
    good(`x-${verb}@a.example`);
    good(`dev+${verb}@a.example`);
    good(`dev-${verb}-greg=example.org@a.example`);
    good(`dev+${verb}+greg=example.org@a.example`);
    for (const suffix of ["s", "-", "-greg", "-=example.org", "-greg=", "greg=example.org", "-a=b=c"]) {
      bad(`dev-${verb}${suffix}@a.example`);
    }
    bad(`${verb}@a.example`);
    bad(`-${verb}@a.example`);
    bad(`x${verb}@a.example`);
  }
  bad("bob@example.com");
  bad("jo@a.example");
  bad("dev@lists.example.evil.example");
  for (
    const [local, text] of [["dev-join"], ["dev-leave"], ["dev-request", "join\n"], ["majordomo", "subscribe dev\n"]]
  ) {
    bad(`${local}@a.example`);
    assert.ok(remembered(`${local}@a.example`, { requests: true, text: text ?? "" }), local);
  }
  // Mail that is not a subscription request is not remembered.
  for (const local of ["dev-request", "dev-help", "dev-owner", "dev-confirm", "majordomo", "mailer-daemon"]) {
    for (const text of ["", "help\n", "lists\n"]) {
      assert.ok(!remembered(`${local}@a.example`, { requests: true, text }), `${local}: ${text}`);
    }
  }
  assert.ok(!remembered("jo@a.example", { requests: true }));
});
