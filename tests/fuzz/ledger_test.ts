/** Ledger entries: serialization, and comparison with a quoted message. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { disagreement, type Entry, parseEntry, printEntry } from "../../lib/entry.ts";
import { openBody, sealedEntry } from "../../io/state/seal.ts";
import { COMPARED_FIELDS } from "../../lib/compared.ts";
import { parseAddress } from "../../lib/address.ts";
import { parseHead } from "../../lib/message.ts";
import { joe, now } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { anyBytes, anyText, touched, touches } from "./texts.ts";

const entries: fc.Arbitrary<Entry> = fc.record({
  messageId: anyText,
  list: anyText,
  from: anyText,
  expires: fc.nat(),
  alone: fc.boolean(),
  fields: fc.array(anyText, { minLength: COMPARED_FIELDS.length, maxLength: COMPARED_FIELDS.length }),
  body: fc.record({ key: anyText, sealed: anyText, whole: fc.boolean() }, { noNullPrototype: true }),
}, { noNullPrototype: true });

fuzz("parseEntry reverses printEntry, which writes one line", entries, (entry) => {
  assert.deepEqual(parseEntry(printEntry(entry)), entry);
  assert.match(printEntry(entry), /^[^\r\n]*\n$/);
});

const texts = (list: unknown) => Array.isArray(list) && list.every((one) => typeof one === "string");

fuzz(
  "a changed file is a well-formed entry or rejected",
  fc.tuple(entries, fc.array(touches, { maxLength: 4 })),
  ([entry, all]) => {
    const read = parseEntry(all.reduce(touched, printEntry(entry)));
    if (read === undefined) return;
    assert.ok([read.messageId, read.list, read.from].every((one) => typeof one === "string"));
    assert.ok(Number.isInteger(read.expires) && texts(read.fields) && read.fields.length === COMPARED_FIELDS.length);
    assert.ok(typeof read.body.sealed === "string" && typeof read.alone === "boolean");
  },
);

fuzz("parseEntry accepts or rejects any text without an error", fc.oneof(fc.json(), anyText), (text) => {
  const read = parseEntry(text);
  if (read !== undefined) assert.equal(typeof read.messageId, "string");
});

const body = fc.array(anyBytes.map((line) => line.replace(/[\r\n]/g, "")), { minLength: 1, maxLength: 100 });
const quoted = fc.record({
  from: anyText,
  subject: anyText,
  body,
  touch: touches,
  which: fc.constantFrom("body", "head"),
}, {
  noNullPrototype: true,
});

fuzz("a quotation agrees if it equals what was sent, and disagrees if the text differs", quoted, async (given) => {
  const flat = (text: string) => encodeLatin1(text.replace(/[\r\n\0]/g, "").replace(/[^\x20-\x7e]/g, "?"));
  const mail = (subject: string, lines: string[]) => {
    const front = `From: ${String.fromCharCode(...flat(given.from))}\nDate: x\nSubject: ${
      String.fromCharCode(...flat(subject))
    }\n`;
    const bytes = encodeLatin1(`${front}Message-ID: <1@x>\n\n${lines.map((line) => `${line}\n`).join("")}`);
    const { header, bodyStart } = parseHead(bytes, true)!;
    return { header, body: bytes.subarray(bodyStart) };
  };
  const sent = mail(given.subject, given.body);
  const message = { identity: joe, recipients: [], whole: true, ...sent };
  const entry = (await sealedEntry(parseAddress("List@x"), message, now))!;
  const opened = await openBody(entry, joe, now);
  const compare = (quoted: typeof sent) => disagreement(entry, opened, { ...quoted, ended: true, headerOnly: false });
  assert.equal(compare(sent), undefined);
  if (given.which === "body") {
    const at = given.touch.at % given.body.length;
    const line = touched(given.body[at]!, given.touch).replace(/[\r\n]/g, "").replace(/[^\0-\xff]/g, "?");
    // Empty lines at the end may belong to the challenge.
    if (line === given.body[at] || given.body.with(at, line).slice(at).every((one) => one === "")) return;
    assert.notEqual(compare(mail(given.subject, given.body.with(at, line))), undefined);
  } else {
    const other = `x${given.subject}`;
    assert.notEqual(compare(mail(other, given.body)), undefined);
  }
});
