import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { COMPARED_FIELDS } from "../../lib/compared.ts";
import { dayOf } from "../../lib/date.ts";
import {
  disagreement,
  type Entry,
  entryName,
  hasToken,
  LEDGER_BODY_BYTES,
  LEDGER_DAYS,
  listDigest,
  messageDigest,
  parseEntry,
  printEntry,
} from "../../lib/entry.ts";
import { openBody, sealedEntry } from "../../io/state/seal.ts";
import { parseHead } from "../../lib/message.ts";
import { joe, now } from "../challenges.ts";

// A fixed seed makes failures reproducible; `deno task fuzz` explores new cases.
fc.configureGlobal({ seed: 1 });

const HEADER = `From: Joe <joe@example.net>
To: test@lists.example.org
Subject: hello there
Date: Fri, 20 Nov 2026 05:59:57 +0100
Message-ID: <p1@example.net>
`;
const head = (text: string) => parseHead(encodeLatin1(`${text}\n`), true)!.header;

interface EntryOptions {
  list?: string;
  recipients?: string[];
  whole?: boolean;
  keys?: typeof joe.keys;
}
async function newEntry(header = HEADER, body = "one\ntwo\n", options: EntryOptions = {}): Promise<Entry> {
  const { list = "Test@lists.example.org", recipients = [list], whole = true, keys = joe.keys } = options;
  const message = { identity: { ...joe, keys }, header: head(header), body: encodeLatin1(body), whole };
  return (await sealedEntry(parseAddress(list), { ...message, recipients: recipients.map(parseAddress) }, now))!;
}

/** Why a challenge that quotes this header and body is not answered; undefined if it is. */
async function whyNotAnswered(
  entry: Entry,
  body: string,
  { header = HEADER, ended = false, headerOnly = false, identity = joe } = {},
): Promise<string | undefined> {
  const quoted = { header: head(header), body: encodeLatin1(body), ended, headerOnly };
  return disagreement(entry, await openBody(entry, identity, now), quoted);
}

Deno.test("An entry contains no readable text of the message", { permissions: "none" }, async () => {
  const { fields, body, ...entry } = await newEntry();
  assert.deepEqual(entry, {
    from: "joe@example.net",
    messageId: "p1@example.net",
    list: "test@lists.example.org",
    expires: dayOf(now) + LEDGER_DAYS,
    alone: true,
  });
  assert.equal(fields.length, COMPARED_FIELDS.length);
  for (const digest of fields) assert.match(digest, /^[0-9a-f]{32}$/);
  assert.deepEqual([body.key, body.whole], ["k1", true]);
  const text = `${HEADER.repeat(2)}\nThis is the text of the message.\n`;
  assert.notEqual(
    (await newEntry(HEADER, text)).body.sealed,
    (await newEntry(HEADER, text)).body.sealed,
    "equal texts are encrypted differently",
  );
  const printed = printEntry(await newEntry(HEADER, text));
  assert.ok(!/hello|the text|2026|VGhpcyBpcyB0aGUgdGV4d/.test(printed));
  assert.match(printed, /^[^\n]+\n$/);
  assert.equal((await newEntry(HEADER.replace("Message-ID:", "X:"))).messageId, "");
});

Deno.test(
  "An entry holds the list command, and whether the list is the only recipient in its domain",
  { permissions: "none" },
  async () => {
    const request = async (list: string, body = "") => (await newEntry(HEADER, body, { list })).request;
    assert.equal(await request("dev@lists.example.org", "subscribe\n"), undefined);
    assert.deepEqual(await request("Dev-Join@Lists.example.org"), {
      command: "subscribe",
      list: "dev@lists.example.org",
    });
    assert.deepEqual(await request("sympa@lists.example.org", "signoff dev\n"), {
      command: "unsubscribe",
      list: "dev@lists.example.org",
    });
    const list = "dev@lists.example.org";
    const alone = async (...others: string[]) =>
      (await newEntry(HEADER, "", { list, recipients: [list, ...others] })).alone;
    assert.equal(await alone("ann@example.org"), true);
    assert.equal(await alone("ann@example.org", "users@LISTS.example.org"), false);
  },
);

Deno.test("Without a key that can sign no entry is made", { permissions: "none" }, async () => {
  const [key] = joe.keys;
  assert.equal(await newEntry(HEADER, "", { keys: [{ ...key!, created: dayOf(now) - 1000 }] }), undefined);
  assert.equal(await newEntry(HEADER, "", { keys: [{ ...key!, secret: new Uint8Array(1) }] }), undefined);
});

Deno.test("An entry remembers the pymsgauth token and matches no other", { permissions: "none" }, async () => {
  const token = "90587d9fd8e756fbb1cc1de91d5ff64933e32b40";
  const entry = await newEntry(`X-pymsgauth-token: ${token}\n${HEADER}`);
  assert.ok(!printEntry(entry).includes(token));
  assert.equal(hasToken(entry, token), true);
  assert.equal(hasToken(entry, token.replace("9", "8")), false);
  assert.equal(hasToken(await newEntry(), token), false);
  assert.equal(hasToken(await newEntry(), ""), false);
});

Deno.test("An entry can be decrypted with its own key only", { permissions: "none" }, async () => {
  const [key] = joe.keys;
  const entry = await newEntry();
  const why = (keys: typeof joe.keys, sealed = entry) =>
    whyNotAnswered(sealed, "one\n", { identity: { ...joe, keys } });
  assert.equal(await why([{ ...key!, id: "k2", created: key!.created + 1 }, key!]), undefined, "a newer key signs");
  const noKey = /not encrypted with a valid key/;
  assert.match(await why([{ ...key!, id: "k2" }]) ?? "", noKey);
  assert.match(await why([{ ...key!, secret: encodeLatin1("another secret of 16") }]) ?? "", noKey);
  assert.match(await why([{ ...key!, created: dayOf(now) - 1000 }]) ?? "", noKey);
  for (const sealed of ["", "A", "AAAA", entry.body.sealed.replace(/^..../, "AAAA")]) {
    assert.match(await why(joe.keys, { ...entry, body: { ...entry.body, sealed } }) ?? "", noKey, sealed);
  }
});

/** An independent implementation: files must remain readable by later versions. */
async function digest(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encodeLatin1(text))).toHex().slice(0, 32);
}

Deno.test("File names and digests have the documented format", { permissions: "none" }, async () => {
  assert.deepEqual([LEDGER_BODY_BYTES, LEDGER_DAYS], [65536, 7]);
  const two = HEADER.replace("From: ", 'From: "Ann  Lee" <Ann@Example.org>, root, friends:;, Nobody <>, ');
  const texts: Record<string, string> = {
    From: "Ann Lee <ann@example.org>, <root@>,Nobody <>,Joe <joe@example.net>",
    To: "<test@lists.example.org>",
    Date: "Fri, 20 Nov 2026 05:59:57 +0100",
    Subject: "hello there",
  };
  const expected = await Promise.all(COMPARED_FIELDS.map((name) => digest(texts[name] ?? "")));
  assert.deepEqual((await newEntry(two)).fields, expected);
  assert.equal(entryName({ messageId: "1@x", list: "A@b" }), `${await digest("1@x")}-${await digest("a@b")}`);
});

Deno.test(
  "A changed, missing or repeated header field is reported by name",
  { permissions: "none" },
  async () => {
    const full =
      `${HEADER}Reply-To: joe@example.net\nCc: Ann <ann@example.org>\nMail-Followup-To: test@lists.example.org
Comments: c\nKeywords: k\nOrganization: o\nIn-Reply-To: <p0@example.net>\nReferences: <p0@example.net>
Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n`;
    const entry = await newEntry(full);
    assert.equal(await whyNotAnswered(entry, "one\n", { header: full }), undefined);
    for (const name of COMPARED_FIELDS) {
      const why = `the quoted ${name} differs from what was sent`;
      const line = new RegExp(`^${name}: .*\n`, "m");
      assert.match(full, line, name);
      assert.equal(await whyNotAnswered(entry, "one\n", { header: full.replace(line, "") }), why);
      assert.equal(await whyNotAnswered(entry, "one\n", { header: full.replace(line, "$&$&") }), why);
      assert.equal(
        await whyNotAnswered(entry, "one\n", { header: full.replace(line, `${name}: x@example.com\n`) }),
        why,
      );
      assert.equal(await whyNotAnswered(entry, "one\n", { header: `${name}: x@example.com\n${full}` }), why);
      const without = await newEntry(full.replace(line, ""));
      assert.equal(await whyNotAnswered(without, "one\n", { header: full }), why);
      const empty = full.replace(line, `${name}:\n`);
      assert.equal(await whyNotAnswered(without, "one\n", { header: empty }), undefined, `${name} is empty`);
    }
  },
);

Deno.test("A field of more than 16 KB matches nothing", { permissions: "none" }, async () => {
  for (
    const [length, why] of [[16_384, undefined], [16_385, "the quoted Subject differs from what was sent"]] as const
  ) {
    const header = HEADER.replace("hello there", "x".repeat(length));
    const entry = await newEntry(header);
    assert.equal(await whyNotAnswered(entry, "one\n", { header }), why, `${length}`);
    assert.equal(entry.fields[COMPARED_FIELDS.indexOf("Subject")] === "", why !== undefined);
  }
});

Deno.test(
  "The quoted body must be the beginning of the body that was sent",
  { permissions: "none" },
  async () => {
    const good = async (sent: string, quoted: string, how = {}) =>
      assert.equal(
        await whyNotAnswered(await newEntry(HEADER, sent), quoted, how),
        undefined,
        JSON.stringify([sent, quoted]),
      );
    const bad = async (sent: string, quoted: string, why = /body differs from what was sent/, how = {}) =>
      assert.match(
        await whyNotAnswered(await newEntry(HEADER, sent), quoted, how) ?? "",
        why,
        JSON.stringify([sent, quoted]),
      );
    const lines = (count: number) => Array.from({ length: count }, (_, nth) => `line ${nth}\n`).join("");
    await good("one\ntwo\n", "one\ntwo\n");
    await good("one\ntwo\n", "one\n");
    await good("one\ntwo\n", "one\n\n\n");
    await good("one\ntwo\n", "one\ntwo\n\n\n");
    await good("one\n\ntwo\n", "one\n\n");
    await good("one\r\ntwo\r\n", "one\ntwo\n");
    await good("one\ntwo\n", "one\r\ntwo\r\n");
    await good("one", "one\n");
    await good("one\n", "one");
    await good("\n", "\n");
    await good("\n", "");
    await good("\none\n", "\n");
    await good("\none", "\none\n");
    await good("", "");
    await good("", "\n\n");
    await good("one\n", "", { headerOnly: true });
    await good("\n\none\n", "\n\n");
    await good("caf\xe9\xff\0\rx\n", "caf\xe9\xff\0\rx\n");
    for (const count of [63, 64, 65, 69, 1000]) {
      await good(lines(1000), lines(count));
      await good(lines(count), lines(count));
      await good(lines(count), `${lines(count)}\n\n`);
      await bad(lines(count), `${lines(count)}BUY NOW\n`);
      await bad(lines(1000), `${lines(count - 1)}BUY NOW\n`);
      await bad(lines(1000), `${lines(count - 1)}BUY NOW`);
    }
    // The quotation may be cut within a line; the rest of that line is compared too.
    await good("one\ntwo three\n", "one\ntwo th");
    await good("one\ntwo three\n", "one\ntwo three");
    await bad("one\ntwo three\n", "one\ntwo tr");
    await bad("one\ntwo three\n", "one\ntwo three four");
    await bad("one\ntwo three\n", "one\nBUY NOW");
    // A line that ends with a line ending is complete, and so is the last line of a MIME part.
    await bad("one\ntwo three\n", "one\ntwo th\n");
    await bad("one\ntwo three\n", "one\ntwo th", undefined, { ended: true });
    await good("one\ntwo three\n", "one\ntwo three", { ended: true });

    await bad("one\ntwo\n", "two\n");
    await bad("one\ntwo\n", "one\ntwo\nthree\n");
    await bad("one\ntwo\n", "one\n\ntwo\n");
    await bad("one\ntwo\n", "\none\n");
    await bad("one\ntwo\n", "one \n");
    await bad("one\ntwo\n", "onetwo\n");
    await bad("one\ntwo\n", "One\n");
    await bad("one\ntwo\n", "one\rtwo\n");
    await bad("", "BUY NOW\n");
    await bad("", "BUY NOW");
    await bad("caf\xe9\n", "caf\xe8\n");
    // Text appended after any number of empty lines is noticed.
    for (const empty of [1, 2, 63, 64, 128, 70_000]) {
      await bad("one\n", `one\n${"\n".repeat(empty)}BUY NOW\n`);
      await bad("one\n", `one\n${"\n".repeat(empty)}BUY NOW`);
      await bad(lines(63), `${lines(63)}${"\n".repeat(empty)}BUY NOW\n`);
    }
    const noLine = /no line of the body is quoted/;
    await bad("one\n", "", noLine);
    await bad("one\ntwo\n", "", noLine);
    await bad("one\ntwo\n", "\n\n", noLine);
    for (const ended of [false, true]) await bad("\none\n", "", noLine, { ended });
    await bad("one two\nthree\n", "one t", noLine);
    await bad("one\n", "BUY NOW\n", undefined, { headerOnly: true });
  },
);

Deno.test("64 KB of a body are remembered; a longer quotation does not match", { permissions: "none" }, async () => {
  const long = "a line of some length\n".repeat(4000);
  for (const [text, whole] of [[long, true], [long.slice(0, LEDGER_BODY_BYTES), false]] as const) {
    const entry = await newEntry(HEADER, text, { whole });
    assert.equal(entry.body.whole, false);
    const why = (quoted: string) => whyNotAnswered(entry, quoted);
    assert.equal(await why(long.slice(0, 60_000)), undefined);
    assert.equal(await why(long.slice(0, LEDGER_BODY_BYTES)), undefined);
    assert.match(await why(long) ?? "", /it quotes more of the body than is remembered/);
    assert.match(await why(`${long.slice(0, LEDGER_BODY_BYTES)}BUY NOW\n`) ?? "", /more .* than is remembered/);
    assert.match(await why(`${long.slice(0, LEDGER_BODY_BYTES - 9)}BUY NOW\n`) ?? "", /differs from what was sent/);
  }
  const exact = "x".repeat(LEDGER_BODY_BYTES - 1) + "\n";
  const entry = await newEntry(HEADER, exact);
  assert.equal(entry.body.whole, true);
  assert.equal(await whyNotAnswered(entry, exact), undefined);
  assert.equal(await whyNotAnswered(await newEntry(HEADER, `a\rb\n${long}`), "a\rb\n"), undefined, "a bare CR");
  // A CRLF across the 64 KB boundary.
  const border = `${"x".repeat(LEDGER_BODY_BYTES - 1)}\r\ntwo\r\n`;
  assert.equal(
    await whyNotAnswered(await newEntry(HEADER, border), border.slice(0, 70)),
    "no line of the body is quoted",
  );
  assert.match(await whyNotAnswered(await newEntry(HEADER, border), border) ?? "", /more .* than is remembered/);
});

Deno.test(
  "Property: any beginning of the body matches, and any changed line does not",
  { permissions: "none" },
  async () => {
    const texts = fc.array(
      fc.string({ unit: "binary-ascii", maxLength: 20 }).map((line) => line.replace(/[\r\n]/g, "")),
      { minLength: 1, maxLength: 100 },
    );
    await fc.assert(fc.asyncProperty(texts, fc.nat(), fc.nat(), async (body, cut, at) => {
      const text = (all: string[]) => all.map((line) => `${line}\n`).join("");
      const entry = await newEntry(HEADER, text(body));
      const quoted = body.slice(0, 1 + cut % body.length);
      assert.equal(await whyNotAnswered(entry, text(quoted)), undefined);
      const other = quoted.with(at % quoted.length, `${quoted[at % quoted.length]}x`);
      assert.match(await whyNotAnswered(entry, text(other), { headerOnly: true }) ?? "", /differs from what was sent/);
      const piece = text(body).slice(0, cut % text(body).length);
      if (/[^\n]/.test(piece)) {
        assert.match(await whyNotAnswered(entry, `${piece}\x01x`, { headerOnly: true }) ?? "", /differs from what/);
      }
    }));
  },
);

Deno.test("parseEntry reverses printEntry and rejects everything else", { permissions: "none" }, async () => {
  const entry = await newEntry();
  assert.deepEqual(parseEntry(printEntry(entry)), entry);
  const bad = (text: string) => assert.equal(parseEntry(text), undefined, text);
  for (const text of ["", "null", "1", "true", '"a"', "[]", "{}", "{", "\0", printEntry(entry).slice(0, 40)]) bad(text);
  const badWith = (change: Partial<Record<keyof Entry, unknown>>) => bad(JSON.stringify({ ...entry, ...change }));
  for (const name of Object.keys(entry) as (keyof Entry)[]) {
    for (const value of [undefined, null, {}, [1]]) badWith({ [name]: value });
  }
  badWith({ fields: entry.fields.slice(1) });
  badWith({ fields: entry.fields.with(1, 1 as never) });
  badWith({ fields: [...entry.fields, "a"] });
  badWith({ body: { ...entry.body, sealed: 1 } });
  badWith({ body: { ...entry.body, key: undefined } });
  badWith({ body: { ...entry.body, whole: "true" } });
  badWith({ token: 1 });
  const request = { command: "subscribe", list: "a@b" };
  assert.ok(parseEntry(JSON.stringify({ ...entry, request, token: "a" })));
  assert.ok(parseEntry(JSON.stringify({ ...entry, request: { ...request, subscriber: "c@d" } })));
  badWith({ request: null });
  for (const command of ["help", "resubscribe", "subscribed"]) badWith({ request: { ...request, command } });
  badWith({ request: { ...request, list: 1 } });
  badWith({ request: { ...request, subscriber: 1 } });
  badWith({ expires: 1.5 });
  badWith({ expires: "1" });
});

Deno.test(
  "Property: the name of an entry is unique to its Message-ID and list, and consists of digests only",
  { permissions: "none" },
  () => {
    const name = (messageId: string, list: string) => entryName({ messageId, list });
    const texts = fc.string({ unit: "binary", maxLength: 50 });
    fc.assert(fc.property(texts, texts, texts, (id, list, other) => {
      const entry = name(id, list);
      assert.match(entry, /^[0-9a-f]{32}-[0-9a-f]{32}$/);
      assert.equal(entry, `${messageDigest(id)}-${listDigest(list)}`);
      if (list.toUpperCase().toLowerCase() === list.toLowerCase()) {
        assert.equal(name(id, list.toUpperCase()), entry);
      }
      if (other !== id) assert.notEqual(name(other, list), entry);
      if (other.toLowerCase() !== list.toLowerCase()) assert.notEqual(name(id, other), entry);
    }));
  },
);
