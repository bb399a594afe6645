/** The real procmail with contrib/procmail, and the pitfalls with which procmail could lose mail. */
import assert from "node:assert/strict";
import { type Home, qsbmf, type Ran } from "../rig.ts";
import {
  assertCounts,
  breakSettings,
  crashDeno,
  FORGED,
  FORGED_SRS,
  gregsHome,
  mailsIn,
  MEGABYTE,
  ORDINARY,
  procmailrc,
  removeMail,
  send,
  snippet,
  withEnvelope,
  withHook,
} from "./letters.ts";
import { assertFiltered, type Deliver, testForgedFields, testStarts, testSuspect } from "./filters.ts";
import { need } from "./need.ts";

const test = await need("procmail");

/** Runs procmail as an MTA does: without -p it ignores its environment, so the header contains the envelope. */
async function procmail(home: Home, text: string, message: string): Promise<Ran> {
  return await home.run(["procmail", "-m", procmailrc(home, text)], message);
}

const FILES = "procmail/procmailrc";
const MARKS = "procmail/procmailrc-filter";
const BOTH = [FILES, MARKS];

for (const name of BOTH) {
  test(`${name}: where mail is delivered`, async (t) => {
    using home = gregsHome();
    const { mail, sender } = await send(home);
    const bounce = qsbmf(sender, mail);
    const table: [what: string, message: string, inbox: number, spam: number][] = [
      ["a bounce to the SRS address", withEnvelope(bounce, "", sender), 1, 0],
      ["a bounce to the plain address, known by its tag", withEnvelope(bounce), 1, 0],
      ["a forged bounce", withEnvelope(FORGED), 0, 1],
      [
        "a forged bounce after an mbox line",
        `From MAILER-DAEMON Fri Nov 20 05:32:58 2026\n${withEnvelope(FORGED)}`,
        0,
        1,
      ],
      ["a double bounce", withEnvelope(FORGED, "#@[]"), 1, 0],
      ["a forged SRS address", withEnvelope(FORGED, "", FORGED_SRS), 0, 1],
      ["mail from a person", withEnvelope(ORDINARY, "friend@friend.example"), 1, 0],
      ["mail from a person to the SRS address", withEnvelope(ORDINARY, "friend@friend.example", sender), 1, 0],
      ["no envelope sender", ORDINARY, 1, 0],
      ["a megabyte", withEnvelope(ORDINARY, "friend@friend.example") + MEGABYTE, 1, 0],
      ["a forged megabyte", withEnvelope(FORGED) + MEGABYTE, 0, 1],
    ];
    for (const [what, message, inbox, spam] of table) {
      await t.step(what, async () => {
        removeMail(home);
        const ran = await procmail(home, snippet(name), message);
        assert.equal(ran.code, 0, ran.stderr);
        assertFiltered(home, message, inbox, spam, home.read("procmail.log"));
      });
    }
  });
}

for (const name of BOTH) {
  test(`${name}: ordinary mail does not start the hook, all other mail does`, async (t) => {
    // Without -p procmail ignores its environment.
    const run = (home: Home, hook: Record<string, string>, message: string, env: Record<string, string>) => {
      const flags = Object.keys(env).length > 0 ? ["-p"] : [];
      return home.run(["procmail", ...flags, "-m", procmailrc(home, snippet(name, hook))], message, env);
    };
    await testStarts(t, run);
  });
}

const deliver: Deliver = (home, file, message, sender) => procmail(home, snippet(file), withEnvelope(message, sender));

test("procmail: a forged result field is removed", (t) => testForgedFields(t, BOTH, deliver));

test("procmail: a suspect bounce is delivered with its result", (t) => testSuspect(t, MARKS, deliver));

test("procmail: ordinary mail is unchanged when the hook files spam", async () => {
  using home = gregsHome();
  const message = withEnvelope(ORDINARY, "friend@friend.example");
  await procmail(home, snippet(FILES), message);
  assert.deepEqual(mailsIn(home).inbox, [message]);
});

test("procmail: with -p the envelope is in the environment", async (t) => {
  // Deno cannot set variables that are not UTF-8, but a shell can.
  const table: [what: string, sender: string, message: string, inbox: number, spam: number][] = [
    ["null sender", "", FORGED, 0, 1],
    ["a person", "friend@friend.example", ORDINARY, 1, 0],
    ["not UTF-8", "s\\377r@x.test", ORDINARY, 1, 0],
  ];
  for (const name of BOTH) {
    for (const [what, sender, message, inbox, spam] of table) {
      await t.step(`${what}: ${name}`, async () => {
        using home = gregsHome();
        const script = `SENDER=$(printf '${sender}'); export SENDER; exec procmail -p -m "$0"`;
        // The hook is started for a quoted local part, whatever the sender.
        const env = { RECIPIENT: what === "not UTF-8" ? '"greg"@example.org' : "greg@example.org" };
        const ran = await home.run(["sh", "-c", script, procmailrc(home, snippet(name))], message, env);
        assert.equal(ran.code, 0, ran.stderr);
        assertCounts(home, inbox, spam, home.read("procmail.log"));
        if (what === "not UTF-8") assert.match(home.read(".local/state/countersign/log"), / sender=unreadable /);
      });
    }
  }
});

test("procmail: no mail is lost when the hook fails", async (t) => {
  /** Causes a failure. @returns the path of another hook, if any */
  type Failure = (home: Home) => string | void;
  const dead = (home: Home) => home.write("bin/dies", "#!/bin/sh\nhead -c 100\nkill -9 $$\n", 0o755);
  // The statuses of the recipe in which the hook files; with the filter procmail delivers the original message.
  const table: [what: string, fail: Failure, code: number][] = [
    ["invalid settings", breakSettings, 75],
    ["hook missing", () => "/nowhere/incoming", 0],
    ["hook killed", dead, 0],
    ["Deno killed", (home) => crashDeno(home), 75],
    ["Deno killed in the middle", (home) => crashDeno(home, 100), 75],
    ["Deno missing", (home) => Deno.removeSync(`${home.path}/bin/deno`), 75],
  ];
  for (const [what, fail, code] of table) {
    for (const name of BOTH) {
      for (const [size, body] of [["small", ""], ["a megabyte", MEGABYTE]] as const) {
        await t.step(`${what}: ${name}, ${size}`, async () => {
          using home = gregsHome();
          const message = withEnvelope(FORGED) + body;
          const hook = fail(home);
          const ran = await procmail(home, snippet(name, hook ? withHook(hook) : {}), message);
          assert.equal(ran.code, name === FILES ? code : 0, home.read("procmail.log"));
          const kept = name === FILES && code === 75;
          assertCounts(home, kept ? 0 : 1, 0, home.read("procmail.log"));
          if (!kept) assert.ok(mailsIn(home).inbox[0] === message, "the message is unchanged");
        });
      }
    }
  }
});

test("procmail: the flags of the recipes are needed", async (t) => {
  const dead = (home: Home) => withHook(home.write("bin/dies", "#!/bin/sh\ncat >/dev/null\nkill -9 $$\n", 0o755));
  const message = withEnvelope(FORGED);
  await t.step(":0 f without w delivers an empty message when the hook dies", async () => {
    using home = gregsHome();
    const careless = snippet(MARKS, dead(home)).replace(":0 fwr", ":0 fr");
    await procmail(home, careless, message);
    assert.deepEqual(mailsIn(home).inbox.map((mail) => mail.trim()), [""]);
  });
  await t.step(":0 without W loses the message when the hook dies", async () => {
    using home = gregsHome();
    const careless = snippet(FILES, dead(home)).replace(":0 Wr", ":0 r");
    const ran = await procmail(home, careless, message);
    assert.equal(ran.code, 0);
    assertCounts(home, 0, 0);
  });
  await t.step("an empty output with status 0 is delivered as the message", async () => {
    using home = gregsHome();
    const nothing = home.write("bin/nothing", "#!/bin/sh\ncat >/dev/null\n", 0o755);
    await procmail(home, snippet(MARKS, withHook(nothing)), message);
    assert.deepEqual(mailsIn(home).inbox.map((mail) => mail.trim()), [""]);
  });
});

test("procmail: a hook that does not read a megabyte", async (t) => {
  // Status 10 means "go on": procmail delivers the message, although writing to the hook failed.
  for (const name of BOTH) {
    await t.step(name, async () => {
      using home = gregsHome();
      const nonReader = home.write("bin/deaf", "#!/bin/sh\nexit 10\n", 0o755);
      const message = withEnvelope(FORGED) + MEGABYTE;
      const ran = await procmail(home, snippet(name, withHook(nonReader)), message);
      assert.equal(ran.code, 0);
      assert.match(home.read("procmail.log"), /Error while writing to/);
      assert.ok(mailsIn(home).inbox[0] === message, "the message is unchanged");
    });
  }
  await t.step("the real hook reads all", async () => {
    using home = gregsHome();
    await procmail(home, snippet(FILES), withEnvelope(FORGED) + MEGABYTE);
    assert.doesNotMatch(home.read("procmail.log"), /Error/);
  });
});

test("procmail: nothing is rejected", async (t) => {
  const table: [what: string, message: string, spam: number][] = [
    ["a forged SRS address, from a person", withEnvelope(ORDINARY, "friend@friend.example", FORGED_SRS), 1],
    ["a forged SRS address, from the null sender", withEnvelope(FORGED, "", FORGED_SRS), 1],
    ["a double bounce", withEnvelope(FORGED, "#@[]", FORGED_SRS), 0],
  ];
  for (const [what, message, spam] of table) {
    await t.step(what, async () => {
      using home = gregsHome(`forged = "refuse"`);
      const ran = await procmail(home, snippet(FILES), message);
      assert.equal(ran.code, 0, home.read("procmail.log"));
      assertCounts(home, 1 - spam, spam);
    });
  }
});
