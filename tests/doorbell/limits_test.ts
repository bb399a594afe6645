/** Limits: challenges to an address, in an hour and in turn, held messages, and 10,000 forged requests. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { base32, utf8 } from "../../lib/bytes.ts";
import { parseKeys } from "../../lib/settings/keys.ts";
import { domainDigest, nextToChallenge, parseName, printName, toEvict } from "../../io/state/doorbell/names.ts";
import { DoorbellFiles } from "../../io/state/doorbell/files.ts";
import type { Challenged, HeldRecord } from "../../io/state/doorbell/store.ts";
import { CREATED, filesBelow, TempFolder } from "../rig.ts";
import { service } from "../incoming/doorbell/messages.ts";

const KEYS = parseKeys(`k1 ${CREATED} a secret of the doorbell`, "keys");
/** The beginning of a day: challenges are counted by the hour of the clock, and messages expire by the day. */
const START = Math.floor(Date.now() / 86_400_000) * 86_400_000;

/** A folder in memory, if there is one: 10,000 messages that are synced to a disk take minutes. */
const MEMORY = isFolder("/dev/shm") ? "/dev/shm" : undefined;

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** The state at a time, in seconds after the start. */
const at = (temp: TempFolder, seconds = 0, settings = "") =>
  new DoorbellFiles(temp.path, service(settings), KEYS, new Date(START + seconds * 1000));

const id = (nth: number) => base32(utf8(String(nth).padStart(7, "0"))).slice(0, 12);

async function* body(text: string) {
  yield await Promise.resolve(utf8(text));
}

/** Holds a message of this address. @returns how many were evicted */
async function hold(state: DoorbellFiles, nth: number, address: string, challenged: Challenged = "later", text = "x") {
  const expires = Math.floor(state.now.getTime() / 86_400_000) + 7;
  const record: HeldRecord = { address, author: address, expires, program: [], environment: {} };
  return await state.hold(id(nth), record, body(text), challenged);
}

/** Takes all challenges that are due. @returns the addresses */
async function challenges(state: DoorbellFiles): Promise<string[]> {
  const out: string[] = [];
  for (let due; (due = await state.nextChallenge()) !== undefined;) {
    out.push(due.record.address);
    due.done();
  }
  return out;
}

const HOUR = 3600;

Deno.test("an address gets 2 challenges a day and 5 a week, whatever it sends", async () => {
  using temp = new TempFolder();
  const sent: number[] = [];
  let nth = 0;
  for (let day = 0; day < 9; day++) {
    for (let hour = 0; hour < 24; hour += 8) {
      const state = at(temp, day * 24 * HOUR + hour * HOUR, "lifetime = 60");
      await hold(state, nth++, "ann@friend.example");
      // Another address does not count with it.
      await hold(state, nth++, `b${nth}@friend.example`);
      const asked = await challenges(state);
      assert.equal(asked.filter((one) => !one.startsWith("ann")).length, 1);
      if (asked.includes("ann@friend.example")) sent.push(day);
    }
  }
  assert.deepEqual(sent, [0, 0, 1, 1, 2, 7, 7, 8, 8]);
});

Deno.test("all spellings of an address are counted together", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  const all = ["victim", "victim+1", "vic.tim", "prvs=0123abcdef=victim", "prvs=0124abcdef=victim", "btv1==0==victim"];
  for (const [nth, local] of all.entries()) await hold(state, nth, `${local}@friend.example`);
  assert.equal((await challenges(state)).length, 2);
});

Deno.test("a message that is held again while it is looked for is found", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "ann@friend.example");
  const claim = state.claim(id(1))!;
  const { readDirSync } = Deno;
  Deno.readDirSync = (path) => {
    const names = [...readDirSync(path)];
    if (String(path).endsWith("/held/cur")) { // after the held messages were listed, its program fails
      Deno.readDirSync = readDirSync;
      claim.settle("held");
    }
    return names.values();
  };
  try {
    assert.equal(state.has(id(1)), true);
  } finally {
    Deno.readDirSync = readDirSync;
  }
});

Deno.test("after 60 challenges in an hour, requests are challenged later, one domain after another", async () => {
  using temp = new TempFolder();
  const first = at(temp);
  for (let nth = 0; nth < 200; nth++) await hold(first, nth, `x${nth}@flood.example`);
  assert.equal((await challenges(first)).length, 60);
  for (const [nth, domain] of ["a.example", "b.example", "c.example"].entries()) {
    for (let more = 0; more < 2; more++) await hold(at(temp, 1 + nth), 1000 + 10 * nth + more, `x${more}@${domain}`);
  }
  assert.deepEqual(await challenges(at(temp, 10)), []);
  const next = await challenges(at(temp, HOUR));
  assert.equal(next.length, 60);
  assert.equal(new Set(next.slice(0, 4).map((one) => one.split("@")[1])).size, 4, "each domain in the first round");
  assert.deepEqual(next.filter((one) => !one.includes("flood")).length, 6);
  assert.ok(next.slice(0, 8).filter((one) => one.includes("flood")).length === 2, next.slice(0, 8).join(" "));
});

Deno.test("a challenge that could not be sent is due again, and of several processes one sends it", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "ann@friend.example");
  const due = await state.nextChallenge();
  assert.equal(await state.nextChallenge(), undefined);
  await due!.failed();
  assert.deepEqual(
    filesBelow(temp.path).filter((path) => path.includes("/asking/")),
    [],
    "the next process has its own",
  );
  for (let times = 0; times < 70; times++) { // they do not count
    const again = (await state.nextChallenge())!;
    await again.failed();
  }
  const all = await Promise.all(Array.from({ length: 8 }, () => at(temp).nextChallenge()));
  const [sending, ...others] = all.filter((one) => one !== undefined);
  assert.equal(others.length, 0);
  assert.equal(await state.nextChallenge(), undefined, "it is being sent");
  sending!.done();
  assert.equal(await state.nextChallenge(), undefined, "it was sent");
});

Deno.test("a request stays to be challenged when its challenge cannot be counted", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "ann@friend.example");
  const asked = `${temp.path}/doorbell/svc/asked`;
  Deno.writeTextFileSync(asked, "not a folder");
  await assert.rejects(state.nextChallenge(), { kind: "temporary" });
  Deno.removeSync(asked);
  assert.deepEqual(await challenges(state), ["ann@friend.example"]);
});

Deno.test("8 processes at once take no more challenges than the limit", async () => {
  using temp = new TempFolder();
  const settings = "hourly = 5";
  for (let nth = 0; nth < 30; nth++) await hold(at(temp, 0, settings), nth, `x@d${nth}.example`);
  const all = await Promise.all(Array.from({ length: 8 }, () => challenges(at(temp, 0, settings))));
  assert.equal(all.flat().length, 5);
});

const name = (nth: number, domain: string, challenged: Challenged = "later", size = 1) =>
  parseName(printName({ time: nth, id: id(nth), domain: domainDigest(`x@${domain}`), size, challenged }))!;

Deno.test("the oldest of the domain that holds most goes first, by count or by bytes", () => {
  const held = [
    name(1, "a.example"),
    name(2, "b.example"),
    name(3, "b.example"),
    name(4, "a.example"),
    name(5, "a.example"),
  ];
  assert.deepEqual(toEvict(held, 5, 100), []);
  assert.deepEqual(toEvict(held, 4, 100).map(({ time }) => time), [1]);
  assert.deepEqual(toEvict(held, 3, 100).map(({ time }) => time), [1, 2]);
  const heavy = [name(1, "a.example"), name(2, "a.example"), name(3, "b.example", "sent", 50)];
  assert.deepEqual(toEvict(heavy, 10, 50).map(({ time }) => time), [3]);
  assert.deepEqual(toEvict(heavy, 10, 50, id(3)).map(({ time }) => time), [1, 2], "what has just arrived stays");
  assert.deepEqual(toEvict([heavy[2]!], 10, 5, id(3)), []);
});

Deno.test("among domains that hold the same, challenged messages stay, up to half of the limit", () => {
  const held = (sent: number) =>
    Array.from({ length: 11 }, (_, nth) => name(nth, `d${nth}.example`, nth < sent ? "sent" : "later"));
  assert.deepEqual(toEvict(held(5), 10, 100).map(({ time }) => time), [5], "the oldest that was not challenged");
  assert.deepEqual(toEvict(held(6), 10, 100).map(({ time }) => time), [0], "the oldest");
  const mixed = [name(1, "a.example", "sent"), name(2, "b.example"), name(3, "c.example", "never")];
  assert.deepEqual(toEvict(mixed, 2, 100).map(({ time }) => time), [3], "one that nobody is asked about");
});

Deno.test("the next domain is challenged, and after the last the first", () => {
  const held = [name(1, "a.example"), name(2, "b.example"), name(3, "a.example"), name(4, "b.example", "sent")];
  const [first, second] = [...new Set(held.map(({ domain }) => domain))].sort();
  assert.equal(nextToChallenge(held, "")!.domain, first);
  assert.equal(nextToChallenge(held, first!)!.domain, second);
  assert.equal(nextToChallenge(held, second!)!.domain, first);
  assert.equal(nextToChallenge([name(1, "a.example", "sent"), name(2, "a.example", "never")], ""), undefined);
});

Deno.test("names with the flags of a mail program are ours, others are not", () => {
  const ours = name(1, "a.example").name;
  assert.equal(parseName(`${ours}:2,S`)?.id, id(1));
  for (const other of ["", "1", `${ours}x`, ours.replace("later", "soon"), `.${ours}`]) {
    assert.equal(parseName(other), undefined);
  }
});

Deno.test("10,000 forged requests: few challenges, bounded state, and a genuine request stays", async () => {
  using temp = new TempFolder(MEMORY);
  const settings = "max_held = 100";
  await hold(at(temp, 0, settings), 0, "ann@friend.example");
  assert.deepEqual(await challenges(at(temp, 0, settings)), ["ann@friend.example"]);
  let evicted = 0;
  const asked: string[] = [];
  for (let nth = 1; nth <= 10_000; nth++) {
    // Half of them name one domain, the others as many domains.
    const address = nth % 2 === 0 ? `victim${nth}@flood.example` : `victim@d${nth}.example`;
    const state = at(temp, nth / 10, settings);
    evicted += (await hold(state, nth, address))!;
    if (nth % 100 === 0) asked.push(...await challenges(state));
  }
  assert.equal(asked.length, 59);
  assert.equal(evicted, 9901);
  const state = at(temp, 1001, settings);
  const left = state.list();
  assert.equal(left.length, 100);
  assert.ok(left.some(({ id: one }) => one === id(0)), "the genuine one");
  assert.ok(filesBelow(temp.path).length < 200);
  assert.deepEqual(state.lookUp({ need: "held", id: id(0) }).held?.state, "held");
});

Deno.test("addresses are remembered until their day, and what has expired is removed and counted", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  const today = Math.floor(START / 86_400_000);
  const ann = parseAddress("Ann@friend.example");
  state.setStanding(ann, "remembered", today + 1);
  state.setStanding(parseAddress("bob@friend.example"), "denied");
  await hold(state, 1, "ann@friend.example");
  const [record] = state.list();
  assert.equal(state.standing(parseAddress("ANN@friend.example")), "remembered");
  const DAY = 24 * HOUR;
  assert.equal(at(temp, DAY).standing(ann), "remembered");
  // The original took the address for a pattern.
  state.setStanding(parseAddress(".*@friend.example"), "remembered", today + 1);
  assert.equal(state.standing(parseAddress("joe@friend.example")), undefined);
  assert.ok(state.forget(parseAddress(".*@friend.example")));
  assert.equal(at(temp, 2 * DAY).standing(ann), undefined);
  assert.deepEqual(at(temp, 2 * DAY).expire(), { held: 0, addresses: 1 });
  assert.deepEqual(at(temp, 7 * DAY).expire(), { held: 0, addresses: 0 });
  const claim = state.claim(record!.id)!;
  assert.deepEqual(at(temp, 20 * DAY).expire(), { held: 0, addresses: 0 }, "one that is running stays");
  claim.settle("held");
  assert.deepEqual(at(temp, 20 * DAY).expire(), { held: 1, addresses: 0 });
  assert.deepEqual(at(temp, 900 * DAY).addresses().map(({ address }) => address), ["bob@friend.example"]);
  const counts: unknown[] = [];
  for (let twice = 0; twice < 2; twice++) await at(temp).expireDaily((one) => counts.push(one));
  assert.equal(counts.length, 1, "once a day");
});

Deno.test("no file name contains text of a stranger, and files are private", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "../../etc/passwd@friend.example");
  state.setStanding(parseAddress('"../x"@friend.example'), "denied");
  await challenges(state);
  for (const path of filesBelow(temp.path)) {
    assert.doesNotMatch(path, /friend|passwd|\.\./);
    assert.equal(Deno.statSync(path).mode! & 0o077, 0, path);
  }
});

Deno.test("two hosts on a shared folder: one of them claims a message, and its new state is seen by the other", async () => {
  using temp = new TempFolder();
  const [one, other] = [at(temp), at(temp)];
  await hold(one, 1, "ann@friend.example");
  const claim = one.claim(id(1))!;
  assert.equal(other.claim(id(1)), undefined);
  assert.equal(other.lookUp({ need: "held", id: id(1) }).held?.state, "running");
  claim.settle("held");
  const again = other.claim(id(1))!;
  assert.equal(new TextDecoder().decode((await Array.fromAsync(again.body()))[0]), "x");
  again.settle("done");
  assert.deepEqual(one.lookUp({ need: "held", id: id(1) }), { held: { state: "done" } });
  assert.equal(one.claim(id(1)), undefined);
});

Deno.test("a message that a mail program moves at this moment is claimed all the same", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "ann@friend.example");
  const folder = `${temp.path}/doorbell/svc/held`;
  const [name] = [...Deno.readDirSync(`${folder}/new`)].map((one) => one.name);
  for (const call of ["openSync", "renameSync"] as const) {
    const original = Deno[call];
    const moves = (...args: unknown[]) => {
      Object.assign(Deno, { [call]: original });
      const [old, now] = call === "openSync" ? ["new", "cur"] : ["cur", "new"];
      const [before, after] = now === "cur" ? [name, `${name}:2,S`] : [`${name}:2,S`, name];
      Deno.renameSync(`${folder}/${old}/${before}`, `${folder}/${now}/${after}`);
      return (original as (...args: unknown[]) => unknown)(...args);
    };
    Object.assign(Deno, { [call]: moves });
    const claim = state.claim(id(1));
    assert.ok(claim, call);
    if (call === "renameSync") claim.settle("done");
    else {
      claim.settle("held");
      const [again] = [...Deno.readDirSync(`${folder}/new`)].map((one) => one.name);
      Deno.renameSync(`${folder}/new/${again}`, `${folder}/cur/${name}:2,S`);
    }
  }
  assert.equal(state.claim(id(1)), undefined);
});

Deno.test("an interrupted message that another process settles meanwhile is not claimed", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "ann@friend.example");
  const claim = state.claim(id(1))!;
  const lock = Deno.FsFile.prototype.tryLockSync;
  Deno.FsFile.prototype.tryLockSync = function (...args) {
    Deno.FsFile.prototype.tryLockSync = lock;
    claim.settle("done"); // after the file was opened, and before it is locked
    return lock.apply(this, args);
  };
  assert.equal(state.claim(id(1), "interrupted"), undefined);
});

Deno.test("an address whose new standing cannot be written keeps the one under an older key", () => {
  using temp = new TempFolder();
  const keys = (text: string) => new DoorbellFiles(temp.path, service(""), parseKeys(text, "keys"), new Date(START));
  const [older, newer] = [`k1 ${CREATED} a secret of the doorbell\n`, `k2 ${CREATED} another secret of it\n`];
  const ann = parseAddress("ann@friend.example");
  keys(older).setStanding(ann, "denied");
  const both = keys(older + newer);
  const folder = `${temp.path}/doorbell/svc/addresses`;
  const real = Deno.mkdirSync;
  Deno.mkdirSync = () => {
    throw new Error("No space left on device");
  };
  try {
    assert.throws(() => both.setStanding(ann, "allowed"), { kind: "temporary" });
  } finally {
    Deno.mkdirSync = real;
  }
  assert.equal(both.standing(ann), "denied");
  assert.equal(filesBelow(folder).length, 1);
});

Deno.test("a message that a mail program has moved to cur is still held, and a damaged one disturbs no other", async () => {
  using temp = new TempFolder();
  const state = at(temp);
  await hold(state, 1, "ann@friend.example");
  await hold(state, 2, "bob@friend.example");
  const folder = `${temp.path}/doorbell/svc/held`;
  const [first, second] = [...Deno.readDirSync(`${folder}/new`)].map(({ name }) => name).sort();
  Deno.renameSync(`${folder}/new/${first}`, `${folder}/cur/${first}:2,S`);
  Deno.writeTextFileSync(`${folder}/new/${second}`, "damaged\n");
  assert.deepEqual(await challenges(state), ["ann@friend.example"]);
  const claim = state.claim(id(1))!;
  claim.settle("done");
  assert.throws(() => state.lookUp({ need: "held", id: id(2) }), { kind: "temporary" });
});
