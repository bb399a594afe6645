/** The store in a real Redis. */
import assert from "node:assert/strict";
import { presentIn } from "../../../../io/state/shared/presence.ts";
import { RedisStore } from "../../../../io/state/shared/redis.ts";
import { parseConfig } from "../../../../lib/settings/parse.ts";
import { dayOf } from "../../../../lib/date.ts";
import { Authority } from "../../../certificates.ts";
import { freePort } from "../../../programs/postfix.ts";
import { ROOT } from "../../../rig.ts";
import { needRedis, Redis } from "../../../programs/redis.ts";
import { A, B, C, storeTests } from "./contract.ts";

const test = await needRedis();
const today = dayOf(new Date());
const LIMITS = { connect: 2000, command: 2000, pause: 0 };

/** Runs with a Redis server and a store that uses it. */
async function withStore(
  run: (store: RedisStore, redis: Redis) => Promise<void>,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using redis = await Redis.start(settings);
  const store = new RedisStore(redis.url, {}, LIMITS);
  try {
    await run(store, redis);
  } finally {
    store.close();
  }
}

storeTests("Redis", (name, run) => test(name, run), (run) => withStore((store) => run(store)));

test("Redis: all keys expire", () =>
  withStore(async (store, redis) => {
    await store.rememberSent(A, { day: today, signed: true });
    await store.rememberSent(A, { day: today - 20, signed: false });
    await store.issue([`${A}-${B}`], today + 7, "text\n");
    await store.issue([`${C}-${B}`], today + 3, "text\n");
    await store.claim(`${A}-${B}`);
    await store.noteForgotten(Date.now());
    const days = async (key: string) =>
      (Number(await redis.cli("EXPIRETIME", `countersign:1:${key}`)) / 86_400) - today;
    assert.equal(await days(`sent:${A}`), 31);
    assert.equal(await days(`entry:${A}-${B}`), 9);
    assert.equal(await days(`message:${A}`), 9);
    assert.equal(await days(`list:${B}`), 9, "the later of two expiry times");
    assert.ok(await days("forgotten") > 30);
    assert.equal(
      (await redis.cli("KEYS", "*")).split("\n").filter((key) => !key.startsWith("countersign:1:")).length,
      0,
    );
    // A record that has already expired is removed immediately.
    await store.rememberSent(B, { day: today - 40, signed: true });
    assert.deepEqual(await store.sent([B]), []);
  }));

test("Redis: a server that may lose confirmed writes is not used", async (t) => {
  const rows: [settings: Record<string, string>, message: RegExp][] = [
    [{ appendonly: "no" }, /: appendonly is no$/],
    [{ appendfsync: "everysec" }, /: appendfsync is everysec$/],
    [{ "no-appendfsync-on-rewrite": "yes" }, /: no-appendfsync-on-rewrite is yes$/],
    [{ "maxmemory-policy": "allkeys-lru" }, /: maxmemory-policy is allkeys-lru$/],
    [{ "rename-command": 'CONFIG ""' }, /Redis does not report its settings \(.*CONFIG/],
  ];
  for (const [settings, message] of rows) {
    await t.step(JSON.stringify(settings), () =>
      withStore(async (store) => {
        const error = { kind: "config", message, fix: /^set appendonly yes, appendfsync always, / };
        await assert.rejects(store.check(), error);
        await assert.rejects(store.claim(`${A}-${B}`), error);
        await assert.rejects(store.sent([A]), error);
      }, settings));
  }
  await t.step("changed at run time", () =>
    withStore(async (store, redis) => {
      await store.issue([`${A}-${B}`], today + 7, "text\n");
      await redis.cli("CONFIG", "SET", "appendfsync", "everysec");
      await assert.rejects(store.claim(`${A}-${B}`), { kind: "config" });
      await redis.cli("CONFIG", "SET", "appendfsync", "always");
      assert.equal(typeof await store.claim(`${A}-${B}`), "string");
    }));
});

test("Redis: data loss is recorded as forgotten mail", () =>
  withStore(async (store, redis) => {
    assert.equal(await store.lastForgotten(), undefined);
    for (const lose of [() => redis.cli("FLUSHALL"), () => emptied(redis)]) {
      const other = new RedisStore(redis.url, {}, LIMITS);
      assert.equal(await other.lastForgotten(), await store.lastForgotten());
      const before = Date.now();
      await lose();
      const [here, there] = [await store.lastForgotten(), await other.lastForgotten()];
      other.close();
      assert.ok(here! >= before, String(here));
      assert.ok(there! >= before, String(there));
    }
    const later = await store.lastForgotten();
    assert.equal(await store.lastForgotten(), later, "recorded once");
    await redis.kill();
    await redis.start();
    assert.equal(await store.lastForgotten(), later, "after a restart without data loss");
  }));

/** Restarts Redis without its append-only file. */
async function emptied(redis: Redis): Promise<string> {
  await redis.kill();
  Deno.removeSync(`${redis.folder}/appendonlydir`, { recursive: true });
  await redis.start();
  return "";
}

test("Redis: when memory is full, writes fail and nothing is evicted", () =>
  withStore(async (store, redis) => {
    await store.issue([`${A}-${B}`], today + 7, "text\n");
    await redis.cli("CONFIG", "SET", "maxmemory", "1");
    await assert.rejects(store.rememberSent(A, { day: today, signed: true }), { kind: "temporary", message: /OOM/ });
    assert.equal((await store.entries({ messages: [A] })).length, 1);
  }));

test("Redis: claims survive SIGKILL and a restart", () =>
  withStore(async (store, redis) => {
    for (const message of [A, B, C]) await store.issue([`${message}-${B}`], today + 7, "text\n");
    const [first, second] = [await store.claim(`${A}-${B}`), await store.claim(`${B}-${B}`)];
    await store.settle(first!, "spent");
    await redis.kill();
    for (const ask of [() => store.sent([A]), () => store.claim(`${A}-${B}`), () => store.entries({ messages: [A] })]) {
      await assert.rejects(ask(), { kind: "temporary", message: /Redis cannot be used/ });
    }
    await redis.start();
    const states = async () => (await store.entries({ lists: [B] })).map(({ state }) => state);
    assert.deepEqual(await states(), ["spent", "claimed", "issued"]);
    assert.deepEqual([await store.claim(`${A}-${B}`), await store.claim(`${B}-${B}`)], [undefined, undefined]);
    await store.settle(second!, "spent");
    assert.deepEqual(await states(), ["spent", "spent", "issued"]);
  }));

test("Redis: a claim without a reply is uncertain, and is not repeated", () =>
  withStore(async (store, redis) => {
    await store.issue([`${A}-${B}`], today + 7, "text\n");
    const hasty = new RedisStore(redis.url, {}, { connect: 2000, command: 300, pause: 0 });
    await hasty.check();
    redis.signal("SIGSTOP");
    await assert.rejects(hasty.claim(`${A}-${B}`), { kind: "temporary", message: /no answer within 300 ms/ });
    redis.signal("SIGCONT");
    hasty.close();
    // Whether or not the claim happened, exactly one claim succeeds.
    const [state] = (await store.entries({ messages: [A] })).map((one) => one.state);
    const again = await store.claim(`${A}-${B}`);
    assert.equal(again === undefined, state === "claimed");
    assert.equal(await store.claim(`${A}-${B}`), undefined);
  }));

test("Redis: a failed connection is not retried immediately, so that a mail server does not wait each time", async () => {
  await using redis = await Redis.start();
  const store = new RedisStore(redis.url, {}, { connect: 60_000, command: 60_000, pause: 100_000 });
  const { now } = Date;
  await redis.kill();
  await assert.rejects(store.check(), { kind: "temporary" });
  await redis.start();
  await assert.rejects(store.check(), { kind: "temporary" }, "within the pause");
  Date.now = () => now() + 100_000;
  try {
    await store.check();
  } finally {
    Date.now = now;
  }
  store.close();
});

test("Redis: passwords, the unix socket, and TCP on the loopback address", async () => {
  const free = freePort();
  await using redis = await Redis.start({ port: String(free), bind: "127.0.0.1", requirepass: "secret" });
  const at = (url: string, password?: string) => new RedisStore(url, { password }, LIMITS);
  for (const url of [redis.url, `redis://127.0.0.1:${free}`, `redis://default@localhost:${free}/1`]) {
    const store = at(url, "secret");
    await store.rememberSent(A, { day: today, signed: true });
    assert.equal((await store.sent([A])).length, 1, url);
    store.close();
    for (const password of [undefined, "wrong"]) {
      const other = at(url, password);
      await assert.rejects(other.check(), (error: Error) => /NOAUTH|WRONGPASS|AUTH/.test(error.message));
      other.close();
    }
  }
});

test("Redis: TLS with a private CA, and rejection of a certificate that it did not issue", async () => {
  using authority = await Authority.make();
  const leaf = await authority.leaf("DNS:localhost,IP:127.0.0.1");
  const files = { cert: `${authority.folder}/redis.pem`, key: `${authority.folder}/redis.key` };
  Deno.writeTextFileSync(files.cert, leaf.cert);
  Deno.writeTextFileSync(files.key, leaf.key);
  const port = String(freePort());
  const tls = { "tls-port": port, "tls-cert-file": files.cert, "tls-key-file": files.key, "tls-auth-clients": "no" };
  await using _redis = await Redis.start({ ...tls, "tls-ca-cert-file": authority.ca, bind: "127.0.0.1" });
  const ca = Deno.readTextFileSync(authority.ca);
  const store = new RedisStore(`rediss://localhost:${port}`, { ca }, LIMITS);
  await store.rememberSent(A, { day: today, signed: true });
  assert.equal((await store.sent([A])).length, 1);
  store.close();
  // The sandbox of serve permits this host and port, and no other name lookup.
  const script = `${authority.folder}/check.ts`;
  Deno.writeTextFileSync(
    script,
    `import { RedisStore } from ${JSON.stringify(`${ROOT}/io/state/shared/redis.ts`)};
const store = new RedisStore("rediss://localhost:${port}", { ca: Deno.readTextFileSync("${authority.ca}") });
await store.check();
store.close();\n`,
  );
  const only = ["--no-prompt", "--allow-read", "--allow-env", "--allow-sys=uid", `--allow-net=localhost:${port}`];
  const args = ["run", "-q", "--frozen", "--config", `${ROOT}/deno.json`, ...only, script];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const other = new RedisStore(`rediss://localhost:${port}`, {}, LIMITS);
  await assert.rejects(other.check(), { kind: "temporary", message: /certificate|issuer|self.signed/i });
});

test("Redis: the user of contrib/redis may run the required commands and no others", async () => {
  const lines = Deno.readTextFileSync(`${ROOT}/contrib/redis/redis.conf`).split("\n");
  const settings = lines.filter((line) => /^\w/.test(line)).map((line) => {
    return [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1).replace("PASSWORD", "secret")];
  });
  const port = freePort();
  await using redis = await Redis.start({ ...Object.fromEntries(settings), port: String(port), bind: "127.0.0.1" });
  const store = new RedisStore(`redis://countersign@127.0.0.1:${port}`, { password: "secret" }, LIMITS);
  await store.rememberSent(A, { day: today, signed: true });
  await store.issue([`${A}-${B}`, `${B}-${B}`], today + 7, "text\n");
  const claim = await store.claim(`${A}-${B}`);
  await store.settle(claim!, "spent");
  await store.noteForgotten(Date.now());
  assert.equal((await store.sent([A])).length, 1);
  assert.deepEqual((await store.entries({ lists: [B] })).map(({ state }) => state), ["spent"]);
  assert.equal(typeof await store.lastForgotten(), "number");
  const present = presentIn(store, { id: "one", noteForgotten: () => {}, allReported: () => true });
  await redis.cli("HSET", "countersign:1:hosts", "old", "1");
  await present.report();
  assert.equal(await present.silentHost!(), undefined);
  await present.retire();
  assert.equal(await present.silentHost!(), "one");
  store.close();
  const as = ["--user", "countersign", "--pass", "secret", "--no-auth-warning"];
  const text = '[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "exim"\n' +
    Deno.readTextFileSync(`${ROOT}/contrib/redis/config.toml`);
  const { state } = parseConfig(text, { file: "/etc/countersign/config.toml", home: "/home/greg" });
  assert.deepEqual([state.shared, state.lookup], [true, "/run/countersign/lookup"]);
  for (const command of [["GET", "other"], ["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "SET", "appendfsync", "no"]]) {
    assert.match(await redis.cli(...as, ...command), /^NOPERM/, command.join(" "));
  }
});
