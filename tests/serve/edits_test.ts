/** Header edits: applying them as a mail server does gives the planned header. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Field } from "../../lib/message.ts";
import { headerEdits, sendmailEdits } from "../../serve/edits.ts";
import { type Edit, printEdit } from "../../serve/milter/protocol.ts";
import { changed, changedBySendmail, packetsIn, shown } from "./mta.ts";

const field = (text: string): Field => ({ name: text.split(":")[0]!, raw: text });

function apply(given: readonly Field[], edits: readonly Edit[]): string[] {
  const mail = given.map((one) => `${one.raw}\n`).join("") + "\n";
  const answers = edits.flatMap((edit) => packetsIn(printEdit(edit, true))).map(shown);
  return changed(`X: x\n${mail}`, answers.map(below)).head.split("\n").slice(1, -1);
}

/** Moves positions down by one field: the header gets an additional first field, because it cannot be empty. */
function below(answer: string): string {
  if (answer[0] !== "i") return answer;
  return answer.slice(0, 4) + String.fromCharCode(answer.charCodeAt(4) + 1) + answer.slice(5);
}

const rows: [string, string[], string[], string[]][] = [
  ["no change", ["A: 1", "B: 2"], ["A: 1", "B: 2"], []],
  ["below a field", ["A: 1", "B: 2"], ["A: 1", "T: t", "B: 2"], ["insert"]],
  ["at the top", ["A: 1"], ["T: t", "A: 1"], ["insert"]],
  ["at the end", ["A: 1"], ["A: 1", "T: t", "U: u"], ["append", "append"]],
  ["two below a field", ["A: 1", "B: 2"], ["A: 1", "T: t", "U: u", "B: 2"], ["insert", "insert"]],
  ["removed", ["A: 1", "B: 2", "A: 3", "a: 4"], ["A: 1", "B: 2"], ["remove", "remove"]],
  ["replaced", ["T: 1", "A: 1", "t: 2", "B: 2"], ["A: 1", "T: 3", "B: 2"], ["insert", "remove", "remove"]],
  ["between identical fields", ["A: 1", "A: 1"], ["A: 1", "T: t", "A: 1"], ["insert"]],
];
for (const [what, given, planned, kinds] of rows) {
  Deno.test(`header edits: ${what}`, () => {
    const fields = given.map(field);
    const edits = headerEdits(fields, planned.map(field));
    assert.deepEqual(edits.map(({ kind }) => kind), kinds);
    assert.deepEqual(apply(fields, edits), planned);
  });
}

Deno.test("hidden fields keep their positions", () => {
  const given = ["Received: a", "A: 1", "Received: b", "B: 2"].map(field);
  const hidden = new Set([given[0]!, given[2]!]);
  const edits = headerEdits(given, ["A: 1", "T: t", "B: 2"].map(field), hidden);
  assert.deepEqual(apply(given, edits), ["Received: a", "A: 1", "T: t", "Received: b", "B: 2"]);
});

const TAG = "X-Msgauth: new";
const sendmailRows: [string, string[], string[], string[]][] = [
  ["a tag", ["From: a", "Message-ID: 1", "B: 2"], ["From: a", "Message-ID: 1", TAG, "B: 2"], [
    TAG,
    "From: a",
    "Message-ID: 1",
    "B: 2",
  ]],
  ["another tag", ["X-Msgauth: old", "A: 1"], ["A: 1", TAG], [TAG, "A: 1"]],
  ["three tags", ["X-Msgauth: a", "A: 1", "X-Msgauth: b"], [TAG, "A: 1"], [TAG, "A: 1"]],
  ["fields that Sendmail would add", ["A: 1"], ["A: 1", "Date: d", "Message-ID: m", TAG], [
    TAG,
    "Date: d",
    "Message-ID: m",
    "A: 1",
  ]],
  ["a field in the place of another", ["Message-ID: 1", "A: 1"], ["Message-ID: 2", TAG, "A: 1"], [
    TAG,
    "Message-ID: 2",
    "A: 1",
  ]],
  ["removed", ["A: 1", "B: 2", "A: 3"], ["A: 1", "B: 2"], ["A: 1", "B: 2"]],
];
for (const [what, given, planned, result] of sendmailRows) {
  Deno.test(`header edits for Sendmail: ${what}`, () => {
    const fields = given.map(field);
    const edits = sendmailEdits(fields, planned.map(field));
    const answers = edits.flatMap((edit) => packetsIn(printEdit(edit, true))).map(shown);
    assert.deepEqual(changedBySendmail(given.map((one) => `${one}\n`).join("") + "\n", answers), result);
  });
}

Deno.test("the edits give the planned header for any plan", () => {
  const one = fc.tuple(fc.constantFrom("A", "a", "B", "T"), fc.constantFrom("1", "2", "3")).map(([n, v]) =>
    `${n}: ${v}`
  );
  const header = fc.array(one, { maxLength: 8 });
  const parts = fc.array(fc.tuple(fc.boolean(), fc.array(fc.constantFrom("N: new", "T: new"), { maxLength: 2 })), {
    minLength: 9,
    maxLength: 9,
  });
  fc.assert(
    fc.property(header, parts, (texts, choices) => {
      const given = texts.map(field);
      const planned = [...given, undefined].flatMap((text, at) => {
        const [keeps, more] = choices[at]!;
        return [...more.map(field), ...keeps && text ? [text] : []];
      });
      assert.deepEqual(apply(given, headerEdits(given, planned)), planned.map(({ raw }) => raw));
    }),
    { numRuns: 1000, seed: 11 },
  );
});
