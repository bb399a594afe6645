/**
 * An answer is a contract: at most one, whatever dies. The injector here stops
 * the hook at a chosen point; what was begun is never begun again, and the
 * challenge reaches greg with the reason.
 */
import assert from "node:assert/strict";
import type { Challenge } from "../qsecretary.ts";
import { fieldOf, ledgerFiles } from "../rig.ts";
import { challenges, GO_ON, MARKS, Member } from "./member.ts";
import { until } from "./postfix.ts";

const FORMS = [[GO_ON, "qmail"], [MARKS, "the hook delivers"]] as const;

/** Answers to this challenge that left. */
const answers = (home: Member, { confirm }: Challenge): number =>
  home.injected().filter(({ argv }) => argv.at(-1) === confirm).length;

/** The challenge comes again: nothing is answered, it is delivered, and greg is told why. */
async function toldWhy(home: Member, challenge: Challenge, form: string, why: RegExp): Promise<void> {
  const [before, left] = [home.inbox().length, home.injected().length];
  const { end, runs } = await home.deliver(challenge);
  assert.equal(end, "success", runs.map(({ stdout }) => stdout).join());
  assert.equal(home.injected().length, left, "nothing left");
  assert.equal(home.inbox().length, before + 1);
  assert.match(home.logged, why);
  assert.match(home.logged, /check it yourself/);
  if (form === MARKS) assert.match(fieldOf(home.inbox().at(-1)!, "X-Countersign"), why);
}

/** Another post is answered, to its own address; what went before is not touched by it. */
async function nextIsAnswered(home: Member, former: Challenge): Promise<void> {
  const count = answers(home, former);
  const [next] = await home.post("Another patch");
  assert.equal((await home.deliver(next!)).end, "success");
  assert.deepEqual([answers(home, next!), answers(home, former)], [1, count], home.logged);
}

/** A member who was asked about a post, and whose injector from then on does this first. */
async function asked(script: string, form: string): Promise<{ home: Member; challenge: Challenge }> {
  const home = new Member();
  const [challenge] = await home.post("A patch");
  home.qmail(form);
  home.injector(script.replaceAll("$FOLDER", home.path));
  return { home, challenge: challenge! };
}

/** A program lives on when the hook is killed, and may send what it has: this waits for the end of all. */
async function quiet(home: Member): Promise<void> {
  const runs = ({ name }: Deno.DirEntry) => {
    try {
      return /^\d+$/.test(name) && Deno.readTextFileSync(`/proc/${name}/environ`).includes(`HOME=${home.path}\0`);
    } catch {
      return false; // It has ended.
    }
  };
  await until("the end of all that runs", () => ![...Deno.readDirSync("/proc")].some(runs));
}

const KILL = "kill -9 $PPID";
// Five seconds at most: when the hook dies while it starts its program, that has another parent from the beginning.
const GONE = "n=0; while [ $n -lt 500 ] && kill -0 $PPID 2>/dev/null; do n=$((n + 1)); sleep 0.01; done";

Deno.test("a hook is killed: what it has begun is never answered again", async (t) => {
  const table: [what: string, script: string, sent: number][] = [
    ["before its program has done anything", `${KILL}; exit 75`, 0],
    ["while its program reads", `head -c 20 >/dev/null; ${KILL}; exit 75`, 0],
    ["and its program sends what it has read", `${KILL}; ${GONE}`, 1],
    // The usual injector writes all down, then ends; here the hook is killed in between.
    ["when all is sent", `trap '${KILL}' EXIT`, 1],
  ];
  for (const [what, script, sent] of table) {
    for (const [form, name] of FORMS) {
      await t.step(`${what}: ${name}`, async () => {
        const { home, challenge } = await asked(script, form);
        using _ = home;
        const { end, runs } = await home.deliver(challenge);
        assert.deepEqual([end, runs[0]!.code], ["defer", 75]);
        await quiet(home);
        assert.deepEqual(home.ledger(), { issued: 0, claimed: 1, spent: 0 });
        assert.deepEqual([home.inbox(), home.kept()], [[], []]);
        assert.equal(answers(home, challenge), sent);
        home.injector("");
        for (const _again of [1, 2]) {
          await toldWhy(home, challenge, form, /an answer was started and may have been sent/);
        }
        await nextIsAnswered(home, challenge);
        assert.equal(answers(home, challenge), sent);
      });
    }
  }
});

Deno.test("a hook is killed as soon as its claim is seen", async () => {
  // Wherever it is then: its program waits for its end.
  const { home, challenge } = await asked(GONE, GO_ON);
  using _ = home;
  const delivery = home.deliver(challenge);
  const ledger = `${home.path}/.local/state/countersign/ledger`;
  let claim: string | undefined;
  const end = Date.now() + 30_000;
  while ((claim = ledgerFiles(ledger).claimed[0]) === undefined && Date.now() < end) {
    await new Promise((done) => setTimeout(done)); // at once, wherever the hook is then
  }
  const [, pid] = /\.claimed\.[^.]+\.(\d+)\./.exec(claim!)!;
  Deno.kill(Number(pid), "SIGKILL");
  assert.equal((await delivery).end, "defer");
  await quiet(home);
  home.injector("");
  await toldWhy(home, challenge, GO_ON, /an answer was started and may have been sent/);
  await nextIsAnswered(home, challenge);
  assert.ok(answers(home, challenge) <= 1);
});

Deno.test("it is not certain whether the answer left: never again", async (t) => {
  const claims = "$FOLDER/.local/state/countersign/ledger/*/messages/*/*.claimed.*";
  const table: [what: string, script: string, more: string, said: RegExp][] = [
    ["the program is killed", "kill -9 $$", "", /was killed by SIGKILL/],
    ["it takes too long", "exec sleep 60", "timeout = 1\n", /took longer than 1 s and was killed/],
    ["the hook is stopped by a signal", "kill -TERM $PPID; exec sleep 60", "", /Stopped by a signal/],
    ["the end cannot be written down", `mv ${claims} $(echo ${claims}).moved`, "", /Ledger cannot be used/],
  ];
  // They wait for some seconds, so side by side.
  await Promise.all(FORMS.map(async ([form]) => {
    for (const [what, script, more, said] of table) {
      const { home, challenge } = await asked(script, form);
      using _ = home;
      if (more !== "") {
        const command = `command = ["${home.path}/bin/injector"]\n`;
        home.settings(`${challenges()}\n[transport]\npreset = "sendmail"\n${command}${more}`);
      }
      const { end, runs } = await home.deliver(challenge);
      assert.deepEqual([end, runs[0]!.code], ["defer", 75], what);
      assert.match(runs[0]!.stdout, said);
      assert.equal(home.ledger()["claimed"], 1, what);
      assert.ok(answers(home, challenge) <= 1, what);
      home.injector("");
      await toldWhy(home, challenge, form, /an answer was started and may have been sent/);
    }
  }));
  await t.step("the answer was sent, its challenge cannot be kept", async () => {
    const { home, challenge } = await asked("", MARKS);
    using _ = home;
    home.write("Maildir/.Answered", "no folder");
    assert.equal((await home.deliver(challenge)).end, "defer");
    assert.deepEqual(home.ledger(), { issued: 0, claimed: 0, spent: 1 });
    await toldWhy(home, challenge, MARKS, /it was already answered/);
    assert.equal(answers(home, challenge), 1);
  });
});

Deno.test("it is certain that no answer left: delivered with the reason, and answered another time", async (t) => {
  const table: [what: string, script: string, why: RegExp][] = [
    ["the program says 100", "exit 100", /the answer could not be sent: refused/],
    ["the program says 75", "cat >/dev/null; exit 75", /the answer could not be sent: temporary/],
    ["the program is not there", "", /the answer could not be sent: system/],
  ];
  for (const [what, script, why] of table) {
    for (const [form, name] of FORMS) {
      await t.step(`${what}: ${name}`, async () => {
        const { home, challenge } = await asked(script, form);
        using _ = home;
        const program = home.read("bin/injector");
        if (script === "") Deno.removeSync(`${home.path}/bin/injector`);
        await toldWhy(home, challenge, form, why);
        assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
        assert.equal(answers(home, challenge), 0);
        home.write("bin/injector", program, 0o755);
        home.injector("");
        assert.equal((await home.deliver(challenge)).end, "success");
        assert.deepEqual([answers(home, challenge), home.ledger()["spent"]], [1, 1]);
      });
    }
  }
});

Deno.test("nothing can be remembered: mail goes out, its challenge is delivered", async () => {
  using home = new Member();
  // Its disk is not there.
  Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
  Deno.symlinkSync("/nonexistent/ledger", `${home.path}/.local/state/countersign/ledger`);
  const [challenge] = await home.post("A patch");
  assert.match(home.logged, /direction=out .*result=sent/);
  assert.match(home.logged, /forgotten="\S+: Ledger cannot be used: /);
  assert.equal((await home.deliver(challenge!)).end, "success");
  assert.deepEqual([home.inbox().length, answers(home, challenge!)], [1, 0]);
});
