/** The real procmail with contrib/procmail, and each way in which procmail can lose mail. */
import assert from "node:assert/strict";
import { fieldOf, type Home, qsbmf, type Ran } from "../rig.ts";
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

const test = await need("procmail");

/** procmail's rcfile: what a user's file says anyway, then the text. procmail takes HOME and PATH from elsewhere. */
function rcfile(home: Home, text: string): string {
  const top = `HOME=${home.path}
PATH=${home.path}/bin:/usr/bin:/bin
DENO_DIR=${home.env["DENO_DIR"]}
MAILDIR=${home.path}/Maildir
DEFAULT=${home.path}/Maildir/
LOGFILE=${home.path}/procmail.log
SENDMAIL=/bin/false
`;
  return home.write(".procmailrc", top + text, 0o600);
}

/** procmail as an MTA runs it with a rcfile: it leaves its environment out, so the header tells the envelope. */
async function procmail(home: Home, text: string, message: string): Promise<Ran> {
  return await home.run(["procmail", "-m", rcfile(home, text)], message);
}

const FILES = "procmail/procmailrc";
const MARKS = "procmail/procmailrc-filter";
const BOTH = [FILES, MARKS];

for (const name of BOTH) {
  test(`${name}: where mail goes`, async (t) => {
    using home = gregsHome();
    const { mail, sender } = await send(home);
    const bounce = qsbmf(sender, mail);
    const table: [what: string, message: string, inbox: number, spam: number][] = [
      ["a bounce to the SRS address", withEnvelope(bounce, "", sender), 1, 0],
      ["a bounce to the plain address, known by its tag", withEnvelope(bounce), 1, 0],
      ["a forged bounce", withEnvelope(FORGED), 0, 1],
      [
        "a forged bounce behind a From line",
        `From MAILER-DAEMON Fri Nov 20 05:32:58 2026\n${withEnvelope(FORGED)}`,
        0,
        1,
      ],
      ["a double bounce", withEnvelope(FORGED, "#@[]"), 1, 0],
      ["a forged SRS address", withEnvelope(FORGED, "", FORGED_SRS), 0, 1],
      ["a person's mail", withEnvelope(ORDINARY, "friend@friend.example"), 1, 0],
      ["a person's mail to the SRS address", withEnvelope(ORDINARY, "friend@friend.example", sender), 1, 0],
      ["no envelope sender", ORDINARY, 1, 0],
      ["a megabyte", withEnvelope(ORDINARY, "friend@friend.example") + MEGABYTE, 1, 0],
      ["a forged megabyte", withEnvelope(FORGED) + MEGABYTE, 0, 1],
    ];
    for (const [what, message, inbox, spam] of table) {
      await t.step(what, async () => {
        empty(home);
        const ran = await procmail(home, snippet(name), message);
        assert.equal(ran.code, 0, ran.stderr);
        counts(home, inbox, spam, home.read("procmail.log"));
        const [got] = [...found(home).inbox, ...found(home).spam];
        assert.ok(got!.endsWith(message.slice(message.indexOf("\n\n"))), "the body is as it was");
        // A hook does not look through all of a megabyte.
        const result = what.includes("megabyte") ? /^unsure; / : /^forged; /;
        if (spam === 1) assert.match(fieldOf(got!, "X-Countersign"), result);
      });
    }
  });
}

test("procmail: ordinary mail does not start the hook, everything else does", async (t) => {
  for (const name of BOTH) {
    using home = gregsHome();
    const file = rcfile(home, snippet(name, hookTells(home)));
    for (const [sender, recipient, starts] of WHO_STARTS) {
      const enveloped = withEnvelope(ORDINARY, sender, recipient);
      const lies = enveloped.replace("\nFrom:", "\nReturn-Path: <friend@friend.example>\nFrom:");
      const told = { SENDER: sender, RECIPIENT: recipient };
      const ways: [string, string[], string, Record<string, string>][] = [
        ["variables", ["-p"], ORDINARY, told],
        ["variables, and a lie", ["-p"], ORDINARY.replace("\nFrom:", "\nReturn-Path: <x@y.example>\nFrom:"), told],
        ["header", [], enveloped, {}],
        ["header, and a lie", [], lies, {}],
        ["X-Original-To", [], enveloped.replace("Delivered-To: ", "X-Original-To: "), {}],
        ["ORIGINAL_RECIPIENT", ["-p"], ORDINARY, { SENDER: sender, ORIGINAL_RECIPIENT: recipient }],
      ];
      for (const [way, flags, message, env] of ways) {
        await t.step(`${name}: from <${sender}> to ${recipient} by ${way}`, async () => {
          empty(home);
          await home.run(["procmail", ...flags, "-m", file], message, env);
          assert.equal(started(home), starts);
          if (!starts) assert.deepEqual(found(home).inbox, [message]);
        });
      }
    }
  }
});

test("procmail: a stranger's result field is not delivered", async (t) => {
  const LIES = [
    "X-Countersign: genuine; check=proof\n",
    "x-countersign:\n genuine\n",
    "X-Countersign : genuine\n",
    "X-Countersign  : genuine\n",
    "X-Countersign\t: genuine\n",
    "X-Other: 1\rX-Countersign: genuine\n",
  ];
  for (const name of BOTH) {
    for (const lie of LIES) {
      await t.step(`${name}: ${JSON.stringify(lie)}`, async () => {
        using home = gregsHome();
        const mail = ORDINARY.replace("\n\n", `\n${lie}X-Last: 1\n\n`);
        assert.equal((await procmail(home, snippet(name), withEnvelope(mail, "friend@friend.example"))).code, 0);
        const [got, ...more] = found(home).inbox;
        assert.deepEqual(more, []);
        assert.deepEqual(got!.match(/genuine|check=proof/gi) ?? [], []);
        assert.equal(fieldOf(got!, "X-Last"), "1", "the fields around it stay");
        assert.ok(got!.endsWith(mail.slice(mail.indexOf("\n\n"))), "so does the body");
      });
    }
  }
});

test("procmail: what is suspect is delivered, with its mark", async (t) => {
  for (const [what, top, incoming, result] of SUSPECT) {
    await t.step(what, async () => {
      using home = gregsHome();
      home.settings(settings(home, incoming), top);
      assert.equal((await procmail(home, snippet(MARKS), withEnvelope(FORGED))).code, 0);
      counts(home, result === "suspect" ? 1 : 0, result === "suspect" ? 0 : 1, home.read("procmail.log"));
      const [got] = [...found(home).inbox, ...found(home).spam];
      assert.ok(fieldOf(got!, "X-Countersign").startsWith(`${result}; check=forged; `));
    });
  }
});

test("procmail: ordinary mail is untouched when the hook files", async () => {
  using home = gregsHome();
  const message = withEnvelope(ORDINARY, "friend@friend.example");
  await procmail(home, snippet(FILES), message);
  assert.deepEqual(found(home).inbox, [message]);
});

test("procmail: with -p the environment tells the envelope", async (t) => {
  // Bytes that are not UTF-8 cannot be given by Deno, so a shell does it.
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
        // A quoted local part starts the hook, whoever the sender is.
        const env = { RECIPIENT: what === "not UTF-8" ? '"greg"@example.org' : "greg@example.org" };
        const ran = await home.run(["sh", "-c", script, rcfile(home, snippet(name))], message, env);
        assert.equal(ran.code, 0, ran.stderr);
        counts(home, inbox, spam, home.read("procmail.log"));
        if (what === "not UTF-8") assert.match(home.read(".local/state/countersign/log"), / sender=unreadable /);
      });
    }
  }
});

test("procmail: nothing is lost, whatever happens to the hook", async (t) => {
  /** Prepares, and gives the hook's path when it is another. */
  type Trouble = (home: Home) => string | void;
  const dead = (home: Home) => home.write("bin/dies", "#!/bin/sh\nhead -c 100\nkill -9 $$\n", 0o755);
  // The statuses of the form that files; the form that marks delivers what it had.
  const table: [what: string, trouble: Trouble, code: number][] = [
    ["settings broken", breakSettings, 75],
    ["hook missing", () => "/nowhere/incoming", 0],
    ["hook killed", dead, 0],
    ["Deno killed", (home) => denoDies(home), 75],
    ["Deno killed in the middle", (home) => denoDies(home, 100), 75],
    ["Deno missing", (home) => Deno.removeSync(`${home.path}/bin/deno`), 75],
  ];
  for (const [what, trouble, code] of table) {
    for (const name of BOTH) {
      for (const [size, body] of [["small", ""], ["a megabyte", MEGABYTE]] as const) {
        await t.step(`${what}: ${name}, ${size}`, async () => {
          using home = gregsHome();
          const message = withEnvelope(FORGED) + body;
          const hook = trouble(home);
          const ran = await procmail(home, snippet(name, hook ? hookIs(hook) : {}), message);
          assert.equal(ran.code, name === FILES ? code : 0, home.read("procmail.log"));
          const kept = name === FILES && code === 75;
          counts(home, kept ? 0 : 1, 0, home.read("procmail.log"));
          if (!kept) assert.ok(found(home).inbox[0] === message, "delivered as it was");
        });
      }
    }
  }
});

test("procmail: why the recipes have their flags", async (t) => {
  const dead = (home: Home) => hookIs(home.write("bin/dies", "#!/bin/sh\ncat >/dev/null\nkill -9 $$\n", 0o755));
  const message = withEnvelope(FORGED);
  await t.step(":0 f without w delivers an empty message when the hook dies", async () => {
    using home = gregsHome();
    const careless = snippet(MARKS, dead(home)).replace(":0 fwr", ":0 fr");
    await procmail(home, careless, message);
    assert.deepEqual(found(home).inbox.map((mail) => mail.trim()), [""]);
  });
  await t.step(":0 without W loses the message when the hook dies", async () => {
    using home = gregsHome();
    const careless = snippet(FILES, dead(home)).replace(":0 Wr", ":0 r");
    const ran = await procmail(home, careless, message);
    assert.equal(ran.code, 0);
    counts(home, 0, 0);
  });
  await t.step("an empty output with status 0 would be taken for the message", async () => {
    using home = gregsHome();
    const nothing = home.write("bin/nothing", "#!/bin/sh\ncat >/dev/null\n", 0o755);
    await procmail(home, snippet(MARKS, hookIs(nothing)), message);
    assert.deepEqual(found(home).inbox.map((mail) => mail.trim()), [""]);
  });
});

test("procmail: a hook that reads nothing of a megabyte", async (t) => {
  // Status 10 is "go on": the message is delivered by procmail, although writing to the hook failed.
  for (const name of BOTH) {
    await t.step(name, async () => {
      using home = gregsHome();
      const deaf = home.write("bin/deaf", "#!/bin/sh\nexit 10\n", 0o755);
      const message = withEnvelope(FORGED) + MEGABYTE;
      const ran = await procmail(home, snippet(name, hookIs(deaf)), message);
      assert.equal(ran.code, 0);
      assert.match(home.read("procmail.log"), /Error while writing to/);
      assert.ok(found(home).inbox[0] === message, "delivered as it was");
    });
  }
  await t.step("ours reads all", async () => {
    using home = gregsHome();
    await procmail(home, snippet(FILES), withEnvelope(FORGED) + MEGABYTE);
    assert.doesNotMatch(home.read("procmail.log"), /Error/);
  });
});

test("procmail: nothing is refused", async (t) => {
  const table: [what: string, message: string, spam: number][] = [
    ["a forged SRS address, from a person", withEnvelope(ORDINARY, "friend@friend.example", FORGED_SRS), 1],
    ["from the null sender", withEnvelope(FORGED, "", FORGED_SRS), 1],
    ["a double bounce", withEnvelope(FORGED, "#@[]", FORGED_SRS), 0],
  ];
  for (const [what, message, spam] of table) {
    await t.step(what, async () => {
      using home = gregsHome(`forged = "refuse"`);
      const ran = await procmail(home, snippet(FILES), message);
      assert.equal(ran.code, 0, home.read("procmail.log"));
      counts(home, 1 - spam, spam);
    });
  }
});
