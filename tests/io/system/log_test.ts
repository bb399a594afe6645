/** Writing the log file: every line is complete, or visibly cut. */
import assert from "node:assert/strict";
import { fields } from "../../../admin/log/line.ts";
import { log, logTogether } from "../../../io/system/log.ts";
import { settings } from "../../challenges.ts";
import { TempFolder } from "../../rig.ts";

/** Calls `run` with a state folder whose log has these contents (undefined: no log). @returns the log afterwards */
function logged(before: string | undefined, run: (state: string) => void = append): string {
  using folder = new TempFolder();
  const state = folder.path;
  if (before !== undefined) Deno.writeTextFileSync(`${state}/log`, before);
  run(state);
  return Deno.readTextFileSync(`${state}/log`);
}

const append = (state: string) =>
  log({ ...settings(), state: { ...settings().state, folder: state } }, { direction: "out", result: "sent" });

/** [contents of the log, how it continues] */
const rows: [string | undefined, RegExp][] = [
  [undefined, /^time=\S+ direction=out result=sent\n$/],
  ["", /^time=\S+ direction=out result=sent\n$/],
  ["time=x direction=in\n", /^time=x direction=in\ntime=\S+ direction=out result=sent\n$/],
  ["time=x direction=in result=se", /^time=x direction=in result=se…\ntime=\S+ direction=out result=sent\n$/],
  ['time=x why="the env', /^time=x why="the env…\ntime=\S+ direction=out result=sent\n$/],
  ["t", /^t…\ntime=\S+ direction=out result=sent\n$/],
];
for (const [before, after] of rows) {
  Deno.test(`a line is appended after ${JSON.stringify(before)}`, () => assert.match(logged(before), after));
}

/** [what happens to the log between two lines of a process, what is between them] */
const between: [string, (path: string) => void, string][] = [
  ["nothing", () => {}, ""],
  ["a line of another process", (path) => Deno.writeTextFileSync(path, "whole\n", { append: true }), "whole\n"],
  ["a truncated line", (path) => Deno.writeTextFileSync(path, "trunc", { append: true }), "trunc…\n"],
  ["it is truncated", (path) => Deno.truncateSync(path, Deno.statSync(path).size - 1), "…\n"],
];
for (const [what, change, text] of between) {
  Deno.test(`a process appends to its own line after ${what}`, () => {
    const line = "time=\\S+ direction=out result=sent\\n";
    const whole = logged(undefined, (state) => {
      append(state);
      change(`${state}/log`);
      for (let time = 0; time < 2; time++) append(state);
    });
    assert.match(whole.replace("sent…", "sent\n…"), new RegExp(`^${line}${text}${line}${line}$`));
  });
}

Deno.test("a log that was replaced by another of this size is examined", () => {
  const whole = logged(undefined, (state) => {
    append(state);
    append(state);
    const { size } = Deno.statSync(`${state}/log`);
    Deno.writeTextFileSync(`${state}/new`, "x".repeat(size));
    Deno.renameSync(`${state}/new`, `${state}/log`);
    append(state);
  });
  assert.match(whole, /^x+…\ntime=\S+ direction=out result=sent\n$/);
});

Deno.test("a line cut by a full disk is marked, contains no wrong value, and the next line is complete", () => {
  const { writeSync } = Deno.FsFile.prototype;
  const whole = logged(undefined).length;
  for (let cut = 0; cut < whole; cut++) {
    const text = logged("", (state) => {
      let left = cut;
      Deno.FsFile.prototype.writeSync = function (bytes: Uint8Array) {
        if (left === 0) throw new Error("No space left on device");
        const count = writeSync.call(this, bytes.subarray(0, left));
        left -= count;
        return count;
      };
      try {
        append(state);
      } finally {
        Deno.FsFile.prototype.writeSync = writeSync;
      }
      append(state);
    });
    const lines = text.trimEnd().split("\n");
    assert.equal(lines.length, cut === 0 ? 1 : 2, text);
    assert.equal(fields(lines.at(-1)!)["result"], "sent");
    if (cut === 0) continue;
    const { direction, result } = fields(lines[0]!);
    assert.ok(direction === undefined || direction === "out" || direction.endsWith("…"), text);
    assert.notEqual(result, "sent", text);
  }
});

Deno.test("a short write is continued until the line is complete", () => {
  const { writeSync } = Deno.FsFile.prototype;
  const text = logged("", (state) => {
    Deno.FsFile.prototype.writeSync = function (bytes: Uint8Array) {
      return writeSync.call(this, bytes.subarray(0, 3));
    };
    try {
      append(state);
    } finally {
      Deno.FsFile.prototype.writeSync = writeSync;
    }
  });
  assert.match(text, /^time=\S+ direction=out result=sent\n$/);
});

Deno.test("lines that are logged in one turn are appended with one write, and written when their promises are fulfilled", async () => {
  using folder = new TempFolder();
  const one = { ...settings(), state: { ...settings().state, folder: folder.path } };
  const other = { ...one, state: { ...one.state, folder: `${folder.path}/other` } };
  const { writeSync } = Deno.FsFile.prototype;
  let writes = 0;
  Deno.FsFile.prototype.writeSync = function (bytes: Uint8Array) {
    writes++;
    return writeSync.call(this, bytes);
  };
  try {
    const written = [1, 2, 3].map((nth) => logTogether(one, { nth }));
    const elsewhere = logTogether(other, { nth: 4 });
    await written[0];
    assert.match(Deno.readTextFileSync(`${folder.path}/log`), /^time=\S+ nth=1\ntime=\S+ nth=2\ntime=\S+ nth=3\n$/);
    await elsewhere;
    assert.match(Deno.readTextFileSync(`${folder.path}/other/log`), /^time=\S+ nth=4\n$/);
    assert.equal(writes, 2);
    await logTogether(one, { nth: 5 });
    assert.match(Deno.readTextFileSync(`${folder.path}/log`), /nth=3\ntime=\S+ nth=5\n$/);
  } finally {
    Deno.FsFile.prototype.writeSync = writeSync;
  }
});

/** [what happens to the log of a daemon between two lines, the log afterwards, how often it is opened] */
const kept: [string, (path: string) => void, string[], number][] = [
  ["nothing", () => {}, ["1", "2", "3"], 2],
  ["it is rotated", (path) => Deno.renameSync(path, `${path}.1`), ["2", "3"], 3],
  ["it is removed", (path) => Deno.removeSync(path), ["2", "3"], 3],
  [
    "it is replaced",
    (path) => {
      Deno.copyFileSync(path, `${path}.new`);
      Deno.renameSync(`${path}.new`, path);
    },
    ["1", "2", "3"],
    2,
  ],
  ["it is truncated", (path) => Deno.truncateSync(path, 0), ["2", "3"], 2],
];
for (const [what, change, lines, opened] of kept) {
  Deno.test(`a daemon keeps its log open while it is the same: ${what}`, async () => {
    using folder = new TempFolder();
    const one = { ...settings(), state: { ...settings().state, folder: folder.path } };
    const { openSync } = Deno;
    let count = 0;
    Deno.openSync = (path, options) => {
      count++;
      return openSync(path, options);
    };
    try {
      await logTogether(one, { nth: 1 });
      change(`${folder.path}/log`);
      for (const nth of [2, 3]) await logTogether(one, { nth });
    } finally {
      Deno.openSync = openSync;
    }
    const text = Deno.readTextFileSync(`${folder.path}/log`);
    assert.deepEqual(Array.from(text.matchAll(/nth=(\d)/g), ([, nth]) => nth), lines);
    assert.equal(count, opened);
  });
}

Deno.test("a log that cannot be written does not stop mail", async () => {
  using folder = new TempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  const { state } = settings();
  await logTogether({ state: { ...state, folder: `${folder.path}/file` } }, { nth: 1 });
  log({ state: { ...state, folder: `${folder.path}/file` } }, { nth: 1 });
});
