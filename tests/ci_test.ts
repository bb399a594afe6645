/** .ci/run: both commands are run, the output is seen, the count is last, a failure stays one. */
import assert from "node:assert/strict";
import { Home, type Ran, ROOT } from "./rig.ts";

/** Runs .ci/run with an npx that says this instead of testing. */
async function ci(home: Home, npx: { ok?: number; tests?: number; says?: string }): Promise<Ran> {
  home.write("says", `${npx.says ?? ""}\n`);
  const script = `#!/bin/sh
echo "npx $*" >>"$HOME/calls"
echo "CI is $CI"
case "$*" in
*" ok") exit ${npx.ok ?? 0} ;;
*" test") cat "$HOME/says"; echo "on standard error" >&2; exit ${npx.tests ?? 0} ;;
esac
`;
  home.write("bin/npx", script, 0o755);
  return await home.run([`${ROOT}/.ci/run`]);
}

const last = (text: string) => text.trimEnd().split("\n").at(-1);

/** [what Deno says at the end, the last line] */
const counts: [string, string][] = [
  ["ok | 12 passed | 0 failed (3s)", "12 passed, 0 failed"],
  ["ok | 12 passed | 0 failed | 1 ignored (3s)", "12 passed, 0 failed, 1 skipped"],
  ["ok | 112 passed (31 steps) | 0 failed | 21 ignored (2 steps) (1m3s)", "112 passed, 0 failed, 21 skipped"],
  ["ok | 1 passed | 0 failed | 0 measured | 30 filtered out (3s)", "1 passed, 0 failed"],
  ["\x1b[0m\x1b[32mok\x1b[0m | 12 passed | 0 failed \x1b[0m\x1b[38;5;245m(3s)\x1b[0m", "12 passed, 0 failed"],
  ["ok | 1 passed | 0 failed (1s)\nnoise\nok | 7 passed | 0 failed (1s)\n\nmore", "7 passed, 0 failed"],
];
for (const [says, line] of counts) {
  Deno.test(`.ci/run makes ${JSON.stringify(line)} of ${JSON.stringify(says)}`, async () => {
    using home = new Home();
    const ran = await ci(home, { says });
    assert.deepEqual([ran.code, last(ran.stdout)], [0, line]);
  });
}

/** [how the gate and the tests end, what Deno says, the status, the last line] */
const failures: [{ ok?: number; tests?: number }, string, number, string][] = [
  [{ tests: 1 }, "FAILED | 10 passed | 2 failed | 1 ignored (3s)", 1, "10 passed, 2 failed, 1 skipped"],
  [{ tests: 1 }, "FAILED | 10 passed (3 steps) | 1 failed (2 steps) (3s)", 1, "10 passed, 1 failed"],
  [{ ok: 3 }, "ok | 12 passed | 0 failed (3s)", 3, "12 passed, 0 failed"],
  [{ ok: 3, tests: 1 }, "FAILED | 1 passed | 2 failed (3s)", 3, "1 passed, 2 failed"],
  [{ tests: 4 }, "error: it did not come to tests", 4, "0 passed, 1 failed"],
  [{ tests: 5 }, "ok | 12 passed | 0 failed (3s)", 5, "12 passed, 1 failed"],
];
for (const [ends, says, status, line] of failures) {
  Deno.test(`.ci/run ends with ${status} after ${JSON.stringify(ends)} ${JSON.stringify(says)}`, async () => {
    using home = new Home();
    const ran = await ci(home, { ...ends, says });
    assert.deepEqual([ran.code, last(ran.stdout)], [status, line]);
  });
}

Deno.test(".ci/run calls the gate, then the README's test command, and shows what they say", async () => {
  using home = new Home();
  const ran = await ci(home, { says: "ok | 1 passed | 0 failed (1s)" });
  const [gate, tests, ...more] = home.read("calls").trimEnd().split("\n") as [string, string];
  assert.deepEqual(more, []);
  assert.equal(gate.replace(/ ok$/, ""), tests.replace(/ test$/, ""));
  assert.match(gate, /^npx -y deno@\d+\.\d+\.\d+ task ok$/);
  assert.ok(Deno.readTextFileSync(`${ROOT}/README.md`).includes(tests), `README.md does not say: ${tests}`);
  assert.match(ran.stdout, /^CI is true\nCI is true\n/);
  assert.match(ran.stdout, /^on standard error$/m);
});
