/** Time limits that are set repeatedly, under a clock that the tests advance. */
import assert from "node:assert/strict";
import { Deadline } from "../../../serve/sockets/deadline.ts";

/** Replaces the clock and the timers of this process. */
class Clock implements Disposable {
  now = 0;
  /** How many timers were started. */
  started = 0;
  readonly #timers = new Map<number, { at: number; run: () => void }>();
  readonly #real = { now: performance.now, setTimeout, clearTimeout };

  constructor() {
    performance.now = () => this.now;
    globalThis.setTimeout = ((run: () => void, ms: number) => {
      assert.ok(ms >= 0 && ms < 2 ** 31, `Deno would warn about ${ms}`);
      this.#timers.set(++this.started, { at: this.now + ms, run });
      return this.started;
    }) as unknown as typeof setTimeout;
    globalThis.clearTimeout = (id) => void this.#timers.delete(id as number);
  }

  /** How many timers are running, each of which would keep the program alive. */
  get running(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (timer === undefined || timer.at > until) break;
      this.#timers.delete(id!);
      this.now = timer.at;
      timer.run();
    }
    this.now = until;
  }

  [Symbol.dispose](): void {
    assert.equal(this.running, 0);
    performance.now = this.#real.now;
    globalThis.setTimeout = this.#real.setTimeout;
    globalThis.clearTimeout = this.#real.clearTimeout;
  }
}

/** A limit, and the times at which it expired. */
function started(clock: Clock, then = () => {}): { deadline: Deadline; ended: number[] } {
  const ended: number[] = [];
  const deadline = new Deadline(() => {
    ended.push(clock.now);
    then();
  });
  return { deadline, ended };
}

Deno.test("a limit calls its function once, when it expires", () => {
  using clock = new Clock();
  const { deadline, ended } = started(clock);
  assert.ok(!deadline.runs(60));
  deadline.set(60);
  assert.ok(deadline.runs(60) && !deadline.runs(61));
  clock.advance(59);
  assert.deepEqual([deadline.passed, ended], [false, []]);
  clock.advance(1000);
  assert.deepEqual([deadline.passed, ended], [true, [60]]);
  assert.equal(clock.running, 0, "nothing is left to wait for");
  deadline.close();
});

Deno.test("a limit that is set again starts anew; a shorter one expires earlier", () => {
  using clock = new Clock();
  const { deadline, ended } = started(clock);
  deadline.set(60);
  clock.advance(40);
  deadline.set(80);
  clock.advance(79);
  assert.deepEqual(ended, []);
  deadline.set(100_000);
  deadline.set(30);
  clock.advance(1000);
  assert.deepEqual(ended, [149]);
  deadline.set(0);
  clock.advance(0);
  assert.deepEqual(ended, [149, 1119]);
  deadline.close();
});

Deno.test("a cleared limit does not expire, and can be set again", () => {
  using clock = new Clock();
  const { deadline, ended } = started(clock);
  deadline.set(20);
  deadline.clear();
  assert.equal(deadline.runs(20), false);
  clock.advance(60);
  assert.deepEqual([deadline.passed, ended, clock.running], [false, [], 0]);
  deadline.set(20);
  clock.advance(60);
  assert.deepEqual([deadline.passed, ended], [true, [80]]);
  deadline.close();
});

Deno.test("limits of several connections expire independently, with one timer", () => {
  using clock = new Clock();
  const all = [40, 10, 30, 10, 20].map((length) => ({ ...started(clock), length }));
  for (const { deadline, length } of all) deadline.set(length);
  assert.deepEqual([clock.running, clock.started], [1, 2], "a timer is replaced only by an earlier one");
  clock.advance(9);
  assert.deepEqual(all.flatMap(({ ended }) => ended), []);
  clock.advance(11);
  assert.equal(clock.running, 1);
  clock.advance(1000);
  assert.deepEqual(all.map(({ ended }) => ended), all.map(({ length }) => [length]));
  for (const { deadline } of all) deadline.close();
});

Deno.test("a limit that is set while another expires, expires in time", () => {
  using clock = new Clock();
  const [long, later] = [started(clock), started(clock)];
  const first = started(clock, () => later.deadline.set(5));
  first.deadline.set(10);
  long.deadline.set(100);
  clock.advance(15);
  assert.deepEqual([first.ended, later.ended, long.ended], [[10], [15], []]);
  clock.advance(85);
  assert.deepEqual(long.ended, [100]);
  for (const { deadline } of [first, later, long]) deadline.close();
});

Deno.test("a limit that expires while another one is handled, is handled next", () => {
  using clock = new Clock();
  const first = started(clock, () => clock.now += 50);
  const second = started(clock);
  first.deadline.set(10);
  second.deadline.set(20);
  clock.advance(100);
  assert.deepEqual([first.ended, second.ended], [[10], [60]]);
  for (const { deadline } of [first, second]) deadline.close();
});

Deno.test("the timer ends with the last limit that is closed", () => {
  using clock = new Clock();
  const [first, second] = [started(clock), started(clock)];
  first.deadline.set(10);
  second.deadline.set(20);
  first.deadline.close();
  assert.equal(clock.running, 1);
  clock.advance(15);
  second.deadline.close();
  assert.equal(clock.running, 0);
  assert.deepEqual([first.ended, second.ended], [[], []]);
  first.deadline.set(10);
  clock.advance(10);
  assert.deepEqual(first.ended, [25], "a new limit has a timer again");
  first.deadline.close();
});
