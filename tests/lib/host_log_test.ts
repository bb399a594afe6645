/** The log as a file: lines are whole, or can be seen not to be. */
import assert from "node:assert/strict";
import { fields } from "../../admin/log.ts";
import { log } from "../../io/system/log.ts";
import { settings } from "../challenges.ts";

/** Runs with a state folder whose log has these contents; undefined for no log. @returns the log afterwards */
function logged(before: string | undefined, run: (state: string) => void = add): string {
  const state = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    if (before !== undefined) Deno.writeTextFileSync(`${state}/log`, before);
    run(state);
    return Deno.readTextFileSync(`${state}/log`);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
}

const add = (state: string) =>
  log({ ...settings(), state: { shared: false, folder: state } }, { direction: "out", result: "sent" });

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
  Deno.test(`a line behind ${JSON.stringify(before)}`, () => assert.match(logged(before), after));
}

Deno.test("a full disk cuts a line anywhere: the next one is whole, and no value of the cut one is another", () => {
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
        add(state);
      } finally {
        Deno.FsFile.prototype.writeSync = writeSync;
      }
      add(state);
    });
    const lines = text.trimEnd().split("\n");
    assert.equal(lines.length, cut === 0 ? 1 : 2, text);
    assert.equal(fields(lines.at(-1)!)["result"], "sent");
    if (cut === 0) continue;
    const { way, result } = fields(lines[0]!);
    assert.ok(way === undefined || way === "out" || way.endsWith("…"), text);
    assert.notEqual(result, "sent", text);
  }
});

Deno.test("short writes are continued", () => {
  const { writeSync } = Deno.FsFile.prototype;
  const text = logged("", (state) => {
    Deno.FsFile.prototype.writeSync = function (bytes: Uint8Array) {
      return writeSync.call(this, bytes.subarray(0, 3));
    };
    try {
      add(state);
    } finally {
      Deno.FsFile.prototype.writeSync = writeSync;
    }
  });
  assert.match(text, /^time=\S+ direction=out result=sent\n$/);
});
