/** The envelope that explain reads from the header of a message, and what it assumes. */
import assert from "node:assert/strict";
import { assumedEnvelope, withoutBlankLines } from "../../../admin/explain/envelope.ts";
import { parseHead } from "../../../lib/message.ts";
import type { Input } from "../../../io/system/input.ts";
import { FORGED, FORGED_SRS, ORDINARY } from "../../programs/letters.ts";

const PLAIN = "greg@example.org";
const FRIEND = "friend@friend.example";

function inputOf(text: string): Input {
  const prefix = new TextEncoder().encode(text);
  return { prefix, head: parseHead(prefix, true)!, whole: true, body: async function* () {}, from: Deno.stdin };
}

const SENDER_NOTE = /envelope sender; the message looks like a bounce and is judged as from <>$/;
const RECIPIENT_NOTE = /envelope recipient; the addresses in To are used$/;
const BLANK_NOTE = /^blank lines before the header are ignored$/;

/** [fields at the top, fields below Received, sender, recipients, notes] for a forged bounce to greg */
const recorded: [string, string, string | null, string[], RegExp[]][] = [
  ["", "", null, [PLAIN], [SENDER_NOTE, RECIPIENT_NOTE]],
  ["Return-Path: <>\n", "", null, [PLAIN], [RECIPIENT_NOTE]],
  [`Return-Path: <>\nDelivered-To: ${PLAIN}\n`, "", null, [PLAIN], []],
  [`Return-Path: <${FRIEND}>\nX-Original-To: alias@example.org\nDelivered-To: ${PLAIN}\n`, "", FRIEND, [
    "alias@example.org",
  ], []],
  // Programs that fetch mail add their Received above what the server recorded.
  ["", `Return-Path: <>\nX-Original-To: ${FORGED_SRS}\n`, null, [FORGED_SRS], []],
  ["", `Return-path: <${FRIEND}>\nEnvelope-to: ann@example.org, ${PLAIN}\n`, FRIEND, ["ann@example.org", PLAIN], []],
  ["", `Envelope-to: <${PLAIN}>\nDelivered-To: greg\n`, null, [PLAIN], [SENDER_NOTE]],
  [`Return-Path: <${FRIEND}>\n`, "Return-Path: <>\nDelivered-To: a@b.example\n", FRIEND, ["a@b.example"], []],
];
for (const [top, below, sender, recipients, notes] of recorded) {
  Deno.test(`the envelope is read from the header: ${JSON.stringify(top + below)}`, async () => {
    const mail = `${top}${FORGED.replace("\nDate:", `\n${below}Date:`)}`;
    // A browser saves blank lines in front, also with CRLF.
    for (const front of ["", "\n \t\n", "\r\n\r\n"]) {
      const text = front + (front.includes("\r") ? mail.replaceAll("\n", "\r\n") : mail);
      const found = withoutBlankLines(inputOf(text));
      const told = await assumedEnvelope(undefined, {}, found.input);
      assert.deepEqual([told.sender, told.recipients], [sender, recipients]);
      const wanted = front === "" ? notes : [BLANK_NOTE, ...notes];
      const said = [...found.notes, ...told.notes];
      assert.equal(said.length, wanted.length, said.join("; "));
      for (const [nth, note] of wanted.entries()) assert.match(said[nth]!, note);
    }
  });
}

Deno.test("without Return-Path ordinary mail has an unknown sender, and the command line counts more", async () => {
  const told = await assumedEnvelope(undefined, {}, inputOf(ORDINARY));
  assert.deepEqual([told.sender, told.recipients, told.notes.length], [undefined, [PLAIN], 1]);
  const stated = { sender: FRIEND, recipient: "ann@example.org" };
  const mail = inputOf(`Return-Path: <>\nDelivered-To: ${PLAIN}\n${FORGED}`);
  assert.deepEqual(await assumedEnvelope(undefined, stated, mail), {
    sender: FRIEND,
    recipients: ["ann@example.org"],
    notes: [],
  });
});

Deno.test("blank lines alone, and blank lines before a text, are not a header", () => {
  for (const mail of ["", "\n\n", "\n\n\nHello,\nReturn-Path: <>\n", "\n\n Return-Path: <>\n"]) {
    const input = inputOf(mail);
    assert.deepEqual(withoutBlankLines(input), { input, notes: [] });
  }
});
