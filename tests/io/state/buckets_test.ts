/** Files of the index of sent mail whose contents are kept while they do not change. */
import assert from "node:assert/strict";
import { Buckets } from "../../../io/state/buckets.ts";
import { TempFolder } from "../../rig.ts";

/** Counts the files that are read. */
class Counting implements Disposable {
  readonly #read = Deno.readFileSync;
  count = 0;
  constructor() {
    Deno.readFileSync = (path) => {
      this.count++;
      return this.#read(path);
    };
  }
  [Symbol.dispose](): void {
    Deno.readFileSync = this.#read;
  }
}

/** [what happens to a bucket that was read, the contents afterwards] */
const CHANGES: [string, (path: string) => void, number[]][] = [
  ["nothing", () => {}, [1, 2, 3]],
  ["a record is appended", (path) => Deno.writeFileSync(path, Uint8Array.of(4), { append: true }), [1, 2, 3, 4]],
  ["it is truncated", (path) => Deno.truncateSync(path, 1), [1]],
  ["it is removed", (path) => Deno.removeSync(path), []],
  ["it is replaced by another of this size and time", (path) => {
    const { mtime } = Deno.statSync(path);
    Deno.writeFileSync(`${path}.new`, Uint8Array.of(7, 8, 9));
    Deno.utimeSync(`${path}.new`, mtime!, mtime!);
    Deno.renameSync(`${path}.new`, path);
  }, [7, 8, 9]],
  ["it is overwritten by a backup of this size", (path) => {
    Deno.writeFileSync(path, Uint8Array.of(7, 8, 9));
    Deno.utimeSync(path, 1e9, 1e9);
  }, [7, 8, 9]],
];
for (const [what, change, after] of CHANGES) {
  Deno.test(`A bucket is read as it is now: ${what}`, () => {
    using folder = new TempFolder();
    const [path, buckets] = [`${folder.path}/0a1`, new Buckets()];
    assert.deepEqual([...buckets.read(path)], [], "it does not exist yet");
    Deno.writeFileSync(path, Uint8Array.of(1, 2, 3));
    assert.deepEqual([...buckets.read(path)], [1, 2, 3]);
    change(path);
    for (let time = 0; time < 2; time++) assert.deepEqual([...buckets.read(path)], after);
  });
}

Deno.test("A bucket is not examined again for the given time", async () => {
  using folder = new TempFolder();
  const [path, buckets] = [`${folder.path}/0a1`, new Buckets()];
  const length = (age?: number) => buckets.read(path, age).length;
  assert.equal(length(60_000), 0, "it does not exist yet");
  Deno.writeFileSync(path, Uint8Array.of(1));
  assert.equal(length(60_000), 1);
  Deno.writeFileSync(path, Uint8Array.of(2), { append: true });
  assert.equal(length(60_000), 1);
  assert.equal(length(), 2);
  Deno.writeFileSync(path, Uint8Array.of(3), { append: true });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(length(10), 3, "the time is over");
  assert.equal(length(10_000), 3);
});

Deno.test("The contents that are kept take a limited amount of memory", () => {
  using folder = new TempFolder();
  const paths = ["a", "b", "c"].map((name) => `${folder.path}/${name}`);
  for (const path of paths) Deno.writeFileSync(path, new Uint8Array(1000));
  const buckets = new Buckets(3000);
  using read = new Counting();
  const counts = [0, 0, 1, 0, 2, 1, 0].map((nth) => {
    buckets.read(paths[nth]!);
    return read.count;
  });
  assert.deepEqual(counts, [1, 1, 2, 2, 3, 3, 4], "the oldest was dropped for the third");
  const none = new Buckets(1000);
  for (let time = 0; time < 2; time++) none.read(paths[0]!);
  assert.equal(read.count, 6, "one that is too large is not kept");
});
