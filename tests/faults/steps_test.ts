/**
 * A fault at each step of the shim and of the hook: the disk is full, a file may not be touched, keys, state or
 * settings vanish in mid-run, SIGTERM, SIGKILL. Exactly once and whole, or the caller keeps it.
 */
import assert from "node:assert/strict";
import type { Fault, Job, Result } from "./driver.ts";
import { BODY, byTwo, CONFIG, type End, FaultHome, KEYS, STATE } from "./home.ts";
import { type Way, WAYS } from "./ways.ts";

/** The steps of a run without a fault. */
async function stepsOf(way: Way, home: FaultHome): Promise<readonly string[]> {
  // The first run makes the folders, which is what a walk begins with each time.
  const { results: [first] } = await home.drive([way.job(home, "first@example.net")]);
  assert.equal(first!.status, way.done, way.what);
  assert.equal(way.arrived(home, "first@example.net").filter(way.whole).length, 1, way.what);
  return first!.steps;
}

/** What is done at a step, by its name. */
function faultsAt(step: string, home: FaultHome, way: Way): Fault[] {
  // What is found missing later does not depend on the way out.
  const vanishes = way === WAYS[0];
  const paths = [KEYS, CONFIG, STATE].map((name) => `${home.path}/${name}`);
  return [
    "disk",
    ...(vanishes ? ["denied" as const] : []),
    ...(step === "input" ? ["io" as const] : []),
    ...(step === "write" ? ["short" as const] : []),
    ...(vanishes ? [`cut ${paths[0]}` as const, ...paths.map((path): Fault => `remove ${path}`)] : []),
  ];
}

Deno.test("errors at each step: exactly once and whole, or kept", async (t) => {
  for (const way of WAYS) {
    await t.step(way.what, async () => {
      using home = new FaultHome();
      Deno.mkdirSync(`${home.path}/Inbox`);
      const steps = await stepsOf(way, home);
      const jobs: (Job & { what: string; name: string })[] = [];
      for (const [at, step] of steps.entries()) {
        for (const fault of faultsAt(step, home, way)) {
          const name = `j${jobs.length}@example.net`;
          // What is removed must be there: each run makes the state anew.
          const job = way.job(home, name);
          const there = { ...job.files, [`${STATE}/log`]: "" };
          jobs.push({ ...job, files: there, fault: [at, fault], what: `${fault} at step ${at}, ${step}`, name });
        }
      }
      const { results, end } = await home.drive(jobs);
      assert.deepEqual([results.length, end.code], [jobs.length, 0], "the driver came to its end");
      for (const [at, { what, name }] of jobs.entries()) {
        const { status } = results[at]!;
        const mails = way.arrived(home, name);
        assert.equal(mails.length, status === way.done ? 1 : 0, `${what}: status ${status}`);
        // A key that is cut is too short to sign: the message goes out unsigned.
        const unsigned = what.startsWith("cut") && mails.every((mail) => !/^X-Msgauth:/m.test(mail));
        assert.ok(unsigned ? mails.every((mail) => mail.endsWith(BODY)) : mails.every(way.whole), `${what}: ${mails}`);
      }
      const statuses = new Set(results.map(({ status }) => status));
      assert.ok(statuses.has(way.done) && statuses.size > 1, "some faults stop a message, some do not");
    });
  }
});

Deno.test("the launcher is gone at each step: nothing is handed over, up to the commit itself", async (t) => {
  for (const way of WAYS) {
    await t.step(way.what, async () => {
      using home = new FaultHome();
      Deno.mkdirSync(`${home.path}/Inbox`);
      const steps = await stepsOf(way, home);
      const jobs: (Job & { name: string })[] = [];
      for (const at of steps.keys()) {
        const name = `o${at}@example.net`;
        const job = way.job(home, name);
        jobs.push({ ...job, without: STATE, fault: [at, "orphan"], name });
      }
      const { results } = await home.drive(jobs);
      const handedOver = jobs.map(({ name }, at) => {
        const mails = way.arrived(home, name);
        assert.equal(mails.length, results[at]?.status === way.done ? 1 : 0, `step ${at}, ${steps[at]}`);
        return mails.length === 1;
      });
      const commit = handedOver.indexOf(true);
      // Of a maildir all is undone until the message is on the disk. A pipe's end is a step of the driver's own.
      const ways = [[/maildir|filing a|delivering/, "remove"], [/spool/, "mkdir"], [/./, "pipe"]] as const;
      assert.equal(results[commit]?.steps[commit], ways.find(([some]) => some.test(way.what))![1]);
    });
  }
});

/** Before these last steps nobody listens to SIGTERM, which ends a process then as SIGKILL does. */
const HEARD = 15;

/** Runs a process for each step that is hit there. */
async function walk(way: Way, fault: "kill" | "term", look: (run: Run) => void): Promise<void> {
  using first = new FaultHome();
  Deno.mkdirSync(`${first.path}/Inbox`);
  const steps = [...await stepsOf(way, first), "after all"];
  // Each in a home of its own: what a former one left would be more steps.
  await byTwo(steps, async (step, at) => {
    if (fault === "term" && at > 0 && at < steps.length - HEARD) return;
    using home = new FaultHome();
    Deno.mkdirSync(`${home.path}/Inbox`);
    const name = `${fault}@example.net`;
    const { results, end } = await home.drive([{ ...way.job(home, name), fault: [at, fault] }]);
    await home.quiet();
    // What came without its first byte has no name.
    const empty = home.taken("greg@example.org").filter((mail) => mail === "");
    look({ at, step, result: results[0], end, mails: [...way.arrived(home, name), ...empty] });
  });
}

interface Run {
  readonly at: number;
  readonly step: string;
  /** None when the process did not come so far. */
  readonly result: Result | undefined;
  readonly end: End;
  readonly mails: readonly string[];
}

/** Steps at which the message is on its way through a pipe. */
const STREAMING = "pipe";

// The maildirs are one mechanism, and so are the two ways to run a program: one of each, out and in.
const WALKED = WAYS.filter(({ what }) => !/maildir|delivering|by a program/.test(what));
for (const way of WALKED) {
  Deno.test(`SIGTERM at each step, ${way.what}: exactly once and whole, or kept`, async () => {
    let [killed, stopped, done] = [0, 0, 0];
    await walk(way, "term", ({ step, at, result, mails, end }) => {
      const what = `step ${at}, ${step}: ${JSON.stringify(result ?? end)}`;
      const status = result?.status ?? end.signal;
      if (status === way.done) done++;
      else if (result === undefined) killed++;
      else stopped++;
      assert.notEqual(status, null, what);
      assert.equal(mails.length, status === way.done ? 1 : 0, what);
      assert.ok(mails.every(way.whole), what);
    });
    assert.ok(killed > 0 && done > 0, `${killed} killed before anything was begun, ${stopped} undone, ${done} done`);
  });

  Deno.test(`SIGKILL at each step, ${way.what}: nobody takes a part for the whole`, async () => {
    let [taken, parts] = [0, 0];
    await walk(way, "kill", ({ step, at, result, mails, end }) => {
      const what = `step ${at}, ${step}: ${JSON.stringify(result ?? end)}`;
      if (step === "after all") return assert.equal(result?.status, way.done, what);
      assert.equal(end.signal, "SIGKILL", what);
      assert.ok(mails.length <= 1, what);
      taken += mails.length;
      if (mails.every(way.whole)) return;
      assert.equal(step, STREAMING, what);
      parts++;
    });
    assert.ok(taken > 0, "killed after it was handed over");
    const streams = /streaming|forwarding a/.test(way.what);
    assert.equal(parts > 0, streams, `${parts} parts: the gap that a spool closes`);
  });
}
