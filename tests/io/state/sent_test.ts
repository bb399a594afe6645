import assert from "node:assert/strict";
import { dayOf } from "../../../lib/date.ts";
import { expireSent, rememberSent, sentIndex } from "../../../io/state/sent.ts";
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

/** Returns the paths of the files that are read meanwhile. */
function filesRead(work: () => void): string[] {
  const { readFileSync } = Deno;
  const read: string[] = [];
  Deno.readFileSync = (path) => {
    read.push(String(path));
    return readFileSync(path);
  };
  try {
    work();
  } finally {
    Deno.readFileSync = readFileSync;
  }
  return read;
}

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
  const others = ["notes", "1234567", "0x1", "12"];
  for (const name of others) Deno.writeTextFileSync(`${folder.sent}/${name}`, "");
  Deno.mkdirSync(`${folder.sent}/folder`);
  const [periods, former] = [new Set([2 * DAYS, 2 * DAYS + 1, 400].map((days) => period(day(-days)))).size, 3];
  assert.equal(expireSent(folder.sent, now), periods + former);
  const left = new Set([0, 1, DAYS - 1].map((days) => String(period(day(-days)))));
  assert.deepEqual(folder.names(), [...left, ...others, "folder"].sort());
  assert.equal(expireSent(folder.sent, now), 0);
});

Deno.test("A bucket that cannot be read is a temporary failure, not an unknown message", () => {
  using folder = new Folder();
  rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const [file] = filesBelow(folder.sent);
  Deno.removeSync(file!);
  Deno.mkdirSync(file!);
  assert.throws(() => sentIndex(folder.sent, now)(joe, ["1@example.net"]), { kind: "temporary" });
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
