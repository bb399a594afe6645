/**
 * ofmipd replies as the ofmipd of mess822 does, and passes on the same message, except for the differences in this
 * table, which countersign-ofmipd(8) documents.
 */
import assert from "node:assert/strict";
import { Home, ROOT } from "../rig.ts";
import { stubInput, stubRuns, stubTransport } from "../stub.ts";
import { CHAIN, Talk } from "./talk.ts";

interface Recorded {
  readonly name: string;
  readonly steps: readonly string[];
  readonly replies: readonly string[];
  /** What qmail-queue got; empty if nothing was sent. */
  readonly message: string;
}

/** How ours differs. */
interface Difference {
  readonly why: string;
  /** Replies, by the number of the step. */
  readonly replies?: Readonly<Record<number, string>>;
  /** Changes of the message, which are made to the recorded one. */
  readonly message?: readonly (readonly [from: string, to: string])[];
}

const DIFFERENCES: Record<string, Difference> = {
  "neither To nor Cc": {
    why: "a message without To and Cc is valid (RFC 5322 section 3.6), and what was signed must come back unchanged",
    message: [["Cc: recipient list not shown: ;\n", ""]],
  },
  "Bcc, Return-Path, Apparently-To and Content-Length": {
    why: "only Bcc and Return-Path are about this transmission",
    message: [["Subject: Hi\n", "Subject: Hi\nApparently-To: z@y.example\nContent-Length: 7\n"]],
  },
  "an address without a host": {
    why: "recipients are not rewritten: the envelope says who gets the message",
    message: [["ann@DEFAULTHOST.DEFAULTDOMAIN", "ann"]],
  },
  "sender and author are somebody else": {
    why: "submit.check_sender",
    replies: { 5: '550 5.7.1 Not sent: "eve@example.com" is not one of your addresses' },
    message: [["*", ""]],
  },
  "a dot between bare LF": {
    why: "the rest of the message would be taken for commands",
    replies: { 5: "250 ok", 6: "221 mx.example.org" },
    message: [["Hello.\n", "Hello.\n.\n\n"]],
  },
  "a CR in a line": {
    why: "other servers take it for the end of a line",
    replies: { 5: "550 5.6.0 The message contains a bare CR" },
    message: [["*", ""]],
  },
  "parameters": {
    why: "parameters that are not supported must not be ignored (RFC 5321 section 4.1.1.11)",
    replies: { 1: "250 ok", 2: "250 ok", 3: "555 5.5.4 Unsupported parameter" },
  },
  "commands out of order": {
    why: "enhanced status codes come first (RFC 2034)",
    replies: { 1: "503 5.5.1 Need MAIL command", 2: "503 5.5.1 Need MAIL command", 4: "503 5.5.1 Need RCPT command" },
  },
  "wrong syntax": {
    why: "an address must be in angle brackets, or at least follow FROM: or TO:",
    replies: {
      1: "555 5.5.2 Syntax error, expected FROM:<address>",
      3: "555 5.5.2 Syntax error, expected TO:<address>",
    },
  },
  "other commands": {
    why: "the home page of qmail is not ours",
    replies: { 2: "214 ofmipd: see ofmipd(8)", 4: "252 send some mail, I will try my best" },
  },
};

/** A message without what is different each time, and with its fields in one order: ours keeps that of the client. */
function comparable(message: string): string {
  const text = message
    .replace(/^(Received: \(ofmipd .*\); ).*/m, "$1DATE")
    .replace(/^X-Msgauth: .*\n/m, "")
    .replace(/^Date: (?:[A-Z]\w\w, )?(?=20 Nov 2026)/m, "Date: ")
    .replace(/^Date: (?:[A-Z]\w\w, )?(?!20 Nov 2026|NOW).*/m, "Date: NOW")
    .replace(/^Message-ID: <(?!1@).*/m, "Message-ID: NEW");
  const end = text.indexOf("\n\n");
  return end < 0 ? text : `${text.slice(0, end).split("\n").sort().join("\n")}${text.slice(end)}`;
}

const { cases }: { cases: Recorded[] } = JSON.parse(Deno.readTextFileSync(`${ROOT}/tests/recorded/ofmipd.json`));

for (const { name, steps, replies, message } of cases) {
  const difference = DIFFERENCES[name];
  Deno.test(`as mess822's ofmipd: ${name}${difference === undefined ? "" : ` (${difference.why})`}`, async () => {
    using home = new Home();
    home.settings(stubTransport(home));
    home.write("control/me", "mx.example.org\n");
    await using talk = new Talk(home, [`${CHAIN}/ofmipd`]);
    const said = [await talk.reply()];
    for (const step of steps) {
      await talk.send(step);
      said.push(await talk.reply());
    }
    const expected = replies.map((reply, at) =>
      difference?.replies?.[at] ??
        reply.replaceAll("ofmipd.local", "mx.example.org").replace(
          "250 8BITMIME",
          "250-8BITMIME\n250-SMTPUTF8\n250 SIZE 0",
        )
    );
    assert.deepEqual(said, expected);
    const wanted = (difference?.message ?? []).reduce(
      (text, [from, to]) => from === "*" ? to : text.replace(from, to),
      message,
    );
    assert.equal(stubRuns(home), wanted === "" ? 0 : 1);
    assert.equal(comparable(stubInput(home)), comparable(wanted));
  });
}

Deno.test("every difference from mess822's ofmipd belongs to a transcript", () => {
  const names = cases.map(({ name }) => name);
  assert.deepEqual(Object.keys(DIFFERENCES).filter((name) => !names.includes(name)), []);
});
