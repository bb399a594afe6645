/** The real maildrop with contrib/maildrop, and each way in which maildrop can lose mail. */
import assert from "node:assert/strict";
import { fieldOf, type Home, qsbmf, type Ran, ROOT } from "../rig.ts";
import {
  breakSettings,
  counts,
  denoDies,
  empty,
  FORGED,
  FORGED_SRS,
  found,
  gregsHome,
  hookIs,
  hookTells,
  MEGABYTE,
  ORDINARY,
  send,
  settings,
  snippet,
  started,
  SUSPECT,
  WHO_STARTS,
  withEnvelope,
} from "./letters.ts";
import { need } from "./need.ts";

const test = await need("maildrop");

/** maildrop's filter: what a user's file says anyway, then the text. maildrop takes HOME and PATH from elsewhere. */
async function maildrop(home: Home, filter: string, message: string | Uint8Array, env = {}): Promise<Ran> {
  const top = `HOME="${home.path}"\nPATH="${home.path}/bin:/usr/bin:/bin"\nDEFAULT="$HOME/Maildir"\n`;
  const file = home.write(".mailfilter", top + filter, 0o600);
  return await home.run(["maildrop", file], message, env);
}

const BACKTICKS = "maildrop/mailfilter";
const XFILTER = "maildrop/mailfilter-xfilter";
const LAST = "maildrop/mailfilter-last";
const ALL = [BACKTICKS, XFILTER, LAST];

/** What the MTA told maildrop by its environment. */
const told = (sender: string, recipient = "greg@example.org") => ({ SENDER: sender, RECIPIENT: recipient });

for (const name of ALL) {
  test(`${name}: where mail goes`, async (t) => {
    using home = gregsHome();
    const { mail, sender } = await send(home);
    const bounce = qsbmf(sender, mail);
    const table: [what: string, message: string, env: Record<string, string>, inbox: number, spam: number][] = [
      ["a bounce to the SRS address", bounce, told("", sender), 1, 0],
      ["a bounce to the plain address, known by its tag", bounce, told(""), 1, 0],
      ["the envelope only in the header", withEnvelope(bounce), {}, 1, 0],
      ["a forged bounce", FORGED, told(""), 0, 1],
      ["a forged bounce, the envelope only in the header", withEnvelope(FORGED), {}, 0, 1],
      ["a forged bounce, Postfix's pipe(8)", withEnvelope(FORGED, "MAILER-DAEMON"), {}, 0, 1],
      ["a double bounce", FORGED, told("#@[]"), 1, 0],
      ["a forged SRS address", FORGED, told("", FORGED_SRS), 0, 1],
      ["a person's mail", ORDINARY, told("friend@friend.example"), 1, 0],
      ["a person's mail to the SRS address", ORDINARY, told("friend@friend.example", sender), 1, 0],
      ["no envelope sender", ORDINARY, {}, 1, 0],
      ["a megabyte", ORDINARY + MEGABYTE, told("friend@friend.example"), 1, 0],
      ["a forged megabyte", FORGED + MEGABYTE, told(""), 0, 1],
    ];
    for (const [what, message, env, inbox, spam] of table) {
      await t.step(what, async () => {
        empty(home);
        const ran = await maildrop(home, snippet(name), message, env);
        assert.equal(ran.code, 0, ran.stderr);
        counts(home, inbox, spam);
        const [got] = [...found(home).inbox, ...found(home).spam];
        assert.ok(got!.endsWith(message.slice(message.indexOf("\n\n"))), "the body is as it was");
        // A hook does not look through all of a megabyte.
        const result = what.includes("megabyte") ? /^unsure; / : /^forged; /;
        if (spam === 1) assert.match(fieldOf(got!, "X-Countersign"), result);
      });
    }
  });
}

test("maildrop: ordinary mail does not start the hook, everything else does", async (t) => {
  for (const name of [BACKTICKS, XFILTER]) {
    using home = gregsHome();
    const text = snippet(name, hookTells(home));
    for (const [sender, recipient, starts] of WHO_STARTS) {
      const enveloped = withEnvelope(ORDINARY, sender, recipient);
      // A stranger's Return-Path below ours, or where the variable tells another sender, counts for nothing.
      const lies = enveloped.replace("\nFrom:", "\nReturn-Path: <friend@friend.example>\nFrom:");
      const ways: [string, string, Record<string, string>][] = [
        ["variables", ORDINARY, told(sender, recipient)],
        [
          "variables, and a lie",
          ORDINARY.replace("\nFrom:", "\nReturn-Path: <x@y.example>\nFrom:"),
          told(sender, recipient),
        ],
        ["header", enveloped, {}],
        ["header, and a lie", lies, {}],
        ["X-Original-To", enveloped.replace("Delivered-To: ", "X-Original-To: "), {}],
        ["ORIGINAL_RECIPIENT", ORDINARY, { ...told(sender), ORIGINAL_RECIPIENT: recipient }],
      ];
      for (const [way, message, env] of ways) {
        await t.step(`${name}: from <${sender}> to ${recipient} by ${way}`, async () => {
          empty(home);
          await maildrop(home, text, message, env);
          assert.equal(started(home), starts);
          if (!starts) assert.deepEqual(found(home).inbox, [message]);
        });
      }
    }
  }
});

test("maildrop: a stranger's result field is not delivered", async (t) => {
  const LIES = [
    "X-Countersign: genuine; check=proof\n",
    "x-countersign:\n genuine\n",
    "X-Countersign : genuine\n",
    "X-Countersign  : genuine\n",
    "X-Countersign\t: genuine\n",
    "X-Other: 1\rX-Countersign: genuine\n",
  ];
  for (const name of [BACKTICKS, XFILTER, LAST]) {
    for (const lie of LIES) {
      await t.step(`${name}: ${JSON.stringify(lie)}`, async () => {
        using home = gregsHome();
        const mail = ORDINARY.replace("\n\n", `\n${lie}X-Last: 1\n\n`);
        assert.equal((await maildrop(home, snippet(name), mail, told("friend@friend.example"))).code, 0);
        const [got, ...more] = found(home).inbox;
        assert.deepEqual(more, []);
        assert.deepEqual(got!.match(/genuine|check=proof/gi) ?? [], []);
        assert.equal(fieldOf(got!, "X-Last"), "1", "the fields around it stay");
        assert.ok(got!.endsWith(mail.slice(mail.indexOf("\n\n"))), "so does the body");
      });
    }
  }
});

test("maildrop: what is suspect is delivered, with its mark", async (t) => {
  for (const [what, top, incoming, result] of SUSPECT) {
    await t.step(what, async () => {
      using home = gregsHome();
      home.settings(settings(home, incoming), top);
      assert.equal((await maildrop(home, snippet(XFILTER), FORGED, told(""))).code, 0);
      counts(home, result === "suspect" ? 1 : 0, result === "suspect" ? 0 : 1);
      const [got] = [...found(home).inbox, ...found(home).spam];
      assert.ok(fieldOf(got!, "X-Countersign").startsWith(`${result}; check=forged; `));
    });
  }
});

test("maildrop: ordinary mail through backticks is untouched", async () => {
  using home = gregsHome();
  await maildrop(home, snippet(BACKTICKS), ORDINARY, told("friend@friend.example"));
  assert.deepEqual(found(home).inbox, [ORDINARY]);
});

test("maildrop: nothing is lost, whatever happens to the hook", async (t) => {
  const dead = (home: Home) => home.write("bin/dies", "#!/bin/sh\nhead -c 100\nkill -9 $$\n", 0o755);
  /** Prepares, and gives the hook's path when it is another. */
  type Trouble = (home: Home) => string | void;
  const table: [what: string, trouble: Trouble, code: Record<string, number>, inbox: Record<string, number>][] = [
    // The filter lets mail through unmarked: the settings are no reason to keep it back.
    ["settings broken", breakSettings, { [BACKTICKS]: 75, [XFILTER]: 0, [LAST]: 75 }, { [XFILTER]: 1 }],
    ["hook missing", () => "/nowhere/incoming", { [BACKTICKS]: 0, [XFILTER]: 75, [LAST]: 75 }, { [BACKTICKS]: 1 }],
    ["hook killed", dead, { [BACKTICKS]: 0, [XFILTER]: 75, [LAST]: 75 }, { [BACKTICKS]: 1 }],
    ["Deno killed", (home) => denoDies(home), { [BACKTICKS]: 75, [XFILTER]: 75, [LAST]: 75 }, {}],
    ["Deno killed in the middle", (home) => denoDies(home, 100), { [BACKTICKS]: 75, [XFILTER]: 75, [LAST]: 75 }, {}],
    [
      "Deno missing",
      (home) => Deno.removeSync(`${home.path}/bin/deno`),
      { [BACKTICKS]: 75, [XFILTER]: 75, [LAST]: 75 },
      {},
    ],
  ];
  for (const [what, trouble, code, inbox] of table) {
    for (const name of ALL) {
      for (const [size, message] of [["small", FORGED], ["a megabyte", FORGED + MEGABYTE]] as const) {
        await t.step(`${what}: ${name}, ${size}`, async () => {
          using home = gregsHome();
          const places = hookIs(trouble(home) ?? "");
          const text = Object.values(places)[0] === "" ? snippet(name) : snippet(name, places);
          const ran = await maildrop(home, text, message, told(""));
          assert.equal(ran.code, code[name], ran.stderr);
          counts(home, inbox[name] ?? 0, 0);
          if (inbox[name] === 1) assert.equal(found(home).inbox[0], message);
        });
      }
    }
  }
});

test("maildrop: xfilter's output is never empty, which maildrop would take for the message", async (t) => {
  const table: [what: string, message: string, trouble: (home: Home) => void][] = [
    ["no input", "", () => {}],
    ["no input, settings broken", "", breakSettings],
    ["a header only", "Subject: x\n", () => {}],
    ["a body only", "\nx\n", breakSettings],
  ];
  for (const [what, message, trouble] of table) {
    await t.step(what, async () => {
      using home = gregsHome();
      trouble(home);
      const ran = await home.hook(["--as", "filter"], message, told(""));
      assert.equal(ran.code, 0, ran.stderr);
      assert.notEqual(ran.stdout, "");
      assert.ok(ran.stdout.includes(message));
    });
  }
  await t.step("what maildrop does with an empty output", async () => {
    using home = gregsHome();
    const nothing = home.write("bin/nothing", "#!/bin/sh\ncat >/dev/null\n", 0o755);
    const ran = await maildrop(home, snippet(XFILTER, hookIs(nothing)), ORDINARY, told(""));
    assert.equal(ran.code, 0);
    counts(home, 0, 0, "lost: this is the pitfall");
  });
});

test("maildrop: an EXITCODE that was left set does not make the MTA try a filed message again", async () => {
  using home = gregsHome();
  const before = `cc "|cat >/dev/null; exit 3"\n`;
  const filed = await maildrop(home, before + snippet(BACKTICKS), FORGED, told(""));
  counts(home, 0, 1);
  assert.equal(filed.code, 0);
  const careless = snippet(BACKTICKS).replace("EXITCODE=0\n", "");
  const again = await maildrop(home, before + careless, FORGED, told(""));
  counts(home, 0, 2);
  assert.equal(again.code, 3, "the pitfall is there without the line");
});

test(`maildrop: to "|hook" ends with success, and "later" stays later`, async () => {
  using home = gregsHome();
  const filter = `to "|/usr/local/lib/countersign/hooks/incoming --as maildrop --maildir $HOME/Maildir"\n`
    .replace("/usr/local/lib/countersign", ROOT);
  for (const [message, env] of [[ORDINARY, told("friend@friend.example")], [FORGED, told("")]] as const) {
    assert.equal((await maildrop(home, filter, message, env)).code, 0);
  }
  counts(home, 1, 1);
  breakSettings(home);
  assert.equal((await maildrop(home, filter, ORDINARY, told("friend@friend.example"))).code, 75);
  counts(home, 1, 1);
});

test("maildrop: nothing is refused", async (t) => {
  const table: [what: string, message: string, env: Record<string, string>, spam: number][] = [
    ["a forged SRS address, from a person", ORDINARY, told("friend@friend.example", FORGED_SRS), 1],
    ["from the null sender", FORGED, told("", FORGED_SRS), 1],
    ["a double bounce", FORGED, told("#@[]", FORGED_SRS), 0],
  ];
  for (const [what, message, env, spam] of table) {
    for (const name of [BACKTICKS, LAST]) {
      await t.step(`${what}: ${name}`, async () => {
        using home = gregsHome(`forged = "refuse"`);
        const ran = await maildrop(home, snippet(name), message, env);
        assert.equal(ran.code, 0, ran.stderr);
        counts(home, 1 - spam, spam);
      });
    }
  }
});

test("maildrop: a sender that is not UTF-8 is a person's", async (t) => {
  for (const name of ALL) {
    await t.step(name, async () => {
      using home = gregsHome();
      const top = `HOME="${home.path}"\nPATH="${home.path}/bin:/usr/bin:/bin"\nDEFAULT="$HOME/Maildir"\n`;
      const file = home.write(".mailfilter", top + snippet(name), 0o600);
      const script = `SENDER=$(printf 's\\377r@x.test'); export SENDER; exec maildrop "$0"`;
      const ran = await home.run(["sh", "-c", script, file], ORDINARY, { RECIPIENT: "greg@example.org" });
      assert.equal(ran.code, 0, ran.stderr);
      counts(home, 1, 0);
      assert.match(home.read(".local/state/countersign/log"), / sender=unreadable /);
    });
  }
});
