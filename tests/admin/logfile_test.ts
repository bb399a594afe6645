import assert from "node:assert/strict";
import { checkClock } from "../../admin/doctor/clock.ts";
import { openLog } from "../../admin/doctor/logfile.ts";

const MB = 1024 * 1024;

function withFile(text: string | Uint8Array<ArrayBuffer>, run: (path: string) => void): void {
  const path = Deno.makeTempFileSync({ prefix: "countersign-" });
  try {
    Deno.writeFileSync(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    run(path);
  } finally {
    Deno.removeSync(path);
  }
}

/** [the text of the log, its lines from the end] */
const logs: [string, string[]][] = [
  ["", []],
  ["\n\n", []],
  ["a", ["a"]],
  ["a\nb\n", ["b", "a"]],
  ["a\n\ncafé\nb", ["b", "café", "a"]],
];
for (const [text, expected] of logs) {
  Deno.test(`a log of ${JSON.stringify(text)} read backwards`, () => {
    withFile(text, (path) => {
      const log = openLog(path)!;
      const lines = [...log.lines()];
      assert.deepEqual(lines.map((line) => line.text), expected);
      const numbers = lines.map((line) => text.split("\n")[log.numberOf(line) - 1]);
      assert.deepEqual(numbers, expected);
    });
  });
}

Deno.test("lines that span two reads are whole, and have the right numbers", () => {
  const lines = Array.from({ length: 20_000 }, (_, nth) => `time=${nth} ${"é".repeat(nth % 50)}`);
  withFile(`${lines.join("\n")}\n`, (path) => {
    const log = openLog(path)!;
    const all = [...log.lines()];
    assert.deepEqual(all.map(({ text }) => text), lines.toReversed());
    for (const nth of [0, 1, 9999, 19_999]) assert.equal(log.numberOf(all[nth]!), 20_000 - nth);
  });
});

Deno.test("of a large log only the end is read, up to a limit", () => {
  const { readSync } = Deno.FsFile.prototype;
  let read = 0;
  Deno.FsFile.prototype.readSync = function (into: Uint8Array) {
    const count = readSync.call(this, into);
    read += count ?? 0;
    return count;
  };
  try {
    const path = Deno.makeTempFileSync({ prefix: "countersign-" });
    try {
      // A sparse file: 500 MB of NULs without a line, followed by one line.
      Deno.truncateSync(path, 500 * MB);
      Deno.writeTextFileSync(path, "\ntime=2026-11-20T00:00:00Z direction=in\n", { append: true });
      assert.deepEqual(checkClock(openLog(path)!, new Date("2026-11-20T12:00:00Z")), []);
      assert.ok(read <= MB, `${read}`);
      read = 0;
      assert.equal([...openLog(path)!.lines()].length, 1);
      assert.ok(read <= 65 * MB, `${read}`);
    } finally {
      Deno.removeSync(path);
    }
  } finally {
    Deno.FsFile.prototype.readSync = readSync;
  }
});

Deno.test("a folder or a missing file is not a log", () => {
  assert.equal(openLog("/nonexistent/log"), undefined);
  assert.equal(openLog("/"), undefined);
});
