/**
 * A challenge is answered at most once, whatever crashes. The injector stops the hook at a chosen point. An answer that
 * was started is never started again, and the challenge is delivered with the reason.
 */
import assert from "node:assert/strict";
import type { Challenge } from "../qsecretary.ts";
import { fieldOf, ledgerFiles } from "../rig.ts";
import { challenges, GO_ON, MARKS, Member } from "./member.ts";
import { until } from "./postfix.ts";

const FORMS = [[GO_ON, "qmail"], [MARKS, "the hook delivers"]] as const;

/** How often this challenge was answered. */
const answers = (home: Member, { confirm }: Challenge): number =>
  home.injected().filter(({ argv }) => argv.at(-1) === confirm).length;

/** Repeats a challenge, and asserts that it is not answered but delivered with this reason. */
async function assertDelivered(home: Member, challenge: Challenge, form: string, why: RegExp): Promise<void> {
  const [before, sent] = [home.inbox().length, home.injected().length];
  const { end, runs } = await home.deliver(challenge);
  assert.equal(end, "success", runs.map(({ stdout }) => stdout).join());
  assert.equal(home.injected().length, sent, "nothing is sent");
  assert.equal(home.inbox().length, before + 1);
  assert.match(home.logged, why);
  assert.match(home.logged, /check it yourself/);
  if (form === MARKS) assert.match(fieldOf(home.inbox().at(-1)!, "X-Countersign"), why);
}

/** Asserts that a challenge about another post is answered, and the earlier one is not. */
async function assertNextAnswered(home: Member, earlier: Challenge): Promise<void> {
  const count = answers(home, earlier);
  const [next] = await home.post("Another patch");
  assert.equal((await home.deliver(next!)).end, "success");
  assert.deepEqual([answers(home, next!), answers(home, earlier)], [1, count], home.logged);
}

/** A member with an unanswered challenge, whose injector then runs this script first. */
async function challenged(script: string, form: string): Promise<{ home: Member; challenge: Challenge }> {
  const home = new Member();
  const [challenge] = await home.post("A patch");
  home.qmail(form);
  home.injector(script.replaceAll("$FOLDER", home.path));
  return { home, challenge: challenge! };
}

/** Waits until all programs of this home have ended: an injector outlives a killed hook, and may still send. */
async function quiet(home: Member): Promise<void> {
  const hasThisHome = ({ name }: Deno.DirEntry) => {
    try {
      return /^\d+$/.test(name) && Deno.readTextFileSync(`/proc/${name}/environ`).includes(`HOME=${home.path}\0`);
    } catch {
      return false; // It has exited.
    }
  };
  await until("the end of all programs", () => ![...Deno.readDirSync("/proc")].some(hasThisHome));
}

const KILL = "kill -9 $PPID";
// Five seconds at most: if the hook dies while it starts the injector, the injector never has it as a parent.
const WAIT_FOR_EXIT = "n=0; while [ $n -lt 500 ] && kill -0 $PPID 2>/dev/null; do n=$((n + 1)); sleep 0.01; done";

Deno.test("after a hook is killed, an answer that was started is never repeated", async (t) => {
  const table: [what: string, script: string, sent: number][] = [
    ["before the injector has done anything", `${KILL}; exit 75`, 0],
    ["while the injector reads", `head -c 20 >/dev/null; ${KILL}; exit 75`, 0],
    ["and the injector sends what it has read", `${KILL}; ${WAIT_FOR_EXIT}`, 1],
    // Here the injector has recorded the message, and kills the hook before it exits.
    ["after the answer is sent", `trap '${KILL}' EXIT`, 1],
  ];
  for (const [what, script, sent] of table) {
    for (const [form, name] of FORMS) {
      await t.step(`${what}: ${name}`, async () => {
        const { home, challenge } = await challenged(script, form);
        using _ = home;
        const { end, runs } = await home.deliver(challenge);
        assert.deepEqual([end, runs[0]!.code], ["defer", 75]);
        await quiet(home);
        assert.deepEqual(home.ledger(), { issued: 0, claimed: 1, spent: 0 });
        assert.deepEqual([home.inbox(), home.kept()], [[], []]);
        assert.equal(answers(home, challenge), sent);
        home.injector("");
        for (const _again of [1, 2]) {
          await assertDelivered(home, challenge, form, /an answer was started and may have been sent/);
        }
        await assertNextAnswered(home, challenge);
        assert.equal(answers(home, challenge), sent);
      });
    }
  }
});

Deno.test("a hook is killed as soon as its claim exists", async () => {
  // At any point of its work; the injector waits until the hook is gone.
  const { home, challenge } = await challenged(WAIT_FOR_EXIT, GO_ON);
  using _ = home;
  const delivery = home.deliver(challenge);
  const ledger = `${home.path}/.local/state/countersign/ledger`;
  let claim: string | undefined;
  const end = Date.now() + 30_000;
  while ((claim = ledgerFiles(ledger).claimed[0]) === undefined && Date.now() < end) {
    await new Promise((done) => setTimeout(done)); // react at once
  }
  const [, pid] = /\.claimed\.[^.]+\.(\d+)\./.exec(claim!)!;
  Deno.kill(Number(pid), "SIGKILL");
  assert.equal((await delivery).end, "defer");
  await quiet(home);
  home.injector("");
  await assertDelivered(home, challenge, GO_ON, /an answer was started and may have been sent/);
  await assertNextAnswered(home, challenge);
  assert.ok(answers(home, challenge) <= 1);
});

Deno.test("an answer that may have been sent is never repeated", async (t) => {
  const claims = "$FOLDER/.local/state/countersign/ledger/*/messages/*/*.claimed.*";
  const table: [what: string, script: string, settings: string, message: RegExp][] = [
    ["the injector is killed", "kill -9 $$", "", /was killed by SIGKILL/],
    ["the injector takes too long", "exec sleep 60", "timeout = 1\n", /took longer than 1 s and was killed/],
    ["the hook is stopped by a signal", "kill -TERM $PPID; exec sleep 60", "", /Stopped by a signal/],
    ["the ledger cannot be updated afterwards", `mv ${claims} $(echo ${claims}).moved`, "", /Ledger cannot be used/],
  ];
  // In parallel, because they wait for some seconds.
  await Promise.all(FORMS.map(async ([form]) => {
    for (const [what, script, settings, message] of table) {
      const { home, challenge } = await challenged(script, form);
      using _ = home;
      if (settings !== "") {
        const command = `command = ["${home.path}/bin/injector"]\n`;
        home.settings(`${challenges()}\n[transport]\npreset = "sendmail"\n${command}${settings}`);
      }
      const { end, runs } = await home.deliver(challenge);
      assert.deepEqual([end, runs[0]!.code], ["defer", 75], what);
      assert.match(runs[0]!.stdout, message);
      assert.equal(home.ledger()["claimed"], 1, what);
      assert.ok(answers(home, challenge) <= 1, what);
      home.injector("");
      await assertDelivered(home, challenge, form, /an answer was started and may have been sent/);
    }
  }));
  await t.step("the answer was sent, but the challenge cannot be filed", async () => {
    const { home, challenge } = await challenged("", MARKS);
    using _ = home;
    home.write("Maildir/.Answered", "not a folder");
    assert.equal((await home.deliver(challenge)).end, "defer");
    assert.deepEqual(home.ledger(), { issued: 0, claimed: 0, spent: 1 });
    await assertDelivered(home, challenge, MARKS, /it was already answered/);
    assert.equal(answers(home, challenge), 1);
  });
});

Deno.test("if certainly no answer was sent, the challenge is delivered with the reason and may be answered later", async (t) => {
  const table: [what: string, script: string, why: RegExp][] = [
    ["the injector exits 100", "exit 100", /the answer could not be sent: refused/],
    ["the injector exits 75", "cat >/dev/null; exit 75", /the answer could not be sent: temporary/],
    ["the injector is missing", "", /the answer could not be sent: system/],
  ];
  for (const [what, script, why] of table) {
    for (const [form, name] of FORMS) {
      await t.step(`${what}: ${name}`, async () => {
        const { home, challenge } = await challenged(script, form);
        using _ = home;
        const program = home.read("bin/injector");
        if (script === "") Deno.removeSync(`${home.path}/bin/injector`);
        await assertDelivered(home, challenge, form, why);
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

Deno.test("if the ledger cannot be written, mail is sent and its challenge is delivered", async () => {
  using home = new Member();
  // As if its file system were not mounted.
  Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
  Deno.symlinkSync("/nonexistent/ledger", `${home.path}/.local/state/countersign/ledger`);
  const [challenge] = await home.post("A patch");
  assert.match(home.logged, /direction=out .*result=sent/);
  assert.match(home.logged, /forgotten="\S+: Ledger cannot be used: /);
  assert.equal((await home.deliver(challenge!)).end, "success");
  assert.deepEqual([home.inbox().length, answers(home, challenge!)], [1, 0]);
});
