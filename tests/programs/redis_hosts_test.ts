/** Two hosts that share a Redis, each with its own home, `countersign serve`, shim and hook. */
import assert from "node:assert/strict";
import { noteForgotten, remembersAll } from "../../io/state/forgotten.ts";
import { FORGOTTEN, whyUncertain } from "../../io/state/stores.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { openStore } from "../../serve/lookup/state.ts";
import { fieldOf, filesBelow, Home, qsbmf } from "../rig.ts";
import type { Challenge } from "../qsecretary.ts";
import { message, OFFER, packetsIn, shown } from "../serve/mta.ts";
import { printPacket } from "../../serve/milter/packet.ts";
import { concat } from "../../lib/bytes.ts";
import { challenges, MARKS, Member, PLAIN } from "./member.ts";
import { Installed } from "./installation.ts";
import { until } from "./postfix.ts";
import { needRedis, Redis } from "./redis.ts";
import { Serving } from "./serving.ts";

const test = await needRedis();
const STATE = ".local/state/countersign";

/** A host with greg's home directory. Both hosts have the same keys. */
class Host extends Member {
  #serving: Serving | undefined;

  constructor(readonly redis: Redis, more = "") {
    super();
    this.qmail(MARKS);
    this.write("sockets/.keep", "");
    this.fix(
      `logins = ["greg"]\n${challenges()}\n[incoming]\nforged = "refuse"\n[serve]\nsocket_folder = "~/sockets"\n` +
        `[state]\nshared = true\nredis = "${redis.url}"\n${more}`,
    );
  }

  static async start(redis: Redis): Promise<Host> {
    const host = new Host(redis);
    host.#serving = await Serving.start(host);
    return host;
  }

  /** The process of `countersign serve`. */
  get serving(): number {
    return this.#serving!.pid;
  }

  /** Starts `countersign serve` again, after it was killed. */
  async restart(): Promise<void> {
    await this.#serving!.ended();
    this.#serving = await Serving.start(this);
  }

  /** The standard error of `countersign serve`. */
  get stderr(): string {
    return this.#serving!.stderr;
  }

  /** Returns the number of replies to this challenge that this host sent. */
  answers({ confirm }: Challenge): number {
    return this.injected().filter(({ argv }) => argv.at(-1) === confirm).length;
  }

  /** Sends the packets of a message to a socket of `countersign serve`. @returns all responses */
  async milter(socket: "door" | "sign", packets: Uint8Array[]): Promise<string[]> {
    using connection = await Deno.connect({ transport: "unix", path: `${this.path}/sockets/${socket}` });
    await connection.write(concat(printPacket("O", OFFER), ...packets));
    await connection.write(printPacket("Q"));
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(4096);
    for (let size; (size = await connection.read(buffer)) !== null;) parts.push(buffer.slice(0, size));
    return packetsIn(concat(...parts)).map(shown);
  }

  /** Returns the last response of the door to a bounce. */
  async door(bounce: string): Promise<string> {
    return (await this.milter("door", message("", [PLAIN], bounce))).at(-1)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serving?.[Symbol.asyncDispose]();
    this[Symbol.dispose]();
  }
}

/** Two hosts and their Redis. */
async function two(run: (one: Host, other: Host, redis: Redis) => Promise<void>): Promise<void> {
  await using redis = await Redis.start();
  await using one = await Host.start(redis);
  await using other = await Host.start(redis);
  await run(one, other, redis);
}

const returning = (id: string): string =>
  qsbmf(PLAIN, `From: ${PLAIN}\nMessage-ID: <${id}>\nSubject: Lunch\n\nAt one?\n`);
const refused = /^y550[- ]5\.7\.1 /;

test("one challenge delivered at both hosts is answered once", () =>
  two(async (one, other) => {
    for (let nth = 0; nth < 4; nth++) {
      const [challenge] = await one.post(`Patch ${nth}`);
      const before = [one, other].map((host) => host.inbox().length);
      const delivered = await Promise.all([one, other].map((host) => host.deliver(challenge!)));
      assert.deepEqual(delivered.map(({ end }) => end), ["success", "success"], `${one.stderr}${other.stderr}`);
      assert.equal(one.answers(challenge!) + other.answers(challenge!), 1);
      const marked = [one, other].flatMap((host, at) => host.inbox().slice(before[at]));
      assert.equal(marked.length, 1);
      assert.match(
        fieldOf(marked[0]!, "X-Countersign"),
        /(?:already answered|another hook is answering it|an answer was started and may have been sent): check it yourself/,
      );
      // A later delivery on either host is not answered.
      for (const host of [one, other]) assert.equal((await host.deliver(challenge!)).end, "success");
      assert.equal(one.answers(challenge!) + other.answers(challenge!), 1);
    }
    // Neither host stores it in files.
    for (const host of [one, other]) {
      assert.deepEqual(filesBelow(`${host.path}/${STATE}`).filter((path) => /\/(?:ledger|sent)\//.test(path)), []);
    }
  }));

test("mail sent by one host is known to the other, and Redis contains none of it in clear text", () =>
  two(async (one, other, redis) => {
    const mail = `From: ${PLAIN}\nTo: jo@b.example\nMessage-ID: <lunch@example.org>\n\nAt one?\n`;
    assert.equal((await one.shim(["--", "jo@b.example"], mail)).code, 0);
    const reply = "From: jo@b.example\nSubject: Away\nIn-Reply-To: <lunch@example.org>\n\nI am away.\n";
    assert.equal((await other.deliver({ to: PLAIN, mail: reply })).end, "success");
    assert.match(other.logged, /result=known check=reply/);
    assert.equal((await other.deliver({ to: PLAIN, mail: reply.replace("lunch@", "lie@") })).end, "success");
    assert.match(other.logged, /result=unsolicited/);

    await one.post("A patch");
    const keys = (await redis.cli("KEYS", "*")).split("\n").sort();
    assert.deepEqual(keys.map((key) => key.split(":")[2]), ["entry", "hosts", "id", "list", "message", "sent", "sent"]);
    const dump = Deno.readTextFileSync(
      filesBelow(`${redis.folder}/appendonlydir`).find((path) => path.endsWith(".incr.aof"))!,
    );
    for (const text of ["example.org", "cr.yp.to", "lunch", "patch"]) assert.ok(!dump.includes(text), text);
  }));

test("when Redis is killed, the hook defers, no challenge is answered twice, and outgoing mail is recorded as forgotten", () =>
  two(async (one, other, redis) => {
    const [first] = await one.post("A patch");
    const [second] = await one.post("Another patch");
    assert.equal((await one.deliver(first!)).end, "success");
    assert.equal(one.answers(first!), 1);
    await redis.kill();

    for (const host of [one, other]) {
      for (const challenge of [first!, second!]) {
        const { end, runs } = await host.deliver(challenge);
        assert.deepEqual([end, runs[0]!.code], ["defer", 75]);
        assert.match(runs[0]!.stdout, /sockets\/lookup: Request to countersign serve failed: Redis cannot be used/);
      }
    }
    assert.deepEqual([one.answers(first!), one.answers(second!), other.answers(first!), other.answers(second!)], [
      1,
      0,
      0,
      0,
    ]);
    // The shim sends; that it could not remember the message is in the log, and beside it.
    const mail = `From: ${PLAIN}\nTo: jo@b.example\n\nAt one?\n`;
    assert.equal((await one.shim(["--", "jo@b.example"], mail)).code, 0);
    assert.match(one.read(`${STATE}/log`), /result=sent.*/);
    assert.match(one.logged, /forgotten=".*Redis cannot be used/);
    assert.ok(Deno.statSync(`${one.path}/${STATE}/unreported`).isFile);

    await redis.start();
    await new Promise((done) => setTimeout(done, 1100)); // serve waits before it reconnects
    for (const challenge of [first!, second!]) assert.equal((await other.deliver(challenge)).end, "success");
    assert.deepEqual([other.answers(first!), other.answers(second!)], [0, 1], "the claim has survived");
    // serve transfers the record to Redis, where the other host sees it.
    await until("the report", async () => await redis.cli("EXISTS", "countersign:1:forgotten") === "1");
    const notes = () => filesBelow(`${one.path}/${STATE}`).filter((path) => path.endsWith("/unreported"));
    await until("the removal", () => notes().length === 0);
    assert.equal((await one.shim(["--", "jo@b.example"], mail)).code, 0);
    assert.doesNotMatch(one.logged, /forgotten=/);
    assert.deepEqual(notes(), []);
  }));

test("when Redis dies while a reply is sent, neither host sends it again", () =>
  two(async (one, other, redis) => {
    const [challenge] = await one.post("A patch");
    one.injector(`kill -9 ${redis.pid}`);
    const { end, runs } = await one.deliver(challenge!);
    assert.deepEqual([end, runs[0]!.code], ["defer", 75]);
    assert.equal(one.answers(challenge!), 1);
    await redis.kill();
    await redis.start();
    await new Promise((done) => setTimeout(done, 1100));
    one.injector("");
    for (const host of [one, other]) {
      assert.equal((await host.deliver(challenge!)).end, "success");
      assert.match(host.logged, /an answer was started and may have been sent: check it yourself/);
    }
    assert.deepEqual([one.answers(challenge!), other.answers(challenge!)], [1, 0]);
  }));

test("when serve is killed while a reply is sent, it is not sent again, and serve restarts", () =>
  two(async (one, other) => {
    const [challenge] = await one.post("A patch");
    one.injector(`kill -9 ${one.serving}`);
    const { end, runs } = await one.deliver(challenge!);
    assert.deepEqual([end, runs[0]!.code], ["defer", 75]);
    assert.equal(one.answers(challenge!), 1);
    one.injector("");
    // The launcher reports how it ended. The socket remains.
    await one.restart();
    for (const host of [one, other]) {
      assert.equal((await host.deliver(challenge!)).end, "success");
      assert.match(host.logged, /an answer was started and may have been sent: check it yourself/);
    }
    assert.deepEqual([one.answers(challenge!), other.answers(challenge!)], [1, 0]);
  }));

test("the door of one host recognizes mail that the other signed, and rejects nothing when that is uncertain", () =>
  two(async (one, other, redis) => {
    const sent = message(PLAIN, ["jo@b.example"], `From: ${PLAIN}\nMessage-ID: <signed@example.org>\n\nHi\n`, {
      login: "greg",
    });
    assert.equal((await one.milter("sign", sent)).at(-1), "a");
    assert.match(one.logged, /result=signed/);
    assert.doesNotMatch(one.logged, /forgotten=/);
    assert.equal(await other.door(returning("signed@example.org")), "a");
    assert.match(await other.door(returning("lie@spam.example")), refused);

    await redis.kill();
    assert.equal(await other.door(returning("lie@spam.example")), "a");
    assert.equal((await one.milter("sign", sent)).at(-1), "a", "mail goes");
    assert.match(one.logged, /result=signed.*forgotten=/);
    await redis.start();
    await new Promise((done) => setTimeout(done, 1100));
    // It does not know yet that a message was forgotten, but the other host has not reported since.
    assert.equal(await other.door(returning("lie@spam.example")), "a");
    assert.equal((await one.milter("sign", sent)).at(-1), "a");
    assert.equal(await other.door(returning("lie@spam.example")), "a", "now it does");
    assert.equal(await one.door(returning("lie@spam.example")), "a");
  }));

test("while one host cannot reach Redis, the other rejects no bounce of its mail, from the first message on", async () => {
  await using redis = await Redis.start();
  using link = new Home();
  const path = `${link.path}/redis.sock`;
  Deno.symlinkSync(redis.socket, path);
  await using one = await Host.start({ url: `unix:${path}` } as Redis);
  await using other = await Host.start(redis);
  assert.match(await other.door(returning("lie@spam.example")), refused);

  Deno.removeSync(path);
  await redis.cli("CLIENT", "KILL", "TYPE", "normal");
  const mail = `From: ${PLAIN}\nMessage-ID: <cut-off@example.org>\n\nHi\n`;
  const shim = one.shim(["--", "jo@b.example"], mail.replace("cut-off", "shim"));
  const begin = performance.now();
  assert.equal((await one.milter("sign", message(PLAIN, ["jo@b.example"], mail, { login: "greg" }))).at(-1), "a");
  const held = performance.now() - begin;
  assert.ok(held > 5000 && held < 20_000, `the message was held for ${held} ms`);
  assert.match(one.logged, / result=signed .*forgotten=/);
  assert.equal((await shim).code, 0);
  for (const id of ["cut-off@example.org", "shim@example.org"]) assert.equal(await other.door(returning(id)), "a");
  assert.match(
    other.logged.trimEnd().split("\n").at(-1)!,
    / at=data .*outcome=passed why=".*; not rejected, because host /,
  );

  Deno.symlinkSync(redis.socket, path);
  await until("the note", async () => await redis.cli("EXISTS", "countersign:1:forgotten") === "1");
  assert.equal(await other.door(returning("cut-off@example.org")), "a");
  assert.equal(await one.door(returning("cut-off@example.org")), "a");
});

test("a host whose serve exits normally is silent at once", () =>
  two(async (one, other) => {
    assert.match(await other.door(returning("lie@spam.example")), refused);
    Deno.kill(one.serving, "SIGTERM");
    await until("the end", async () => await other.door(returning("lie@spam.example")) === "a");
    assert.match(other.logged.trimEnd().split("\n").at(-1)!, /not rejected, because host /);
  }));

test("users access the files of the site through countersign serve, and cannot read them directly", async () => {
  const site = new Home();
  using _ = site;
  site.write("sockets/.keep", "");
  const lookup = `[state]\nlookup = "${site.path}/sockets/lookup"\n`;
  site.settings(`[transport]\npreset = "exim"\n[serve]\nsocket_folder = "~/sockets"\n${lookup}`);
  await using _serving = await Serving.start(site);
  using user = new Member();
  user.fix(`${challenges()}\n${lookup}`);
  const [challenge] = await user.post("A patch");
  assert.equal((await user.deliver(challenge!)).end, "success");
  assert.equal((await user.deliver(challenge!)).end, "success");
  assert.equal(user.injected().filter(({ argv }) => argv.at(-1) === challenge!.confirm).length, 1);
  assert.match(user.logged, /already answered/);
  const kept = (home: Home) => filesBelow(`${home.path}/${STATE}`).filter((path) => /\/(?:ledger|sent)\//.test(path));
  assert.deepEqual(kept(user), []);
  assert.ok(kept(site).some((path) => path.endsWith(".spent")) && kept(site).some((path) => path.includes("/sent/")));
  assert.ok(Deno.statSync(`${site.path}/${STATE}/daily/serve`).isFile, "what has expired is removed there");
  // The next message of a shim reports what it could not remember before.
  noteForgotten(`${user.path}/${STATE}`, new Date(), "unreported");
  assert.equal((await user.shim(["--", "jo@b.example"], `From: ${PLAIN}\nTo: jo@b.example\n\nHi\n`)).code, 0);
  assert.ok(!filesBelow(`${user.path}/${STATE}`).some((path) => path.endsWith("/unreported")));
  assert.equal(remembersAll(`${site.path}/${STATE}`, new Date()), false);
  // Without the socket, nothing that needs the store is decided.
  Deno.removeSync(`${site.path}/sockets/lookup`);
  const { end, runs } = await user.deliver(challenge!);
  assert.deepEqual([end, runs[0]!.code], ["defer", 75]);
});

test("the installed serve, shim and hook find the modules that they load on demand", async () => {
  using installed = await Installed.make();
  await using redis = await Redis.start();
  using host = new Host(redis);
  await using _serving = await Serving.start(host, `${installed.prefix}/bin/countersign`);
  const mail = `From: ${PLAIN}\nTo: jo@b.example\nMessage-ID: <lunch@example.org>\n\nAt one?\n`;
  const sent = await host.run([installed.shim, "--", "jo@b.example"], mail);
  assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  assert.doesNotMatch(host.logged, /forgotten=/);
  const reply = "From: jo@b.example\nSubject: Away\nIn-Reply-To: <lunch@example.org>\n\nI am away.\n";
  const hook = [installed.hook, "--as", "maildrop", "--maildir", "Maildir"];
  const ran = await host.run(hook, reply, { SENDER: "", RECIPIENT: PLAIN });
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(host.logged, /result=known check=reply/);
});

test("serve reports mail that was not remembered to Redis once Redis is reachable", async () => {
  await using redis = await Redis.start();
  using host = new Host(redis);
  const { file, home } = { file: `${host.path}/.config/countersign/config.toml`, home: host.path };
  const settings = parseConfig(host.read(".config/countersign/config.toml"), { file, home });
  noteForgotten(settings.state.folder, new Date(), "unreported");
  const store = await openStore(settings, () => {}, { every: 20, valid: 1000 });
  await until("the note", async () => await redis.cli("EXISTS", "countersign:1:forgotten") === "1");
  assert.ok(!filesBelow(settings.state.folder).some((path) => path.endsWith("/unreported")));
  assert.equal(await whyUncertain(settings, new Date()), FORGOTTEN);
  store!.close();
});

test("while the settings of Redis permit it to lose records, no door rejects by content, nor for 30 days afterwards", async () => {
  await using redis = await Redis.start();
  using host = new Host(redis);
  const { file, home } = { file: `${host.path}/.config/countersign/config.toml`, home: host.path };
  const settings = parseConfig(host.read(".config/countersign/config.toml"), { file, home });
  const reports: string[] = [];
  const store = await openStore(settings, (what) => reports.push(what), { every: 20, valid: 300 });
  const uncertain = async () => await whyUncertain(settings, new Date());
  assert.equal(await uncertain(), undefined);
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  await until("the silence", async () => /^host /.test(await uncertain() ?? ""));
  assert.equal(reports.length, 1);
  assert.match(reports[0]!, /maxmemory-policy is allkeys-lru: set appendonly yes, /);
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction");
  await until("the reports", async () => !/^host /.test(await uncertain() ?? ""));
  assert.equal(await uncertain(), FORGOTTEN);
  assert.equal(await redis.cli("EXISTS", "countersign:1:forgotten"), "1");
  store!.close();
});

test("serve rejects a Redis that may lose writes with a one-line error, and waits for one that is not running yet", async (t) => {
  const rows: [settings: Record<string, string>, message: RegExp][] = [
    [{ appendfsync: "everysec" }, /appendfsync is everysec: set appendonly yes, appendfsync always/],
    [{ "maxmemory-policy": "volatile-ttl" }, /maxmemory-policy is volatile-ttl/],
    [{ "rename-command": 'CONFIG ""' }, /Redis does not report its settings/],
  ];
  for (const [settings, message] of rows) {
    await t.step(JSON.stringify(settings), async () => {
      await using redis = await Redis.start(settings);
      using host = new Host(redis);
      await using serving = Serving.begin(host);
      assert.equal(await serving.ended(), 78);
      assert.match(serving.stderr, message);
      assert.equal(serving.stderr.trimEnd().split("\n").length, 1, serving.stderr);
      assert.deepEqual(filesBelow(`${host.path}/sockets`).map((path) => path.split("/").at(-1)), [".keep"]);
    });
  }
  await t.step("not running yet", async () => {
    await using redis = await Redis.start();
    await redis.kill();
    await using host = await Host.start(redis);
    assert.match(host.stderr, /^serve: Redis cannot be used: .*\nserve: Listening on /);
    await redis.start();
    await new Promise((done) => setTimeout(done, 1100));
    const [challenge] = await host.post("A patch");
    assert.equal((await host.deliver(challenge!)).end, "success");
    assert.equal(host.answers(challenge!), 1);
  });
});
