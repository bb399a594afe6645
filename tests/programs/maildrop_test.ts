/** The real maildrop with contrib/maildrop, and the pitfalls with which maildrop could lose mail. */
import assert from "node:assert/strict";
import { type Home, qsbmf, type Ran, ROOT } from "../rig.ts";
import {
  assertCounts,
  breakSettings,
  crashDeno,
  FORGED,
  FORGED_SRS,
  gregsHome,
  mailfilter,
  mailsIn,
  MEGABYTE,
  ORDINARY,
  removeMail,
  send,
  snippet,
  withEnvelope,
  withHook,
} from "./letters.ts";
import { assertFiltered, type Deliver, testForgedFields, testStarts, testSuspect } from "./filters.ts";
import { need } from "./need.ts";

const test = await need("maildrop");

async function maildrop(home: Home, filter: string, message: string | Uint8Array, env = {}): Promise<Ran> {
  return await home.run(["maildrop", mailfilter(home, filter)], message, env);
}

const BACKTICKS = "maildrop/mailfilter";
const XFILTER = "maildrop/mailfilter-xfilter";
const LAST = "maildrop/mailfilter-last";
const ALL = [BACKTICKS, XFILTER, LAST];

/** The envelope in the environment, as the MTA sets it. */
const envelope = (sender: string, recipient = "greg@example.org") => ({ SENDER: sender, RECIPIENT: recipient });

for (const name of ALL) {
  test(`${name}: where mail is delivered`, async (t) => {
    using home = gregsHome();
    const { mail, sender } = await send(home);
    const bounce = qsbmf(sender, mail);
    const table: [what: string, message: string, env: Record<string, string>, inbox: number, spam: number][] = [
      ["a bounce to the SRS address", bounce, envelope("", sender), 1, 0],
      ["a bounce to the plain address, known by its tag", bounce, envelope(""), 1, 0],
      ["a bounce with the envelope in the header only", withEnvelope(bounce), {}, 1, 0],
      ["a forged bounce", FORGED, envelope(""), 0, 1],
      ["a forged bounce with the envelope in the header only", withEnvelope(FORGED), {}, 0, 1],
      ["a forged bounce, Postfix's pipe(8)", withEnvelope(FORGED, "MAILER-DAEMON"), {}, 0, 1],
      ["a double bounce", FORGED, envelope("#@[]"), 1, 0],
      ["a forged SRS address", FORGED, envelope("", FORGED_SRS), 0, 1],
      ["mail from a person", ORDINARY, envelope("friend@friend.example"), 1, 0],
      ["mail from a person to the SRS address", ORDINARY, envelope("friend@friend.example", sender), 1, 0],
      ["no envelope sender", ORDINARY, {}, 1, 0],
      ["a megabyte", ORDINARY + MEGABYTE, envelope("friend@friend.example"), 1, 0],
      ["a forged megabyte", FORGED + MEGABYTE, envelope(""), 0, 1],
    ];
    for (const [what, message, env, inbox, spam] of table) {
      await t.step(what, async () => {
        removeMail(home);
        const ran = await maildrop(home, snippet(name), message, env);
        assert.equal(ran.code, 0, ran.stderr);
        assertFiltered(home, message, inbox, spam);
      });
    }
  });
}

for (const name of [BACKTICKS, XFILTER]) {
  test(`${name}: ordinary mail does not start the hook, all other mail does`, async (t) => {
    const run = (home: Home, hook: Record<string, string>, message: string, env: Record<string, string>) =>
      maildrop(home, snippet(name, hook), message, env);
    await testStarts(t, run, { RECIPIENT: "greg@example.org" });
  });
}

const deliver: Deliver = (home, file, message, sender) => maildrop(home, snippet(file), message, envelope(sender));

test("maildrop: a forged result field is removed", (t) => testForgedFields(t, ALL, deliver));

test("maildrop: a suspect bounce is delivered with its result", (t) => testSuspect(t, XFILTER, deliver));

test("maildrop: ordinary mail is unchanged with backticks", async () => {
  using home = gregsHome();
  await maildrop(home, snippet(BACKTICKS), ORDINARY, envelope("friend@friend.example"));
  assert.deepEqual(mailsIn(home).inbox, [ORDINARY]);
});

test("maildrop: no mail is lost when the hook fails", async (t) => {
  const killedHook = (home: Home) => home.write("bin/dies", "#!/bin/sh\nhead -c 100\nkill -9 $$\n", 0o755);
  /** Causes a failure. @returns the path of another hook, if any */
  type Failure = (home: Home) => string | void;
  const table: [what: string, fail: Failure, code: Record<string, number>, inbox: Record<string, number>][] = [
    // With invalid settings the filter passes mail through unmarked.
    ["invalid settings", breakSettings, { [BACKTICKS]: 75, [XFILTER]: 0, [LAST]: 75 }, { [XFILTER]: 1 }],
    ["hook missing", () => "/nowhere/incoming", { [BACKTICKS]: 0, [XFILTER]: 75, [LAST]: 75 }, { [BACKTICKS]: 1 }],
    ["hook killed", killedHook, { [BACKTICKS]: 0, [XFILTER]: 75, [LAST]: 75 }, { [BACKTICKS]: 1 }],
    ["Deno killed", (home) => crashDeno(home), { [BACKTICKS]: 75, [XFILTER]: 75, [LAST]: 75 }, {}],
    ["Deno killed in the middle", (home) => crashDeno(home, 100), { [BACKTICKS]: 75, [XFILTER]: 75, [LAST]: 75 }, {}],
    [
      "Deno missing",
      (home) => Deno.removeSync(`${home.path}/bin/deno`),
      { [BACKTICKS]: 75, [XFILTER]: 75, [LAST]: 75 },
      {},
    ],
  ];
  for (const [what, fail, code, inbox] of table) {
    for (const name of ALL) {
      for (const [size, message] of [["small", FORGED], ["a megabyte", FORGED + MEGABYTE]] as const) {
        await t.step(`${what}: ${name}, ${size}`, async () => {
          using home = gregsHome();
          const places = withHook(fail(home) ?? "");
          const text = Object.values(places)[0] === "" ? snippet(name) : snippet(name, places);
          const ran = await maildrop(home, text, message, envelope(""));
          assert.equal(ran.code, code[name], ran.stderr);
          assertCounts(home, inbox[name] ?? 0, 0);
          if (inbox[name] === 1) assert.equal(mailsIn(home).inbox[0], message);
        });
      }
    }
  }
});

test("maildrop: the output of xfilter is never empty, because maildrop would deliver an empty message", async (t) => {
  const table: [what: string, message: string, fail: (home: Home) => void][] = [
    ["no input", "", () => {}],
    ["no input, invalid settings", "", breakSettings],
    ["a header only", "Subject: x\n", () => {}],
    ["a body only", "\nx\n", breakSettings],
  ];
  for (const [what, message, fail] of table) {
    await t.step(what, async () => {
      using home = gregsHome();
      fail(home);
      const ran = await home.hook(["--as", "filter"], message, envelope(""));
      assert.equal(ran.code, 0, ran.stderr);
      assert.notEqual(ran.stdout, "");
      assert.ok(ran.stdout.includes(message));
    });
  }
  await t.step("the pitfall: maildrop loses mail if the output is empty", async () => {
    using home = gregsHome();
    const nothing = home.write("bin/nothing", "#!/bin/sh\ncat >/dev/null\n", 0o755);
    const ran = await maildrop(home, snippet(XFILTER, withHook(nothing)), ORDINARY, envelope(""));
    assert.equal(ran.code, 0);
    assertCounts(home, 0, 0, "the message is lost");
  });
});

test("maildrop: an earlier EXITCODE does not make the MTA retry a filed message", async () => {
  using home = gregsHome();
  const before = `cc "|cat >/dev/null; exit 3"\n`;
  const filed = await maildrop(home, before + snippet(BACKTICKS), FORGED, envelope(""));
  assertCounts(home, 0, 1);
  assert.equal(filed.code, 0);
  const careless = snippet(BACKTICKS).replace("EXITCODE=0\n", "");
  const again = await maildrop(home, before + careless, FORGED, envelope(""));
  assertCounts(home, 0, 2);
  assert.equal(again.code, 3, "without this line the MTA would retry");
});

test(`maildrop: to "|hook" exits 0 on success and 75 on errors`, async () => {
  using home = gregsHome();
  const filter = `to "|/usr/local/lib/countersign/hooks/incoming --as maildrop --maildir $HOME/Maildir"\n`
    .replace("/usr/local/lib/countersign", ROOT);
  for (const [message, env] of [[ORDINARY, envelope("friend@friend.example")], [FORGED, envelope("")]] as const) {
    assert.equal((await maildrop(home, filter, message, env)).code, 0);
  }
  assertCounts(home, 1, 1);
  breakSettings(home);
  assert.equal((await maildrop(home, filter, ORDINARY, envelope("friend@friend.example"))).code, 75);
  assertCounts(home, 1, 1);
});

test("maildrop: nothing is rejected", async (t) => {
  const table: [what: string, message: string, env: Record<string, string>, spam: number][] = [
    ["a forged SRS address, from a person", ORDINARY, envelope("friend@friend.example", FORGED_SRS), 1],
    ["a forged SRS address, from the null sender", FORGED, envelope("", FORGED_SRS), 1],
    ["a double bounce", FORGED, envelope("#@[]", FORGED_SRS), 0],
  ];
  for (const [what, message, env, spam] of table) {
    for (const name of [BACKTICKS, LAST]) {
      await t.step(`${what}: ${name}`, async () => {
        using home = gregsHome(`forged = "refuse"`);
        const ran = await maildrop(home, snippet(name), message, env);
        assert.equal(ran.code, 0, ran.stderr);
        assertCounts(home, 1 - spam, spam);
      });
    }
  }
});

test("maildrop: a sender that is not UTF-8 counts as a person", async (t) => {
  for (const name of ALL) {
    await t.step(name, async () => {
      using home = gregsHome();
      const file = mailfilter(home, snippet(name));
      const script = `SENDER=$(printf 's\\377r@x.test'); export SENDER; exec maildrop "$0"`;
      const ran = await home.run(["sh", "-c", script, file], ORDINARY, { RECIPIENT: "greg@example.org" });
      assert.equal(ran.code, 0, ran.stderr);
      assertCounts(home, 1, 0);
      assert.match(home.read(".local/state/countersign/log"), / sender=unreadable /);
    });
  }
});
