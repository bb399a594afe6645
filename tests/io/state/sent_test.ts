import assert from "node:assert/strict";
import { dayOf } from "../../../lib/date.ts";
import { purposeMac } from "../../../lib/hmac.ts";
import {
  expireSent,
  latestSent,
  prepareSent,
  recordSent,
  recordsOf,
  rememberSent,
  sentIndex,
} from "../../../io/state/sent.ts";
import { chair, day, joe, now } from "../../challenges.ts";
import { filesBelow, modeOf, ROOT, TempFolder } from "../../rig.ts";

const DAYS = 30;
/** Bytes of a record: a hash, and four bytes with the day and whether the message was signed. */
const SIZE = 20;

class Folder extends TempFolder {
  readonly sent = `${this.path}/sent`;
  /** The files of the index as `PERIOD/BUCKET`. */
  files(): string[] {
    return filesBelow(this.sent).map((path) => path.slice(this.sent.length + 1));
  }
  names(): string[] {
    return [...Deno.readDirSync(this.sent)].map((entry) => entry.name).sort();
  }
}

const period = (when: Date) => Math.floor(dayOf(when) / DAYS);

Deno.test("A Message-ID is known for 30 days, to the identity that sent it", () => {
  using folder = new Folder();
  assert.equal(sentIndex(folder.sent, now)(joe, ["1@example.net"]), undefined, "nothing was sent yet");
  rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  rememberSent(folder.sent, joe, "<2@example.net>", true, now);
  rememberSent(folder.sent, joe, "<3@example.net>", true, day(-3));
  const known = (when: Date, ...ids: string[]) => sentIndex(folder.sent, when)(joe, ids)?.day;
  assert.equal(known(now, "1@example.net"), dayOf(now));
  assert.equal(known(now, "2@example.net"), dayOf(now));
  assert.equal(known(now, "<2@example.net>"), dayOf(now), "in angle brackets");
  assert.equal(known(now, "3@example.net"), dayOf(now) - 3);
  assert.equal(known(now, "x@example.net", "3@example.net"), dayOf(now) - 3, "one of several");
  assert.equal(known(now, "3@example.net", "1@example.net"), dayOf(now), "the latest day counts");
  assert.equal(known(day(DAYS - 1), "1@example.net"), dayOf(now));
  assert.equal(known(day(DAYS), "1@example.net"), undefined);
  for (const ids of [[], [""], ["4@example.net"], ["1@EXAMPLE.net"], ["1"]]) {
    assert.equal(known(now, ...ids), undefined, JSON.stringify(ids));
  }
  assert.equal(sentIndex(folder.sent, now)(chair, ["1@example.net"]), undefined, "another identity");
});

Deno.test("A Message-ID is known as long as the identity has the key that remembered it", () => {
  using folder = new Folder();
  rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const younger = { ...joe.keys[0]!, id: "k2", secret: chair.keys[0]!.secret };
  const find = (keys: typeof joe.keys) => sentIndex(folder.sent, now)({ ...joe, keys }, ["1@example.net"])?.day;
  assert.equal(find([younger, joe.keys[0]!]), dayOf(now));
  assert.equal(find([younger]), undefined);
});

Deno.test("A Message-ID is remembered with the key that signs, or with the first one if none can sign", () => {
  using folder = new Folder();
  const [current] = joe.keys;
  const future = { ...current!, id: "k2", secret: chair.keys[0]!.secret, created: dayOf(now) + 10 };
  rememberSent(folder.sent, { ...joe, keys: [future, current!] }, "<1@example.net>", true, now);
  rememberSent(folder.sent, { ...joe, keys: [future] }, "<2@example.net>", true, now);
  const find = (key: typeof future, id: string) =>
    sentIndex(folder.sent, now)({ ...joe, keys: [key] }, [`${id}@example.net`])?.day;
  assert.deepEqual([find(current!, "1"), find(future, "1")], [dayOf(now), undefined]);
  assert.deepEqual([find(current!, "2"), find(future, "2")], [undefined, dayOf(now)]);
});

Deno.test("The latest day counts, whatever the order", () => {
  const sent = (...days: number[]) => latestSent(days.map((day) => ({ day, signed: true })), new Date(0))?.day;
  assert.deepEqual([sent(), sent(0), sent(-3, -5), sent(-5, -3), sent(-30)], [undefined, 0, -3, -3, undefined]);
});

Deno.test("A message counts as signed if it was signed each time, and all named messages were", () => {
  using folder = new Folder();
  const sent: [string, boolean][] = [["1", true], ["2", false], ["3", true], ["3", false], ["4", true], ["4", true]];
  for (const [id, signed] of sent) rememberSent(folder.sent, joe, `<${id}@example.net>`, signed, now);
  const find = (...ids: string[]) => sentIndex(folder.sent, now)(joe, ids.map((id) => `${id}@example.net`))?.signed;
  const rows: [string[], boolean | undefined][] = [
    [["1"], true],
    [["2"], false],
    [["3"], false],
    [["4"], true],
    [["1", "4"], true],
    [["1", "2"], false],
    [["2", "1"], false],
    [["5"], undefined],
  ];
  for (const [ids, signed] of rows) assert.equal(find(...ids), signed, ids.join());
});

Deno.test("At most 20 different Message-IDs are looked up", () => {
  using folder = new Folder();
  rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const others = (count: number) => Array.from({ length: count }, (_, nth) => `x${nth}@example.net`);
  const find = (ids: string[]) => sentIndex(folder.sent, now)(joe, [...ids, "1@example.net"])?.day;
  assert.equal(find(others(19)), dayOf(now));
  assert.equal(find(others(20)), undefined);
  assert.equal(find(Array(100).fill("x@example.net")), dayOf(now), "repeated IDs count once");
});

Deno.test("A record is the first 16 bytes of a MAC, then twice the day, plus one if signed", () => {
  using folder = new Folder();
  rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const mac = purposeMac(joe.keys[0]!.secret, "sent", ["1@example.net"]);
  assert.deepEqual(folder.files(), [`${period(now)}/${mac.toHex().slice(0, 3)}`]);
  const record = Deno.readFileSync(`${folder.sent}/${folder.files()[0]}`);
  assert.deepEqual(record.subarray(0, 16), mac.subarray(0, 16));
  assert.equal(new DataView(record.buffer).getUint32(16), 2 * dayOf(now) + 1);
});

Deno.test("A message takes 20 bytes that do not reveal its Message-ID, in a private folder per 30 days", () => {
  using folder = new Folder();
  for (let nth = 0; nth < 50; nth++) rememberSent(folder.sent, joe, `<${nth}@example.net>`, true, now);
  rememberSent(folder.sent, joe, "<1@example.net>", true, day(-DAYS));
  assert.deepEqual(folder.names(), [String(period(now) - 1), String(period(now))]);
  const files = filesBelow(folder.sent);
  assert.equal(files.reduce((sum, path) => sum + Deno.statSync(path).size, 0), 51 * SIZE);
  assert.ok(files.length > 40, "messages are spread over the buckets");
  for (const path of [folder.sent, `${folder.sent}/${period(now)}`]) assert.equal(modeOf(path), "700");
  for (const path of files) {
    assert.match(path, /\/[0-9a-f]{3}$/);
    assert.equal(modeOf(path), "600");
    assert.ok(!new TextDecoder("latin1").decode(Deno.readFileSync(path)).includes("example"));
  }
});

/** Returns the paths for which a function of Deno is called meanwhile. */
function calls(name: "readFileSync" | "readDirSync", work: () => void): string[] {
  const real = Deno[name] as (path: string | URL) => unknown;
  const paths: string[] = [];
  Object.assign(Deno, { [name]: (path: string) => (paths.push(path), real(path)) });
  try {
    work();
  } finally {
    Object.assign(Deno, { [name]: real });
  }
  return paths;
}
const filesRead = (work: () => void) => calls("readFileSync", work);

Deno.test("A lookup reads one file of each period that exists, however many files there are", () => {
  using folder = new Folder();
  const days = [now, new Date(now.getTime() - 29 * 86_400_000)];
  for (const day of days) {
    for (let nth = 0; nth < 50; nth++) rememberSent(folder.sent, joe, `<${nth}@example.net>`, true, day);
  }
  const read = filesRead(() => sentIndex(folder.sent, now)(joe, ["1@example.net"]));
  assert.deepEqual(read.map((path) => path.split("/").at(-2)).sort(), days.map((day) => `${period(day)}`).sort());
  assert.deepEqual(filesRead(() => sentIndex(folder.sent, now)(joe, ["1@example.net"])), [], "they have not changed");
});

Deno.test("A lookup finds a message at once in a period that has just begun, though the folder was listed before", () => {
  using folder = new Folder();
  const known = (when: Date) => sentIndex(folder.sent, when)(joe, ["1@example.net"])?.day;
  for (const nth of [0, DAYS, 2 * DAYS]) {
    assert.equal(known(day(nth)), undefined);
    rememberSent(folder.sent, joe, "<1@example.net>", true, day(nth));
    assert.equal(known(day(nth)), dayOf(day(nth)));
  }
});

Deno.test("Only periods are read in which messages are remembered, and the next one", () => {
  const first = new Date((period(now) * DAYS + DAYS - 1) * 86_400_000);
  for (const [when, expected] of [[first, [0, 1]], [day(1), [-1, 0, 1]]] as const) {
    using folder = new Folder();
    for (const nth of [-2, -1, 0, 1, 2]) Deno.mkdirSync(`${folder.sent}/${period(when) + nth}`, { recursive: true });
    const { statSync } = Deno;
    const seen: number[] = [];
    Deno.statSync = (path) => {
      seen.push(Number(String(path).split("/").at(-2)) - period(when));
      return statSync(path);
    };
    try {
      sentIndex(folder.sent, when)(joe, ["1@example.net"]);
    } finally {
      Deno.statSync = statSync;
    }
    assert.deepEqual(seen.sort((a, b) => a - b), expected);
  }
});

Deno.test("The index is listed once a second, and each time while one of its two periods is missing", () => {
  using folder = new Folder();
  const { now: real } = performance;
  let time = Math.ceil(real.call(performance)); // whole, so that differences are exact
  performance.now = () => time;
  const listed = (ms: number) => {
    time += ms;
    return calls("readDirSync", () => sentIndex(folder.sent, now)(joe, ["1@example.net"])).length;
  };
  try {
    assert.deepEqual([listed(0), listed(0)], [1, 1], "no index");
    rememberSent(folder.sent, joe, "<1@example.net>", true, now);
    assert.deepEqual([listed(0), listed(0)], [1, 1], "without the period before");
    rememberSent(folder.sent, joe, "<1@example.net>", true, day(-DAYS));
    assert.deepEqual([listed(0), listed(999), listed(1), listed(999)], [1, 0, 1, 0]);
    Deno.removeSync(`${folder.sent}/${period(now)}`, { recursive: true });
    assert.deepEqual([listed(1), listed(0)], [1, 1], "without the current period");
  } finally {
    performance.now = real;
  }
});

Deno.test("prepareSent creates a private folder, and never throws", () => {
  using folder = new Folder();
  prepareSent(`${folder.sent}/sent`);
  assert.equal(modeOf(`${folder.sent}/sent`), "700");
  prepareSent(`${folder.sent}/sent`);
  prepareSent("/dev/null/sent");
});

Deno.test("A record that is not written completely is an error, and the file is closed", () => {
  using folder = new Folder();
  const { openSync } = Deno;
  let closed = 0;
  Deno.openSync = () => ({ writeSync: () => SIZE - 1, close: () => closed++ }) as unknown as Deno.FsFile;
  const file = `${folder.sent}/0/000`;
  try {
    assert.throws(() => recordSent(folder.sent, new Uint8Array(16), { day: 0, signed: true }), {
      kind: "io",
      message: "File was not written completely",
      file,
    });
    assert.equal(closed, 1);
  } finally {
    Deno.openSync = openSync;
  }
});

/** [what, contents of the bucket made from the record, whether the message is known] */
const BUCKETS: [string, (record: Uint8Array) => Uint8Array, boolean][] = [
  ["nothing", () => Uint8Array.of(), false],
  ["a record", (record) => record, true],
  ["a record, twice", (record) => Uint8Array.of(...record, ...record), true],
  ["half a hash", (record) => record.subarray(0, 15), false],
  ["only a hash", (record) => record.subarray(0, 16), false],
  ["a record without its last byte", (record) => record.subarray(0, SIZE - 1), false],
  ["a record after a truncated one", (record) => Uint8Array.of(...record.subarray(0, 7), ...record), true],
  ["a record after one stray byte", (record) => Uint8Array.of(0, ...record), true],
  ["a record before a truncated one", (record) => Uint8Array.of(...record, ...record.subarray(0, 19)), true],
  ["a hash and a day of another period", (record) => Uint8Array.of(...record.subarray(0, 16), 0, 0, 0, 1), false],
  ["a truncated record before a complete one", (record) => Uint8Array.of(...record.subarray(0, 17), ...record), true],
  ...Array.from({ length: 16 }, (_, nth): (typeof BUCKETS)[number] => [
    `a hash that differs in byte ${nth}`,
    (record) => record.with(nth, record[nth]! ^ 1),
    false,
  ]),
  ["zeros", () => new Uint8Array(10 * SIZE), false],
];
for (const [what, contents, known] of BUCKETS) {
  Deno.test(`A bucket with ${what}: the message is ${known ? "known" : "not known"}`, () => {
    using folder = new Folder();
    rememberSent(folder.sent, joe, "<1@example.net>", true, now);
    const [file] = filesBelow(folder.sent);
    Deno.writeFileSync(file!, contents(Deno.readFileSync(file!)));
    const found = sentIndex(folder.sent, now)(joe, ["1@example.net"]);
    assert.deepEqual(found, known ? { day: dayOf(now), signed: true } : undefined);
  });
}

Deno.test("Messages sent on any day of a period are known for 30 days, also when the clock was set back", () => {
  for (let nth = 0; nth <= DAYS; nth++) {
    using folder = new Folder();
    rememberSent(folder.sent, joe, "<1@example.net>", false, day(nth));
    const known = (when: Date) => sentIndex(folder.sent, when)(joe, ["1@example.net"])?.day;
    for (const later of [0, 1, DAYS - 1]) {
      assert.equal(known(day(nth + later)), dayOf(day(nth)), `${nth} ${later}`);
    }
    assert.equal(known(day(nth + DAYS)), undefined, `${nth}`);
    for (const earlier of [1, DAYS]) {
      assert.equal(known(day(nth - earlier)), dayOf(day(nth)), `${nth} ${earlier}`);
    }
    expireSent(folder.sent, day(nth + DAYS - 1));
    assert.equal(folder.files().length, 1, "known messages are kept");
    expireSent(folder.sent, day(nth + DAYS));
    const last = period(day(nth)) < period(day(nth + 1));
    assert.equal(folder.files().length, last ? 0 : 1, "a period is removed with the messages of its last day");
    expireSent(folder.sent, day(nth + 2 * DAYS));
    assert.equal(folder.files().length, 0, "removed at most one period later");
  }
});

Deno.test("expireSent removes past periods and files of a former version, and nothing else", () => {
  using folder = new Folder();
  assert.equal(expireSent(folder.sent, now), 0, "the index does not exist");
  for (const days of [0, 1, DAYS - 1, 2 * DAYS, 2 * DAYS + 1, 400]) {
    rememberSent(folder.sent, joe, "<1@x>", true, day(-days));
  }
  for (const name of [dayOf(now), dayOf(day(-1)), 20_000]) {
    Deno.writeTextFileSync(`${folder.sent}/${name}`, "x".repeat(16));
  }
  const others = ["notes", "1234567", "0x1", "12", "x12345", "12345x"];
  for (const name of others) Deno.writeTextFileSync(`${folder.sent}/${name}`, "");
  const folders = ["folder", "-1", "1e1"];
  for (const name of folders) Deno.mkdirSync(`${folder.sent}/${name}`);
  const [periods, former] = [new Set([2 * DAYS, 2 * DAYS + 1, 400].map((days) => period(day(-days)))).size, 3];
  assert.equal(expireSent(folder.sent, now), periods + former);
  const left = new Set([0, 1, DAYS - 1].map((days) => String(period(day(-days)))));
  assert.deepEqual(folder.names(), [...left, ...others, ...folders].sort());
  assert.equal(expireSent(folder.sent, now), 0);
});

Deno.test("A bucket that cannot be read is a temporary failure, not an unknown message", () => {
  using folder = new Folder();
  rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const [file] = filesBelow(folder.sent);
  Deno.removeSync(file!);
  Deno.mkdirSync(file!);
  const find = (index: string) => sentIndex(index, now)(joe, ["1@example.net"]);
  assert.throws(() => find(folder.sent), { kind: "temporary", file });
  assert.throws(() => find("/dev/null"), { kind: "temporary", file: "/dev/null" }, "the index is not a folder");
});

Deno.test("Several processes append at the same time without losing or damaging a record", async () => {
  using folder = new Folder();
  const [processes, each] = [6, 40];
  const code = `
    const { rememberSent } = await import("./io/state/sent.ts");
    const { joe, now } = await import("./tests/challenges.ts");
    for (let nth = 0; nth < ${each}; nth++) {
      await rememberSent(Deno.args[0], joe, "<" + Deno.args[1] + "." + nth + "@example.net>", true, now);
    }`;
  const ran = await Promise.all(Array.from({ length: processes }, (_, nth) =>
    new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", code, "--", folder.sent, String(nth)],
      cwd: ROOT,
      stdout: "piped",
      stderr: "piped",
    }).output()));
  for (const { code, stderr } of ran) assert.equal(code, 0, new TextDecoder().decode(stderr));
  const size = filesBelow(folder.sent).reduce((sum, path) => sum + Deno.statSync(path).size, 0);
  assert.equal(size, processes * each * SIZE);
  const find = sentIndex(folder.sent, now);
  for (let process = 0; process < processes; process++) {
    for (let nth = 0; nth < each; nth++) {
      assert.equal(find(joe, [`${process}.${nth}@example.net`])?.day, dayOf(now), `${process}.${nth}`);
    }
  }
});

Deno.test("A record of the previous period is found at once until a day after its end; a clock may be late", () => {
  /** Two hashes of one bucket. */
  const [known, later] = [1, 2].map((last) => new Uint8Array(16).fill(0xab, 0, 2).fill(last, 2));
  const find = (sent: string, hash: typeof known, today: number) =>
    [...recordsOf(sent, [hash!], new Date(today * 86_400_000))].map(({ day }) => day).sort();
  const first = 700 * DAYS; // the first day of a period
  for (const [today, found] of [[first, [first - 1]], [first + 1, []]] as const) {
    using folder = new Folder();
    for (const day of [first - 1, today]) recordSent(folder.sent, known!, { day, signed: true });
    assert.deepEqual(find(folder.sent, known, today), [first - 1, today]);
    recordSent(folder.sent, later!, { day: first - 1, signed: true });
    assert.deepEqual(find(folder.sent, later, today), found);
    recordSent(folder.sent, later!, { day: today, signed: true });
    assert.deepEqual(find(folder.sent, later, today), [...found, today], "in the current period always");
  }
});
