/** Hosts that report in Redis that they remember what they send, and hold what they cannot remember. */
import assert from "node:assert/strict";
import { presentIn, type PresentStore } from "../../../../io/state/shared/presence.ts";
import { RedisStore } from "../../../../io/state/shared/redis.ts";
import { REPORT } from "../../../../io/state/shared/scripts.ts";
import { dayOf } from "../../../../lib/date.ts";
import { needRedis, Redis } from "../../../programs/redis.ts";
import { A } from "./contract.ts";

const test = await needRedis();
const LIMITS = { connect: 300, command: 300, pause: 0 };
const VALID = 1000;
const HOSTS = "countersign:1:hosts";
const sent = { day: dayOf(new Date()), signed: true };
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** A host with its own connection. */
class Host {
  readonly #connection: RedisStore;
  readonly store: PresentStore;
  forgotten = 0;
  reported = true;

  constructor(redis: Redis, id: string, { limits = LIMITS, valid = VALID } = {}) {
    this.#connection = new RedisStore(redis.url, {}, limits);
    this.store = presentIn(this.#connection, {
      id,
      noteForgotten: () => void (this.forgotten++, this.reported = false),
      allReported: () => this.reported,
    }, { every: 0, valid });
  }

  silent = () => this.store.silentHost!();
  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

test("a host that has not reported for some time is silent, and so is one that never reported or ends", async () => {
  await using redis = await Redis.start();
  // Reports are made old in Redis, so that the test does not depend on how fast this machine is.
  const times = { limits: { connect: 60_000, command: 60_000, pause: 0 }, valid: 60_000 };
  const ago = (seconds: number) => String(Date.now() / 1000 - seconds);
  using one = new Host(redis, "one", times);
  using other = new Host(redis, "other", times);
  await one.store.report();
  assert.equal(await one.silent(), undefined, "others are not known yet");
  assert.equal(await other.silent(), "other", "it has never reported");
  await other.store.report();
  assert.deepEqual([await one.silent(), await other.silent()], [undefined, undefined]);
  await redis.cli("HSET", HOSTS, "other", ago(61));
  await one.store.report();
  assert.deepEqual([await one.silent(), await other.silent()], ["other", "other"]);
  await other.store.report();
  await one.store.retire();
  assert.deepEqual([await one.silent(), await other.silent()], ["one", "one"]);
  await one.store.report();
  assert.equal(await other.silent(), "one", "it does not report again");
  // A host that is removed, and one that was removed long ago.
  await redis.cli("HDEL", HOSTS, "one");
  await redis.cli("HSET", HOSTS, "old", ago(32 * 86_400));
  await other.store.report();
  assert.equal(await other.silent(), undefined);
  assert.equal(await redis.cli("HKEYS", HOSTS), "other");
  assert.ok(Number(await redis.cli("TTL", HOSTS)) > 30 * 86_400);
  // The clock of Redis was set back.
  await redis.cli("HSET", HOSTS, "ahead", ago(-600));
  assert.equal(await other.silent(), "ahead");
});

test("a message that cannot be remembered is held until no door relies on the host, which does not report meanwhile", async () => {
  await using redis = await Redis.start();
  using host = new Host(redis, "one");
  await host.store.report();
  const begin = performance.now();
  await redis.kill();
  await assert.rejects(host.store.rememberSent(A, sent), { kind: "temporary" });
  const held = performance.now() - begin;
  assert.ok(held > VALID - 150 && held < VALID + 1500, String(held));
  assert.equal(host.forgotten, 1);
  const again = performance.now();
  await assert.rejects(host.store.rememberSent(A, sent), { kind: "temporary" });
  assert.ok(performance.now() - again < 900, "the next one is not held");
  await redis.start();
  await host.store.report();
  assert.equal(await host.silent(), "one", "Redis does not know of the messages");
  host.reported = true;
  await host.store.report();
  assert.equal(await host.silent(), undefined);
});

test("a report that arrives late has no effect", async () => {
  await using redis = await Redis.start();
  using host = new Host(redis, "one");
  using other = new Host(redis, "other");
  await Promise.all([host.store.report(), other.store.report()]);
  redis.signal("SIGSTOP");
  await assert.rejects(host.store.report(), { kind: "temporary" });
  await assert.rejects(host.store.rememberSent(A, sent), { kind: "temporary" });
  await sleep(VALID);
  redis.signal("SIGCONT");
  await sleep(50);
  await other.store.report();
  assert.equal(await other.silent(), "one");
  const connection = new RedisStore(redis.url, {}, LIMITS);
  const report = (deadline: number) => connection.script(REPORT, ["hosts"], ["late", Date.now() / 1000 + deadline, 60]);
  assert.deepEqual([await report(-0.1), await redis.cli("HEXISTS", HOSTS, "late")], [0, "0"]);
  assert.deepEqual([await report(5), await redis.cli("HEXISTS", HOSTS, "late")], [1, "1"]);
  connection.close();
});
