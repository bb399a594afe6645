import assert from "node:assert/strict";
import { dayOf } from "../../lib/day.ts";
import { cleanSent, rememberSent, sentIndex } from "../../state/sent.ts";
import { chair, day, joe, now } from "../challenges.ts";
import { ROOT } from "../rig.ts";

const DAYS = 30;
const SIZE = 16;

class Folder {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-" });
  readonly sent = `${this.path}/sent`;
  files(): string[] {
    return [...Deno.readDirSync(this.sent)].map((entry) => entry.name).sort();
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const mode = (path: string) => (Deno.statSync(path).mode! & 0o777).toString(8);

Deno.test("A Message-ID is known for 30 days, to the identity that sent it", async () => {
  using folder = new Folder();
  assert.equal(await sentIndex(folder.sent, now)(joe, ["1@example.net"]), undefined, "nothing was sent yet");
  await rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  await rememberSent(folder.sent, joe, "<2@example.net>", true, now);
  await rememberSent(folder.sent, joe, "<3@example.net>", true, day(-3));
  const known = async (when: Date, ...ids: string[]) => (await sentIndex(folder.sent, when)(joe, ids))?.day;
  assert.equal(await known(now, "1@example.net"), dayOf(now));
  assert.equal(await known(now, "2@example.net"), dayOf(now));
  assert.equal(await known(now, "<2@example.net>"), dayOf(now), "with its brackets");
  assert.equal(await known(now, "3@example.net"), dayOf(now) - 3);
  assert.equal(await known(now, "x@example.net", "3@example.net"), dayOf(now) - 3, "one of several");
  assert.equal(await known(now, "3@example.net", "1@example.net"), dayOf(now), "the last day counts");
  assert.equal(await known(day(DAYS - 1), "1@example.net"), dayOf(now));
  assert.equal(await known(day(DAYS), "1@example.net"), undefined);
  for (const ids of [[], [""], ["4@example.net"], ["1@EXAMPLE.net"], ["1"]]) {
    assert.equal(await known(now, ...ids), undefined, JSON.stringify(ids));
  }
  assert.equal(await sentIndex(folder.sent, now)(chair, ["1@example.net"]), undefined, "another identity");
});

Deno.test("It is known by any key of the identity that is left", async () => {
  using folder = new Folder();
  await rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const younger = { ...joe.keys[0]!, id: "k2", secret: chair.keys[0]!.secret };
  const find = (keys: typeof joe.keys) => sentIndex(folder.sent, now)({ ...joe, keys }, ["1@example.net"]);
  assert.equal(await find([younger, joe.keys[0]!]), dayOf(now));
  assert.equal(await find([younger]), undefined);
});

Deno.test("A stranger cannot make us look for ever: 20 Message-IDs are looked for", async () => {
  using folder = new Folder();
  await rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const others = (count: number) => Array.from({ length: count }, (_, nth) => `x${nth}@example.net`);
  const find = (count: number) => sentIndex(folder.sent, now)(joe, [...others(count), "1@example.net"]);
  assert.equal(await find(19), dayOf(now));
  assert.equal(await find(20), undefined);
});

Deno.test("A file a day, 16 bytes a message, none of which tells the Message-ID; the owner's alone", async () => {
  using folder = new Folder();
  for (const [id, when] of [["1", now], ["2", now], ["3", day(-1)]] as const) {
    await rememberSent(folder.sent, joe, `<${id}@example.net>`, true, when);
  }
  assert.deepEqual(folder.files(), [String(dayOf(now) - 1), String(dayOf(now))]);
  assert.equal(Deno.statSync(`${folder.sent}/${dayOf(now)}`).size, 2 * SIZE);
  assert.equal(Deno.statSync(`${folder.sent}/${dayOf(now) - 1}`).size, SIZE);
  assert.equal(mode(folder.sent), "700");
  assert.equal(mode(`${folder.sent}/${dayOf(now)}`), "600");
  const bytes = Deno.readFileSync(`${folder.sent}/${dayOf(now)}`);
  assert.ok(!new TextDecoder("latin1").decode(bytes).includes("example"));
  assert.notDeepEqual(bytes.subarray(0, SIZE), bytes.subarray(SIZE));
});

Deno.test("Half a hash at the end, or a hash across two, is not found", async () => {
  using folder = new Folder();
  await rememberSent(folder.sent, joe, "<1@example.net>", true, now);
  const file = `${folder.sent}/${dayOf(now)}`;
  const hash = Deno.readFileSync(file);
  const find = () => sentIndex(folder.sent, now)(joe, ["1@example.net"]);
  Deno.writeFileSync(file, hash.subarray(0, SIZE - 1));
  assert.equal(await find(), undefined);
  Deno.writeFileSync(file, Uint8Array.of(0, ...hash, ...new Uint8Array(SIZE - 1)));
  assert.equal(await find(), undefined);
  Deno.writeFileSync(file, Uint8Array.of(...new Uint8Array(SIZE), ...hash, 1, 2, 3));
  assert.equal(await find(), dayOf(now));
});

Deno.test("Days that are over are cleaned, nothing else", async () => {
  using folder = new Folder();
  cleanSent(folder.sent, now); // nothing is there
  for (const days of [0, 1, DAYS - 1, DAYS, DAYS + 1, 400]) {
    await rememberSent(folder.sent, joe, "<1@x>", true, day(-days));
  }
  Deno.writeTextFileSync(`${folder.sent}/notes`, "");
  cleanSent(folder.sent, now);
  const left = [DAYS - 1, 1, 0].map((days) => String(dayOf(day(-days))));
  assert.deepEqual(folder.files(), [...left, "notes"]);
});

Deno.test("Several processes append at once: no hash is lost or torn", async () => {
  using folder = new Folder();
  const [processes, each] = [6, 40];
  const code = `
    const { rememberSent } = await import("./state/sent.ts");
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
  assert.equal(Deno.statSync(`${folder.sent}/${dayOf(now)}`).size, processes * each * SIZE);
  const find = sentIndex(folder.sent, now);
  for (let process = 0; process < processes; process++) {
    for (let nth = 0; nth < each; nth++) {
      assert.equal(await find(joe, [`${process}.${nth}@example.net`]), dayOf(now), `${process}.${nth}`);
    }
  }
});
