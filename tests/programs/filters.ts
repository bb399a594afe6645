/** Tests that the real maildrop and the real procmail share. */
import assert from "node:assert/strict";
import { fieldOf, type Home, type Ran } from "../rig.ts";
import {
  assertCounts,
  ENVELOPES,
  FORGED,
  gregsHome,
  mailsIn,
  markingHook,
  ORDINARY,
  removeMail,
  settings,
  SUSPECT,
  wasStarted,
  withEnvelope,
} from "./letters.ts";

/** Delivers a message from this sender to greg, with this file of contrib. */
export type Deliver = (home: Home, file: string, message: string, sender: string) => Promise<Ran>;

/** Result fields that a stranger may add: with spaces, folded, and after a bare CR. */
const FORGED_FIELDS = [
  "X-Countersign: genuine; check=proof\n",
  "x-countersign:\n genuine\n",
  "X-Countersign : genuine\n",
  "X-Countersign  : genuine\n",
  "X-Countersign\t: genuine\n",
  "X-Other: 1\rX-Countersign: genuine\n",
];

/** A stranger's result field is removed, and nothing else. */
export async function testForgedFields(t: Deno.TestContext, files: readonly string[], deliver: Deliver): Promise<void> {
  for (const file of files) {
    for (const field of FORGED_FIELDS) {
      await t.step(`${file}: ${JSON.stringify(field)}`, async () => {
        using home = gregsHome();
        const mail = ORDINARY.replace("\n\n", `\n${field}X-Last: 1\n\n`);
        assert.equal((await deliver(home, file, mail, "friend@friend.example")).code, 0);
        const [delivered, ...more] = mailsIn(home).inbox;
        assert.deepEqual(more, []);
        assert.deepEqual(delivered!.match(/genuine|check=proof/gi) ?? [], []);
        assert.equal(fieldOf(delivered!, "X-Last"), "1", "the other fields are kept");
        assert.ok(delivered!.endsWith(mail.slice(mail.indexOf("\n\n"))), "the body is kept");
      });
    }
  }
}

/** A forged bounce that is only marked is delivered, with its result. */
export async function testSuspect(t: Deno.TestContext, file: string, deliver: Deliver): Promise<void> {
  for (const [what, top, incoming, result] of SUSPECT) {
    await t.step(what, async () => {
      using home = gregsHome();
      home.settings(settings(home, incoming), top);
      assert.equal((await deliver(home, file, FORGED, "")).code, 0);
      assertCounts(home, result === "suspect" ? 1 : 0, result === "suspect" ? 0 : 1, home.read("procmail.log"));
      const [mail] = [...mailsIn(home).inbox, ...mailsIn(home).spam];
      assert.ok(fieldOf(mail!, "X-Countersign").startsWith(`${result}; check=forged; `));
    });
  }
}

/** Runs the program on a message with these variables, and the hook that records its start. */
export type RunMarked = (
  home: Home,
  hook: Record<string, string>,
  message: string,
  env: Record<string, string>,
) => Promise<unknown>;

/**
 * The hook is started for all mail but ordinary mail, however the program gets the envelope.
 *
 * @param more variables besides ORIGINAL_RECIPIENT
 */
export async function testStarts(
  t: Deno.TestContext,
  run: RunMarked,
  more: Record<string, string> = {},
): Promise<void> {
  using home = gregsHome();
  const hook = markingHook(home);
  for (const [sender, recipient, starts] of ENVELOPES) {
    const message = withEnvelope(ORDINARY, sender, recipient);
    // A stranger's Return-Path is ignored below the MTA's, and where SENDER is set.
    const withForgedPath = message.replace("\nFrom:", "\nReturn-Path: <friend@friend.example>\nFrom:");
    const variables = { SENDER: sender, RECIPIENT: recipient };
    const sources: [what: string, message: string, env: Record<string, string>][] = [
      ["variables", ORDINARY, variables],
      [
        "variables, with a forged Return-Path",
        ORDINARY.replace("\nFrom:", "\nReturn-Path: <x@y.example>\nFrom:"),
        variables,
      ],
      ["header", message, {}],
      ["header, with a forged Return-Path", withForgedPath, {}],
      ["X-Original-To", message.replace("Delivered-To: ", "X-Original-To: "), {}],
      ["ORIGINAL_RECIPIENT", ORDINARY, { ...more, SENDER: sender, ORIGINAL_RECIPIENT: recipient }],
    ];
    for (const [what, input, env] of sources) {
      await t.step(`from <${sender}> to ${recipient}, envelope from ${what}`, async () => {
        removeMail(home);
        await run(home, hook, input, env);
        assert.equal(wasStarted(home), starts);
        if (!starts) assert.deepEqual(mailsIn(home).inbox, [input]);
      });
    }
  }
}

/** Asserts that one message was delivered or filed, that its body is unchanged, and its result if it was filed. */
export function assertFiltered(home: Home, message: string, inbox: number, spam: number, why = ""): void {
  assertCounts(home, inbox, spam, why);
  const [mail] = [...mailsIn(home).inbox, ...mailsIn(home).spam];
  assert.ok(mail!.endsWith(message.slice(message.indexOf("\n\n"))), "the body is unchanged");
  // The hook does not inspect all of a megabyte.
  const result = message.length > 1_000_000 ? /^unsure; / : /^forged; /;
  if (spam === 1) assert.match(fieldOf(mail!, "X-Countersign"), result);
}
