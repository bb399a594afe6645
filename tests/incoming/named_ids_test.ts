import assert from "node:assert/strict";
import { namedMessageIds } from "../../incoming/named_ids.ts";
import { messageIdBody } from "../../lib/message_id.ts";
import { delivery } from "../challenges.ts";

const named = (mail: string) => namedMessageIds(delivery(mail));
const inText = (text: string) => named(`Subject: x\n\n${text}\n`);
/** As many different Message-IDs, without brackets. */
const many = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, nth) => `${prefix}${nth + 1}@b.example`);
const bracketed = (ids: readonly string[]) => ids.map((id) => `<${id}>`).join(" ");

Deno.test("The recipients and address fields of a bounce are not looked up as Message-IDs, unless the text calls them so", () => {
  const qmail = "<ann@b.example>:\nSorry, no mailbox here by that name.\n";
  const postfix = "<ann@b.example>: host mx said: 550 5.1.1\n    <ann@b.example>: Recipient address rejected\n";
  const long = `${"a".repeat(250)}@${"b".repeat(250)}`;
  const rows: [text: string, ids: string[]][] = [
    [qmail, []],
    [postfix, []],
    [`Hi.\n\n${qmail}`, []],
    [`<${long}>:\n`, []],
    [`${qmail}Your message <p1@example.net>: refused\n`, ["p1@example.net"]],
    [`${postfix}\n<p1@example.net>\n`, ["p1@example.net"]],
    [`<p1@example.net>:\nrefused, Message-ID: p1@example.net\n`, ["p1@example.net"]],
    [`<p1@example.net>,<ann@b.example>:\n`, ["p1@example.net", "ann@b.example"]],
    [`<ann\nlee@b.example>:\n<lee@b.example>\n`, ["lee@b.example"]],
    ["Return-Path: <ann@b.example>\nFrom: Ann <ann@b.example>\nto:<bob@c.example>\nCC: x <y@z.example>\n", []],
    ["Reply-To: a <b@c.example> or <p1@example.net>\nSender:\n <d@e.example>\n", ["p1@example.net", "d@e.example"]],
    ["From: Ann <ann@b.example>\nReferences: <p1@example.net>\n", ["p1@example.net"]],
    [
      "Reply to: <p1@example.net>\nFrom <p2@example.net>\n> From: <p3@example.net>\n",
      [1, 2, 3].map((nth) => `p${nth}@example.net`),
    ],
  ];
  for (const [text, ids] of rows) assert.deepEqual(inText(text), ids, text);
});

Deno.test("Message-IDs in a text are those in angle brackets, and what follows the words Message-ID", () => {
  const rows: [text: string, ids: string[]][] = [
    ["about <p1@b.example>", ["p1@b.example"]],
    ["about <p1@b.example>, <p2@b.example>", ["p1@b.example", "p2@b.example"]],
    ["about <p1@b.example.>", ["p1@b.example"]],
    ["about <.;,@b,c;d.e>", [".;,@b,c;d.e"]],
    ["about <p1@b@c>", ["p1@b@c"]],
    ["about <p@b>", ["p@b"]],
    ["about < p1@b.example>, <p1@b .example>, <p1>, <@b.example>, <p1@>, p1@b.example", []],
    ["<<p1@b.example>>", ["p1@b.example"]],
    ...["Message-ID", "message id", "MessageId", "MESSAGE-IDENTIFIER"].map((words): [string, string[]] => [
      `the ${words} p1@b.example`,
      ["p1@b.example"],
    ]),
    ...["Message--ID", "XMessage-ID", "Message-IDs", "Message_ID", "identifier"].map((words): [string, string[]] => [
      `the ${words} p1@b.example`,
      [],
    ]),
    ["a Message-ID:p1@b.example", ["p1@b.example"]],
    ["a Message ID: p1@b.example", ["p1@b.example"]],
    ["a Message-ID is p1@b.example", ["p1@b.example"]],
    ["a Message-ID was: p1@b.example", ["p1@b.example"]],
    ["a Message-ID isis@b.example", ["isis@b.example"]],
    ["a Message-ID wasp@b.example", ["wasp@b.example"]],
    ["a Message-ID of p1@b.example", []],
    ["a Message-ID isp1@b.example was", ["isp1@b.example"]],
    [`a Message-ID ("p1@b.example")`, ["p1@b.example"]],
    [`a Message-ID 'p1@b.example'`, ["p1@b.example"]],
    ["a Message-ID is\np1@b.example", ["p1@b.example"]],
    ["a Message-ID\np1@b.example", ["p1@b.example"]],
    ["a Message-ID @b.example", []],
    ["a Message-ID p1@", []],
    [`a Message-ID${"*".repeat(17)}p1@b.example`, ["*p1@b.example"]],
    ["a Message-ID\nis p1@b.example", []],
    ["a Message-ID <is p1@b.example", []],
    [`a Message-ID ${"*".repeat(15)}p1@b.example`, ["p1@b.example"]],
    [`a Message-ID is${" ".repeat(16)}p1@b.example`, ["p1@b.example"]],
    [`a Message-ID is${" ".repeat(17)}p1@b.example`, []],
    ["a Message ID: p1@b.example.", ["p1@b.example"]],
    ["a Message ID: p1@b.example; p2@b.example", ["p1@b.example"]],
    ["a Message ID: p1@b.example.,", ["p1@b.example."]],
    ["a Message ID: p1 @b.example", []],
    ["<p1@b.example> has the Message-ID p2@b.example", ["p2@b.example", "p1@b.example"]],
    ["a Message-ID p1@b.example, Message-ID p2@b.example", ["p1@b.example", "p2@b.example"]],
  ];
  for (const [text, ids] of rows) assert.deepEqual(inText(text), ids, text);
  for (const quote of `<>"'()`) {
    assert.deepEqual(inText(`a Message ID: p${quote}1@b.example`), [], quote);
    assert.deepEqual(inText(`a Message ID: p1@b.${quote}example`), ["p1@b"], quote);
  }
  for (const [local, domain, known] of [[250, 250, true], [251, 250, false], [250, 251, false]] as const) {
    const id = `${"a".repeat(local)}@${"b".repeat(domain)}`;
    assert.deepEqual(inText(`<${id}>`), known ? [id] : [], `${local} ${domain}`);
  }
  assert.deepEqual(inText(`a Message ID: ${"a".repeat(250)}@b`), [`${"a".repeat(250)}@b`]);
  assert.deepEqual(inText(`a Message ID: ${"a".repeat(251)}@b`), []);
  assert.deepEqual(inText(`a Message ID: a@${"b".repeat(251)}`), [`a@${"b".repeat(250)}`]);
});

Deno.test("The fields of replies and reports name Message-IDs, the header of the message before the returned one", () => {
  const fields = ["In-Reply-To", "Original-Message-ID", "X-Original-Message-ID", "X-Failed-Message-ID"];
  for (const field of [...fields, "References"]) {
    assert.deepEqual(named(`${field}: <p1@b.example>\n\n`), ["p1@b.example"]);
  }
  for (const field of ["Message-ID", "Subject", "Resent-Message-ID"]) {
    assert.deepEqual(named(`${field}: <p1@b.example>\n\n`), []);
  }
  const ids = many("p", 4);
  const header = fields.map((field, nth) => `${field}: <${ids[nth]}>\n`).reverse().join("");
  assert.deepEqual(named(`${header}\nMessage-ID: <p5@b.example>\n\n<p1@b.example>\n`), [...ids, "p5@b.example"]);
  assert.deepEqual(named("In-Reply-To: <p1@b.example>\nIn-Reply-To: (yours) <p2@b.example>\n\n"), many("p", 2));
});

Deno.test("References count from the last four, then the first, then the others", () => {
  const order = (count: number) =>
    named(`References: ${bracketed(many("", count))}\n\n`).map((id) => Number.parseInt(id));
  assert.deepEqual(order(1), [1]);
  assert.deepEqual(order(4), [4, 3, 2, 1]);
  assert.deepEqual(order(8), [8, 7, 6, 5, 1, 4, 3, 2]);
  assert.deepEqual(order(30), [30, 29, 28, 27, 1, ...Array.from({ length: 15 }, (_, nth) => 26 - nth)]);
});

Deno.test("20 Message-IDs are looked up: 4 of replies, 8 that were returned, 5 references, 3 in the text, then the others", () => {
  const mail = (count: number) =>
    `In-Reply-To: ${bracketed(many("reply", count))}\nReferences: ${bracketed(many("thread", count))}\n\n` +
    `${bracketed(many("text", count))}\n\n${many("returned", count).map((id) => `Message-ID: <${id}>\n`).join("")}`;
  const first = (prefix: string, ...numbers: number[]) => numbers.map((nth) => `${prefix}${nth}@b.example`);
  assert.deepEqual(named(mail(30)), [
    ...many("reply", 4),
    ...many("returned", 8),
    ...first("thread", 30, 29, 28, 27, 1),
    ...many("text", 3),
  ]);
  assert.deepEqual(named(mail(5)), [
    ...many("reply", 4),
    ...many("returned", 5),
    ...first("thread", 5, 4, 3, 2, 1),
    ...many("text", 3),
    "reply5@b.example",
    ...first("text", 4, 5),
  ]);
  assert.equal(named(`In-Reply-To: ${bracketed(many("x", 21))}\n\n`).length, 20);
});

Deno.test("A Message-ID of more than 998 characters is ignored, and so is the 21st field of a name", () => {
  const id = (length: number) => `${"a".repeat(length - 10)}@b.example`;
  assert.deepEqual(named(`In-Reply-To: <${id(999)}> <${id(998)}>\n\n`), [id(998)]);
  const fields = (empty: number) => named(`${"In-Reply-To:\n".repeat(empty)}In-Reply-To: <p1@b.example>\n\n`);
  assert.deepEqual(fields(19), ["p1@b.example"]);
  assert.deepEqual(fields(20), []);
});

Deno.test("Of a field of more than 64 KB, the first and the last 32 KB are read", () => {
  const [whole, part] = [64 * 1024, 32 * 1024];
  const [left, right] = ["one@b.example", "two@b.example"];
  /** A field whose body has this length and these parts, each at its offset. */
  const field = (length: number, ...parts: [at: number, text: string][]) => {
    let body = "";
    for (const [at, text] of parts) body = body.padEnd(at) + text;
    const mail = `In-Reply-To:${body.padEnd(length - 2)}<>\n\n`;
    assert.equal(messageIdBody(delivery(mail).header[0]!).length, length);
    return named(mail);
  };
  assert.deepEqual(field(whole + 1, [0, left]), [left], "at the beginning");
  assert.deepEqual(field(whole, [part - 5, left]), [left], "in the middle");
  assert.deepEqual(field(whole + 1, [part - left.length, left]), [left], "at the end of the first part");
  assert.deepEqual(
    field(whole + 100, [part - left.length + 1, left], [part + 50, right]),
    ["one@b.exampl"],
    "behind it",
  );
  assert.deepEqual(field(whole + 100, [part + 100, right]), [right], "at the beginning of the last part");
  assert.deepEqual(field(whole + 100, [part + 99, right]), ["wo@b.example"], "before it");
  assert.deepEqual(
    field(whole + 1, [part - left.length, `${left}x${right}`]),
    [left + right, left, right],
    "the parts are separate",
  );
});
