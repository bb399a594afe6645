import assert from "node:assert/strict";
import fc from "fast-check";
import { binary, textToBinary, unbinary } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/day.ts";
import {
  bodyLines,
  disagreement,
  type Entry,
  ENTRY_DAYS,
  entryName,
  LINES,
  listDigest,
  makeEntry,
  messageDigest,
  parseEntry,
  printEntry,
} from "../../lib/ledger.ts";
import { parseHead } from "../../lib/message.ts";

// The same cases each time: hunting is for `deno task fuzz`.
fc.configureGlobal({ seed: 1 });

const now = new Date("2026-11-20T12:00:00Z");
const HEADER = `From: Joe <joe@example.net>
To: test@lists.example.org
Subject: hello there
Date: Fri, 20 Nov 2026 05:59:57 +0100
Message-ID: <p1@example.net>
`;
const head = (text: string) => parseHead(unbinary(`${text}\n`), true)!.header;
const lines = (text: string) => bodyLines(unbinary(text), true);
const made = (header = HEADER, body = "one\ntwo\n", list = "Test@lists.example.org") =>
  makeEntry("joe@example.net", list, head(header), lines(body), now);

Deno.test("An entry holds digests and nothing of the text", { permissions: "none" }, async () => {
  const entry = await made();
  assert.deepEqual(
    { ...entry, fields: entry.fields.length, lines: entry.lines.length },
    {
      from: "joe@example.net",
      messageId: "p1@example.net",
      list: "test@lists.example.org",
      expires: dayOf(now) + ENTRY_DAYS,
      fields: 3,
      lines: 2,
    },
  );
  for (const digest of [...entry.fields, ...entry.lines]) assert.match(digest, /^[0-9a-f]{32}$/);
  assert.ok(!/hello|one|2026/.test(printEntry(entry)));
  assert.match(printEntry(entry), /^[^\n]+\n$/);
  assert.equal((await made(HEADER.replace("Message-ID:", "X:"))).messageId, "");
  assert.equal((await made(HEADER, "x\n".repeat(LINES + 1))).lines.length, LINES);
});

/** As another program would do it: the files outlive the version that wrote them. */
async function digest(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", unbinary(text))).toHex().slice(0, 32);
}

Deno.test("An entry is what it was in the first version", { permissions: "none" }, async () => {
  assert.deepEqual([LINES, ENTRY_DAYS], [64, 7]);
  const two = HEADER.replace("From: ", 'From: "Ann  Lee" <Ann@Example.org>, root, friends:;, Nobody <>, ');
  const { fields, lines } = await made(two);
  const first = await digest("one");
  assert.deepEqual(lines, [first, await digest(`${first}two`)]);
  assert.deepEqual(fields, [
    await digest("Ann Lee <ann@example.org>, <root@>,Nobody <>,Joe <joe@example.net>"),
    await digest("Fri, 20 Nov 2026 05:59:57 +0100"),
    await digest("hello there"),
  ]);
  assert.equal(await entryName({ messageId: "1@x", list: "A@b" }), `${await digest("1@x")}-${await digest("a@b")}`);
});

Deno.test("Header fields agree in whatever spelling, and in no other text", { permissions: "none" }, async () => {
  const subject = HEADER.replace("hello there", textToBinary("Gr\u00fc\u00dfe an alle"));
  const entry = await made();
  const accents = await made(subject);
  const good = async (header: string, against = entry) =>
    assert.equal(await disagreement(against, head(header), lines("one\n"), false), undefined, header);
  const bad = async (header: string, name: string, against = entry) =>
    assert.equal(
      await disagreement(against, head(header), lines("one\n"), false),
      `the quoted ${name} is not what was sent`,
      header,
    );
  await good(HEADER);
  await good(HEADER.replace("Joe <joe@example.net>", '"Joe" <Joe@Example.NET> (at home)'));
  await good(HEADER.replace("Joe <joe@example.net>", "=?utf-8?q?Joe?= <joe@example.net>"));
  await good(HEADER.replace("hello there", "hello\n  there "));
  await good(HEADER.replace("hello there", "=?us-ascii?q?hello_there?="));
  await good(HEADER.replace("hello there", "=?utf-8?b?aGVsbG8g?=\n =?utf-8?b?dGhlcmU=?="));
  await good(HEADER.replace("20 Nov", "20\tNov"));
  await good(HEADER.replaceAll(/^[\w-]+:/gm, (name) => name.toUpperCase()));
  await good(HEADER.replace("To: ", "To: x, "));
  await good(HEADER.replace("hello there", "=?us-ascii?q?_hello_there_?="));
  await good(subject, accents);
  await good(HEADER.replace("hello there", "=?iso-8859-1?q?Gr=FC=DFe_an_alle?="), accents);

  await bad(HEADER.replace("joe@", "jo@"), "From");
  await bad(HEADER.replace("Joe <joe@example.net>", "joe@example.net"), "From");
  await bad(HEADER.replace("Joe <", "Jo <"), "From");
  await bad(HEADER.replace("example.net>", "example.net>, x@example.net"), "From");
  await bad(HEADER.replace("From:", "X:"), "From");
  await bad(`From: x@example.net\n${HEADER}`, "From");
  await bad(`${HEADER}From: joe@example.net\n`, "From");
  await bad(HEADER.replace("05:59:57", "05:59:58"), "Date");
  await bad(HEADER.replace("+0100", "+0100 (CET)"), "Date");
  await bad(HEADER.replace("Date:", "X:"), "Date");
  await bad(HEADER.replace("Fri", "=?us-ascii?q?Fri?="), "Date");
  await bad(`${HEADER}Date: Sat, 21 Nov 2026 05:59:57 +0100\n`, "Date");
  await bad(HEADER.replace("hello there", "hellothere"), "Subject");
  await bad(HEADER.replace("hello there", "Hello there"), "Subject");
  await bad(HEADER.replace("hello there", "Re: hello there"), "Subject");
  await bad(HEADER.replace("hello there", "=?us-ascii?q?hello_ther?="), "Subject");
  await bad(HEADER.replace("Subject:", "X:"), "Subject");
  await bad(`${HEADER}Subject: BUY NOW\n`, "Subject");
  await bad(`Subject: BUY NOW\n${HEADER}`, "Subject");
  const joined = HEADER.replace("hello there", "hellothere");
  await bad(HEADER.replace("hello there", "hello\nSubject: there"), "Subject", await made(joined));
  await bad(subject.replace("\xbc", "\xbd"), "Subject", accents);
});

Deno.test("Fields that were not there must not be there", { permissions: "none" }, async () => {
  const bare = HEADER.replace(/^Subject: .*\n/m, "");
  const entry = await made(bare);
  assert.equal(await disagreement(entry, head(bare), lines("one\n"), false), undefined);
  assert.equal(await disagreement(entry, head(`${bare}Subject:\n`), lines("one\n"), false), undefined);
  assert.notEqual(await disagreement(entry, head(HEADER), lines("one\n"), false), undefined);
});

Deno.test("The quoted body is the beginning of what was sent", { permissions: "none" }, async () => {
  const quote = async (sent: string, quoted: string, headerOnly = false) =>
    await disagreement(await made(HEADER, sent), head(HEADER), lines(quoted), headerOnly);
  const good = async (sent: string, quoted: string, headerOnly = false) =>
    assert.equal(await quote(sent, quoted, headerOnly), undefined, JSON.stringify([sent, quoted]));
  const bad = async (sent: string, quoted: string, why = /body is not what was sent/) =>
    assert.match(await quote(sent, quoted) ?? "", why, JSON.stringify([sent, quoted]));
  const many = (count: number) => Array.from({ length: count }, (_, nth) => `line ${nth}\n`).join("");
  await good("one\ntwo\n", "one\ntwo\n");
  await good("one\ntwo\n", "one\n");
  await good("one\ntwo\n", "one\n\n\n");
  await good("one\ntwo\n", "one\ntwo\n\n\n");
  await good("one\n\ntwo\n", "one\n\n");
  await good("one\r\ntwo\r\n", "one\ntwo\n");
  await good("one", "one\n");
  await good("\n", "\n");
  await good("\none\n", "\n");
  await good("", "");
  await good("", "\n\n");
  await good("one\n", "", true);
  await good("\n\none\n", "\n\n");
  await good(many(LINES - 1), `${many(LINES - 1)}\n`);
  await good(many(LINES), many(LINES));
  await good(many(LINES), `${many(LINES)}\n\n`);
  await good(many(LINES + 5), many(LINES + 5));
  await good(many(LINES + 5), many(LINES));

  await bad("one\ntwo\n", "two\n");
  await bad("one\ntwo\n", "one\ntwo\nthree\n");
  await bad("one\ntwo\n", "one\n\ntwo\n");
  await bad("one\ntwo\n", "\none\n");
  await bad("one\ntwo\n", "one \n");
  await bad("one\ntwo\n", "onetwo\n");
  await bad("one\ntwo\n", "One\n");
  await bad("", "BUY NOW\n");
  await bad(many(LINES), many(LINES).replace(`line ${LINES - 1}`, "BUY NOW"));
  // What was added behind is seen, however far behind.
  for (const empty of [1, 2, LINES - 2, LINES - 1, LINES, 2 * LINES]) {
    await bad("one\n", `one\n${"\n".repeat(empty)}BUY NOW\n`);
    await bad(many(LINES - 1), `${many(LINES - 1)}${"\n".repeat(empty)}BUY NOW\n`);
  }
  await bad("one\n", "", /no line of the body is quoted/);
  await bad("one\ntwo\n", "", /no line of the body is quoted/);
  await bad("one\ntwo\n", "\n\n", /no line of the body is quoted/);
  assert.match(await quote("one\n", "BUY NOW\n", true) ?? "", /not what was sent/, "a header alone, with a body");
});

Deno.test("Any beginning agrees, any other line does not", { permissions: "none" }, async () => {
  const texts = fc.array(
    fc.string({ unit: "binary-ascii", maxLength: 20 }).map((line) => line.replace(/[\r\n]/g, "")),
    {
      minLength: 1,
      maxLength: LINES - 1,
    },
  );
  await fc.assert(fc.asyncProperty(texts, fc.nat(), fc.nat(), async (body, cut, at) => {
    const text = (all: string[]) => all.map((line) => `${line}\n`).join("");
    const entry = await made(HEADER, text(body));
    const quoted = body.slice(0, 1 + cut % body.length);
    const why = await disagreement(entry, head(HEADER), lines(text(quoted)), false);
    assert.equal(why, undefined);
    const other = quoted.with(at % quoted.length, `${quoted[at % quoted.length]}x`);
    assert.match(await disagreement(entry, head(HEADER), lines(text(other)), true) ?? "", /not what was sent/);
  }));
});

Deno.test("Lines of a body", { permissions: "none" }, () => {
  const good = (text: string, whole: boolean, expected: string[]) =>
    assert.deepEqual(bodyLines(unbinary(text), whole).map(binary), expected, JSON.stringify(text));
  good("", true, []);
  good("a\nb\n", true, ["a", "b"]);
  good("a\nb", true, ["a", "b"]);
  good("a\nb", false, ["a"]);
  good("a\r\nb\r\n", true, ["a", "b"]);
  good("a\rb\n", true, ["a\rb"]);
  good("\n\r\n", true, ["", ""]);
  good("\xff\0\n", false, ["\xff\0"]);
  good("x\n".repeat(LINES + 20), true, Array(LINES + 1).fill("x"));
  good(`${"x\n".repeat(LINES)}y`, true, [...Array(LINES).fill("x"), "y"]);
  good(`${"x\n".repeat(LINES + 1)}y`, true, Array(LINES + 1).fill("x"));
});

Deno.test("An entry is read as it was written, and nothing else is one", { permissions: "none" }, async () => {
  const entry = await made();
  assert.deepEqual(parseEntry(printEntry(entry)), entry);
  const bad = (text: string) => assert.equal(parseEntry(text), undefined, text);
  for (const text of ["", "null", "1", "true", '"a"', "[]", "{}", "{", "\0", printEntry(entry).slice(0, 40)]) bad(text);
  const without = (change: Partial<Record<keyof Entry, unknown>>) => bad(JSON.stringify({ ...entry, ...change }));
  for (const name of Object.keys(entry) as (keyof Entry)[]) {
    for (const value of [undefined, null, {}, [1]]) without({ [name]: value });
  }
  without({ fields: ["a", "b"] });
  without({ fields: ["a", 1, "c"] });
  without({ lines: ["a", 1] });
  without({ fields: ["a", "b", "c", "d"] });
  without({ expires: 1.5 });
  without({ expires: "1" });
});

Deno.test(
  "Names: one a Message-ID and list, nothing in them that a stranger wrote",
  { permissions: "none" },
  async () => {
    const name = (messageId: string, list: string) => entryName({ messageId, list });
    const texts = fc.string({ unit: "binary", maxLength: 50 });
    await fc.assert(fc.asyncProperty(texts, texts, texts, async (id, list, other) => {
      const made = await name(id, list);
      assert.match(made, /^[0-9a-f]{32}-[0-9a-f]{32}$/);
      assert.equal(made, `${await messageDigest(id)}-${await listDigest(list)}`);
      if (list.toUpperCase().toLowerCase() === list.toLowerCase()) {
        assert.equal(await name(id, list.toUpperCase()), made);
      }
      if (other !== id) assert.notEqual(await name(other, list), made);
      if (other.toLowerCase() !== list.toLowerCase()) assert.notEqual(await name(id, other), made);
    }));
  },
);
