/**
 * A fault at each step of the shim and the hook: the disk is full, access is denied, keys, state or settings are
 * removed during the run, SIGTERM, SIGKILL. The message is sent whole and exactly once, or the caller keeps it.
 */
import assert from "node:assert/strict";
import type { Fault, Job, Result } from "./driver.ts";
import { BODY, CONFIG, type End, FaultHome, inPairs, KEYS, STATE } from "./home.ts";
import { ALL, killedAt } from "./matrix.ts";
import { type Route, ROUTES } from "./routes.ts";

/** The steps of a run without a fault. */
async function stepsOf(route: Route, home: FaultHome): Promise<readonly string[]> {
  // The first run creates the folders, as each run in a fresh home does.
  const { results: [first] } = await home.drive([route.job(home, "first@example.net")]);
  assert.equal(first!.status, route.done, route.what);
  assert.equal(route.arrived(home, "first@example.net").filter(route.whole).length, 1, route.what);
  return first!.steps;
}

/** The faults to try at a step. */
function faultsAt(step: string, home: FaultHome, route: Route): Fault[] {
  // How the shim handles missing files does not depend on the route, so one is enough.
  const removesFiles = route === ROUTES[0];
  const paths = [KEYS, CONFIG, STATE].map((name) => `${home.path}/${name}`);
  return [
    "disk",
    ...(removesFiles ? ["denied" as const] : []),
    ...(step === "input" ? ["io" as const] : []),
    ...(step === "write" ? ["short" as const] : []),
    ...(removesFiles ? [`cut ${paths[0]}` as const, ...paths.map((path): Fault => `remove ${path}`)] : []),
  ];
}

Deno.test("errors at each step: the message is sent whole and exactly once, or kept", async (t) => {
  for (const route of ROUTES) {
    await t.step(route.what, async () => {
      using home = new FaultHome();
      Deno.mkdirSync(`${home.path}/Inbox`);
      const steps = await stepsOf(route, home);
      const jobs: (Job & { what: string; name: string })[] = [];
      for (const [at, step] of steps.entries()) {
        for (const fault of faultsAt(step, home, route)) {
          const name = `j${jobs.length}@example.net`;
          // The files to remove must exist, so they are written before each run.
          const job = route.job(home, name);
          const files = { ...job.files, [`${STATE}/log`]: "" };
          jobs.push({ ...job, files, fault: [at, fault], what: `${fault} at step ${at}, ${step}`, name });
        }
      }
      const { results, end } = await home.drive(jobs);
      assert.deepEqual([results.length, end.code], [jobs.length, 0], "the driver finished all jobs");
      for (const [at, { what, name }] of jobs.entries()) {
        const { status } = results[at]!;
        const mails = route.arrived(home, name);
        assert.equal(mails.length, status === route.done ? 1 : 0, `${what}: status ${status}`);
        // A truncated key is too short to sign, so the message is sent unsigned.
        const unsigned = what.startsWith("cut") && mails.every((mail) => !/^X-Msgauth:/m.test(mail));
        assert.ok(
          unsigned ? mails.every((mail) => mail.endsWith(BODY)) : mails.every(route.whole),
          `${what}: ${mails}`,
        );
      }
      const statuses = new Set(results.map(({ status }) => status));
      assert.ok(statuses.has(route.done) && statuses.size > 1, "some faults stop a message, some do not");
    });
  }
});

Deno.test("the launcher is killed at each step: nothing is sent up to and including the commit", async (t) => {
  for (const route of ROUTES) {
    await t.step(route.what, async () => {
      using home = new FaultHome();
      Deno.mkdirSync(`${home.path}/Inbox`);
      const steps = await stepsOf(route, home);
      const jobs: (Job & { name: string })[] = [];
      for (const at of steps.keys()) {
        const name = `o${at}@example.net`;
        const job = route.job(home, name);
        jobs.push({ ...job, aside: STATE, fault: [at, "orphan"], name });
      }
      const { results } = await home.drive(jobs);
      assert.equal(results.length, jobs.length, "the driver finished all jobs");
      const sent = jobs.map(({ name }, at) => {
        const mails = route.arrived(home, name);
        assert.equal(mails.length, results[at]!.status === route.done ? 1 : 0, `step ${at}, ${steps[at]}`);
        return mails.length === 1;
      });
      const commit = sent.indexOf(true);
      // The first step where killing the launcher is too late: a delivery to a maildir can be undone until it is
      // synced, and closing a pipe is a step of the driver.
      const lateSteps = [[/maildir|filing a|delivering/, "remove"], [/spool|outbox/, "stat"], [/./, "pipe"]] as const;
      assert.equal(results[commit]?.steps[commit], lateSteps.find(([pattern]) => pattern.test(route.what))![1]);
    });
  }
});

/** The number of last steps in which SIGTERM is handled. Before these it ends the process as SIGKILL does. */
const STEPS_WITH_HANDLER = 15;

/** Runs one process for each step, which is killed at this step, and checks the result. */
async function killAtEachStep(route: Route, fault: "kill" | "term", check: (run: Run) => void): Promise<void> {
  using first = new FaultHome();
  Deno.mkdirSync(`${first.path}/Inbox`);
  const steps = [...await stepsOf(route, first), "after all"];
  const numbers = fault === "kill"
    ? killedAt(steps)
    : [...steps.keys()].filter((at) => at === 0 || at >= steps.length - STEPS_WITH_HANDLER);
  // Each run has its own home, because files of earlier runs would cause more steps.
  await inPairs(numbers, async (at) => {
    const step = steps[at]!;
    using home = new FaultHome();
    Deno.mkdirSync(`${home.path}/Inbox`);
    const name = `${fault}@example.net`;
    const { results, end } = await home.drive([{ ...route.job(home, name), fault: [at, fault] }]);
    await home.quiet();
    // A message that was cut before its first byte has no subject to recognize it by.
    const empty = home.taken("greg@example.org").filter((mail) => mail === "");
    check({ at, step, result: results[0], end, mails: [...route.arrived(home, name), ...empty] });
  });
}

interface Run {
  readonly at: number;
  readonly step: string;
  /** Undefined if the process was killed before. */
  readonly result: Result | undefined;
  readonly end: End;
  readonly mails: readonly string[];
}

/** The step that writes the message into a pipe. */
const STREAMING = "pipe";

// All maildirs use the same code, and so do the routes that run a program: one of each is enough. A hook that forwards
// sends by the same module as the shim (io/transport/send.ts), streaming or with a spool, and "errors at each step" and
// "the launcher is killed at each step" include it.
const TESTED = ROUTES.filter(({ what }) => ALL || !/maildir|delivering|by a program|forwarding/.test(what));
for (const route of TESTED) {
  Deno.test(`SIGTERM at each step, ${route.what}: sent whole and exactly once, or kept`, async () => {
    let [killed, stopped, done] = [0, 0, 0];
    await killAtEachStep(route, "term", ({ step, at, result, mails, end }) => {
      const what = `step ${at}, ${step}: ${JSON.stringify(result ?? end)}`;
      const status = result?.status ?? end.signal;
      if (status === route.done) done++;
      else if (result === undefined) killed++;
      else stopped++;
      assert.notEqual(status, null, what);
      assert.equal(mails.length, status === route.done ? 1 : 0, what);
      assert.ok(mails.every(route.whole), what);
    });
    assert.ok(killed > 0 && done > 0, `${killed} killed before the start, ${stopped} undone, ${done} done`);
  });

  Deno.test(`SIGKILL at each step, ${route.what}: no partial message is delivered, except when streaming`, async () => {
    let [taken, parts] = [0, 0];
    await killAtEachStep(route, "kill", ({ step, at, result, mails, end }) => {
      const what = `step ${at}, ${step}: ${JSON.stringify(result ?? end)}`;
      if (step === "after all") return assert.equal(result?.status, route.done, what);
      assert.equal(end.signal, "SIGKILL", what);
      assert.ok(mails.length <= 1, what);
      taken += mails.length;
      if (mails.every(route.whole)) return;
      assert.equal(step, STREAMING, what);
      parts++;
    });
    assert.ok(taken > 0, "some are killed after the message was sent");
    const streams = /streaming|forwarding a/.test(route.what);
    assert.equal(parts > 0, streams, `${parts} partial messages: the gap that a spool closes`);
  });
}
