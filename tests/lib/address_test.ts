import assert from "node:assert/strict";
import {
  canonical,
  formatAddress,
  formatMailbox,
  parseAddress,
  parseAddressList,
  sameAddress,
} from "../../lib/address.ts";
import { Fail } from "../../lib/fail.ts";

Deno.test("parseAddress splits an address", () => {
  const good = (text: string, local: string, domain: string) => {
    const found = parseAddress(text);
    assert.deepEqual(found, { local, domain }, text);
    assert.equal(formatAddress(found), text);
  };
  good("greg@example.org", "greg", "example.org");
  good("Greg.Name+tag@Example.ORG", "Greg.Name+tag", "Example.ORG");
  good("a..b.@example.org", "a..b.", "example.org");
  good("SRS0=abcd=G3=example.com=x@srs.example.org", "SRS0=abcd=G3=example.com=x", "srs.example.org");
  good("-x@example.org", "-x", "example.org");
  good('"a b"@example.org', '"a b"', "example.org");
  good('"a@b"@example.org', '"a@b"', "example.org");
  good(String.raw`"a\"b\\"@example.org`, String.raw`"a\"b\\"`, "example.org");
  good('"a,b<c>(d)"@example.org', '"a,b<c>(d)"', "example.org");
  good('""@example.org', '""', "example.org");
  good('"a"."b"@example.org', '"a"."b"', "example.org");
  good("greg@[192.0.2.1]", "greg", "[192.0.2.1]");
  good("greg@[IPv6:2001:db8::1]", "greg", "[IPv6:2001:db8::1]");
  good("jörg@bücher.example", "jörg", "bücher.example");
  good("用户@例子.example", "用户", "例子.example");
  good("😀@example.org", "😀", "example.org");
  good("greg@localhost", "greg", "localhost");
});

Deno.test("parseAddress rejects anything but one bare address", () => {
  const bad = (text: string, kind: string) => assert.throws(() => parseAddress(text), { name: "Fail", kind }, text);
  bad("", "no-at");
  bad("greg", "no-at");
  bad("greg@", "no-at");
  bad("@", "no-at");
  bad("@example.org", "address-invalid");
  bad("a@b@c", "address-invalid");
  bad("a b@example.org", "address-invalid");
  bad("a@example.org,b@example.org", "address-invalid");
  bad("a@example.org b@example.org", "address-invalid");
  bad("<a@example.org>", "address-invalid");
  bad("Greg <a@example.org>", "address-invalid");
  bad("a@example.org (Greg)", "address-invalid");
  bad("(Greg) a@example.org", "address-invalid");
  bad(" a@example.org", "address-invalid");
  bad("a@example.org ", "address-invalid");
  bad("a@.example.org", "address-invalid");
  bad('"a@example.org', "address-invalid");
  bad('"a@b"', "address-invalid");
  bad('a"@example.org', "address-invalid");
  bad(String.raw`a\b@example.org`, "address-invalid");
  bad("a@[192.0.2.1", "address-invalid");
  bad("a@[192.0.2.1]x", "address-invalid");
  bad("a@[]", "address-invalid");
  bad("a@[[]", "address-invalid");
  bad("a@b:c", "address-invalid");
  bad("a;b@example.org", "address-invalid");
  // U+FFFD stands for bytes that were not UTF-8: the address would name another mailbox.
  bad("a\ufffd@example.org", "address-invalid");
  bad("a@\ufffd.example", "address-invalid");
  bad('"a\ufffd"@example.org', "address-invalid");
  bad('"a\\\ufffd"@example.org', "address-invalid");
});

Deno.test("parseAddress rejects control characters anywhere in an address", () => {
  // Tab is allowed in a quoted string and between words (RFC 5322 section 3.2.4).
  const controls = [...Array(0xa0).keys()].filter((code) => code < 0x20 || code > 0x7e).filter((code) => code !== 9)
    .map((code) => String.fromCharCode(code));
  for (const whole of ["ab@cd", '"ab"@cd', '"a\\b"@cd', "ab@[1.2]"]) {
    parseAddress(whole);
    for (const control of controls) {
      for (let at = 0; at <= whole.length; at++) {
        const text = whole.slice(0, at) + control + whole.slice(at);
        assert.throws(() => parseAddress(text), Fail, JSON.stringify(text));
      }
    }
  }
});

Deno.test("An error message is one line without control characters", () => {
  const hostile = `a\r\nBcc: b@example.org\u009b\u2028\0${"x".repeat(10_000)}@`;
  assert.throws(() => parseAddress(`${hostile}example.org`), ({ message }: Error) => {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(message, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
    assert.ok(message.length < 300, message);
    return true;
  });
});

Deno.test("parseAddressList parses the lists of header fields", () => {
  /** Each entry as `name|address`, `name|` for `<>`. */
  const good = (text: string, ...entries: string[]) => {
    const found = parseAddressList(text).map(({ name, address }) => `${name}|${address ? formatAddress(address) : ""}`);
    assert.deepEqual(found, entries, text);
  };
  good("");
  good("  \t ");
  good(",,");
  good("a@x", "|a@x");
  good("a@x, b@y", "|a@x", "|b@y");
  good("a@x,b@y,", "|a@x", "|b@y");
  good("a@x,\n\tb@y", "|a@x", "|b@y");
  good("<a@x>", "|a@x");
  good("<>", "|");
  good("< >", "|");
  good("< a@x >", "|a@x");
  good("Nobody <>", "Nobody|");
  good("Greg <a@x>", "Greg|a@x");
  good("Greg<a@x>", "Greg|a@x");
  good("John Q. Public <a@x>", "John Q. Public|a@x");
  good('"Public, John" <a@x>', "Public, John|a@x");
  good(String.raw`"a \"b\" \\" <a@x>`, String.raw`a "b" \|a@x`);
  good('"a" b "c d" <a@x>', "a b c d|a@x");
  good('"a b"@x, "c,d"@y', '|"a b"@x', '|"c,d"@y');
  good("Jörg Müller <jörg@x>", "Jörg Müller|jörg@x");
  good("=?utf-8?q?J=C3=B6rg?= <a@x>", "=?utf-8?q?J=C3=B6rg?=|a@x");
  good("(c) a@x (d)", "|a@x");
  good("Greg (the (nested (one)) here) <a@x> (end)", "Greg|a@x");
  good(String.raw`(a \) b \( c) a@x`, "|a@x");
  good('(not a "string) a@x', "|a@x");
  good("a@x (b@y, c@z), d@w", "|a@x", "|d@w");
  good("undisclosed-recipients:;");
  good("undisclosed-recipients: ;");
  good("undisclosed-recipients: "); // neomutt writes it without the semicolon
  good("Friends: a@x, Bob <b@y>;, c@z", "|a@x", "Bob|b@y", "|c@z");
  good("My Friends:a@x;", "|a@x");
  good('"g:h": a@x;', "|a@x");
  good("One: a@x; Two: b@y;", "|a@x", "|b@y");
  good("<@relay,@other:a@x>", "|a@x");
  good("Greg <@relay:a@x>", "Greg|a@x");
  good("a@[192.0.2.1], <b@[IPv6:::1]>", "|a@[192.0.2.1]", "|b@[IPv6:::1]");
});

Deno.test("A display name in another charset does not lose the address", () => {
  // Latin-1 in a header arrives as U+FFFD; the name is only shown, the address is used.
  assert.deepEqual(parseAddressList('J\ufffdrg <a@x>, "M\ufffdller" <b@y>, Caf\ufffd: c@z;'), [
    { name: "J\ufffdrg", address: { local: "a", domain: "x" } },
    { name: "M\ufffdller", address: { local: "b", domain: "y" } },
    { name: "", address: { local: "c", domain: "z" } },
  ]);
});

Deno.test("parseAddressList accepts bare words only on request", () => {
  const good = (text: string, ...entries: string[]) => {
    const found = parseAddressList(text, { bare: true }).map(({ address }) => address && formatAddress(address));
    assert.deepEqual(found, entries, text);
    assert.throws(() => parseAddressList(text), { kind: "address-invalid" }, text);
  };
  good("root", "root");
  good("root,greg", "root", "greg");
  good("a@x,root", "a@x", "root");
  good("Root <root>", "root");
  good("Admins: root, greg;", "root", "greg");
  good('"a b"', '"a b"');
  good("root (the super user)", "root");

  const bad = (text: string) =>
    assert.throws(() => parseAddressList(text, { bare: true }), { kind: "address-invalid" }, text);
  bad("two words");
  bad("root@");
  bad("@x");
  bad("r\ufffdot");
  bad("Root <r\ufffdot>");
});

Deno.test("parseAddressList rejects the whole list if any part of it cannot be parsed", () => {
  const bad = (text: string) => assert.throws(() => parseAddressList(text), { kind: "address-invalid" }, text);
  for (
    const text of [
      "a@x b@y",
      "a@x <b@y>",
      "<a@x> <b@y>",
      "<a@x> b@y",
      "<a@x",
      "a@x>",
      "<a@x, b@y>",
      "<a b@x>",
      "Greg <>>",
      "a@x (open",
      "a@x (open (closed)",
      "a@x )",
      '"open <a@x>',
      "a@x; b@y",
      ";",
      ":;",
      "One: Two: a@x;;",
      "a@b@c",
      "<a@b@c>",
      "<@relay a@x>",
      "<@relay,a@x>",
      "<@:a@x>",
      "<@relay:>",
      "Greg",
      "Greg a@x",
      "a@x\0",
      "a\0b@x",
      "Gr\0g <a@x>",
      "a\u0007@x",
      '"a\rb"@x',
      '"a\nb"@x',
      "a@x\u0085",
      "[192.0.2.1]",
      "a@x\\",
      "a\ufffd@x",
      "<a\ufffd@x>",
      "<a@x\ufffd>",
    ]
  ) bad(text);
});

Deno.test("Long hostile lists are parsed in bounded time or cause a Fail", () => {
  const pieces = [
    ...'()"<>,:;@\\[] a=',
    '\\"',
    "()",
    '""',
    "<>",
    "a@b,",
    "a ",
    '"a',
    "(\\",
    "<@a,",
    "g:",
    "g:a@b;",
    "a.",
  ];
  for (const front of ["", '"', "(", "<", "a@", "a <", "a: "]) {
    for (const piece of pieces) {
      for (const back of ["", '"', ")", ">", "@x", '"@x']) {
        const text = front + piece.repeat(Math.ceil(100_000 / piece.length)) + back;
        for (const bare of [false, true]) {
          try {
            parseAddressList(text, { bare });
          } catch (error) {
            assert.ok(error instanceof Fail, `${front}${piece}…${back}: ${error}`);
          }
        }
      }
    }
  }
});

Deno.test("Addresses and lists of 1 MB are parsed", () => {
  const long = "x".repeat(1024 * 1024);
  assert.equal(parseAddress(`"${long}"@x`).local, `"${long}"`);
  assert.equal(parseAddress(`${long}@x`).local, long);
  assert.equal(parseAddressList(`(${long}) a@x`).length, 1);
  assert.equal(parseAddressList(`${"a@x,".repeat(long.length / 4)}`).length, long.length / 4);
});

Deno.test("formatMailbox quotes a name if necessary", () => {
  const address = { local: "a", domain: "x" };
  assert.equal(formatMailbox("", address), "a@x");
  assert.equal(formatMailbox("CronDaemon", address), "CronDaemon <a@x>");
  assert.equal(formatMailbox("John Public", address), "John Public <a@x>");
  assert.equal(formatMailbox("John Q. Public", address), '"John Q. Public" <a@x>');
  assert.equal(formatMailbox('a"b\\c', address), String.raw`"a\"b\\c" <a@x>`);
  assert.equal(formatMailbox("b@y", address), '"b@y" <a@x>');
  assert.equal(formatMailbox("two  spaces", address), '"two  spaces" <a@x>');
});

Deno.test("Addresses are compared ignoring case", () => {
  const [a, b] = [parseAddress("Greg@Example.ORG"), parseAddress("greg@example.org")];
  assert.equal(canonical(a), "greg@example.org");
  assert.ok(sameAddress(a, b));
  assert.ok(!sameAddress(a, parseAddress("greg@example.com")));
  assert.ok(!sameAddress(a, parseAddress("gregg@example.org")));
});
