/** .ci/run runs the gate and the tests, shows their output, prints the counts last, and passes on failures. */
import assert from "node:assert/strict";
import { Home, type Ran, ROOT } from "./rig.ts";

/** Runs .ci/run with an npx that prints this text instead of testing. */
async function ci(
  home: Home,
  npx: { gate?: string; ok?: number; tests?: number; output?: string; again?: { status: number; output: string } },
): Promise<Ran> {
  home.write("output", `${npx.output ?? ""}\n`);
  home.write("again", `${npx.again?.output ?? ""}\n`);
  const script = `#!/bin/sh
echo "npx $*" >>"$HOME/calls"
case "$*" in
*" ok" | *" test") echo "CI is $CI, DENO_JOBS is $DENO_JOBS" ;;
esac
case "$*" in
*" ok") ${npx.gate ?? ":"}; exit ${npx.ok ?? 0} ;;
*" task test") cat "$HOME/output"; echo "on standard error" >&2; exit ${npx.tests ?? 0} ;;
*" test -q "*) cat "$HOME/again"; exit ${npx.again?.status ?? 99} ;;
esac
`;
  home.write("bin/npx", script, 0o755);
  return await home.run([`${ROOT}/.ci/run`]);
}

const last = (text: string) => text.trimEnd().split("\n").at(-1);

/** [output of deno test, last line of .ci/run] */
const counts: [string, string][] = [
  ["ok | 12 passed | 0 failed (3s)", "12 passed, 0 failed"],
  ["ok | 12 passed | 0 failed | 1 ignored (3s)", "12 passed, 0 failed, 1 skipped"],
  ["ok | 112 passed (31 steps) | 0 failed | 21 ignored (2 steps) (1m3s)", "112 passed, 0 failed, 21 skipped"],
  ["ok | 1 passed | 0 failed | 0 measured | 30 filtered out (3s)", "1 passed, 0 failed"],
  ["\x1b[0m\x1b[32mok\x1b[0m | 12 passed | 0 failed \x1b[0m\x1b[38;5;245m(3s)\x1b[0m", "12 passed, 0 failed"],
  ["ok | 1 passed | 0 failed (1s)\nnoise\nok | 7 passed | 0 failed (1s)\n\nmore", "7 passed, 0 failed"],
];
for (const [output, line] of counts) {
  Deno.test(`.ci/run prints ${JSON.stringify(line)} after ${JSON.stringify(output)}`, async () => {
    using home = new Home();
    const ran = await ci(home, { output });
    assert.deepEqual([ran.code, last(ran.stdout)], [0, line]);
  });
}

/** [exit statuses of the gate and the tests, output of deno test, exit status and last line of .ci/run] */
const failures: [{ ok?: number; tests?: number }, string, number, string][] = [
  [{ tests: 1 }, "FAILED | 10 passed | 2 failed | 1 ignored (3s)", 1, "10 passed, 2 failed, 1 skipped"],
  [{ tests: 1 }, "FAILED | 10 passed (3 steps) | 1 failed (2 steps) (3s)", 1, "10 passed, 1 failed"],
  [{ ok: 3 }, "ok | 12 passed | 0 failed (3s)", 3, "12 passed, 0 failed"],
  [{ ok: 3, tests: 1 }, "FAILED | 1 passed | 2 failed (3s)", 3, "1 passed, 2 failed"],
  [{ tests: 4 }, "error: no test was run", 4, "0 passed, 1 failed"],
  [{ tests: 5 }, "ok | 12 passed | 0 failed (3s)", 5, "12 passed, 1 failed"],
];
for (const [statuses, output, status, line] of failures) {
  Deno.test(`.ci/run exits with ${status} after ${JSON.stringify(statuses)} ${JSON.stringify(output)}`, async () => {
    using home = new Home();
    const ran = await ci(home, { ...statuses, output });
    assert.deepEqual([ran.code, last(ran.stdout)], [status, line]);
  });
}

Deno.test(".ci/run runs the gate, and the README's test command, and shows their output", async () => {
  using home = new Home();
  const ran = await ci(home, { output: "ok | 1 passed | 0 failed (1s)" });
  const calls = home.read("calls").trimEnd().split("\n");
  const deno = /^npx -y deno@\d+\.\d+\.\d+/.exec(calls[0]!)![0];
  const gate = `${deno} task ok`;
  assert.ok(calls.includes(gate));
  const tests = `${deno} task test`;
  assert.deepEqual(calls.filter((call) => call !== gate), [
    `${deno} --version`,
    `${deno} run -q --frozen -A tests/programs/fetch.ts`,
    tests,
  ]);
  assert.ok(Deno.readTextFileSync(`${ROOT}/README.md`).includes(tests), `README.md does not contain: ${tests}`);
  const jobs = 2 * Number((await home.run(["getconf", "_NPROCESSORS_ONLN"])).stdout);
  assert.equal(ran.stdout.split(`CI is true, DENO_JOBS is ${jobs}\n`).length, 3);
  assert.match(ran.stdout, /^on standard error$/m);
});

Deno.test(".ci/run runs the gate beside the tests, and waits for it", async () => {
  using home = new Home();
  const gate = `for n in 1 2 3 4 5 6 7 8 9; do ! grep -q "task test" "$HOME/calls" || exit 3; sleep 1; done`;
  const ran = await ci(home, { gate, output: "ok | 1 passed | 0 failed (1s)" });
  assert.deepEqual([ran.code, last(ran.stdout)], [3, "1 passed, 0 failed"]);
});

Deno.test(".ci/run leaves the number of workers to DENO_JOBS if it is set", async () => {
  using home = new Home();
  home.env.DENO_JOBS = "7";
  assert.match((await ci(home, {})).stdout, /^CI is true, DENO_JOBS is 7$/m);
});

/** The end of a run with failures in these files. */
const failuresIn = (files: readonly string[]) =>
  ` FAILURES \n\n${files.map((file) => `a name => b => ./${file}:19:6\n`).join("")}\n` +
  `FAILED | 100 passed (7 steps) | ${files.length} failed | 3 ignored (4m)`;

for (
  const [status, output, line] of [
    [0, "ok | 9 passed | 0 failed (1s)", "102 passed, 0 failed, 3 skipped"],
    [1, "FAILED | 8 passed | 1 failed (1s)", "101 passed, 1 failed, 3 skipped"],
    [1, "error: no test was run", "100 passed, 2 failed, 3 skipped"],
  ] as const
) {
  Deno.test(`.ci/run runs files that fail once more, alone: ${line}`, async () => {
    using home = new Home();
    const files = ["tests/a/x_test.ts", "tests/b_test.ts"];
    const ran = await ci(home, { tests: 1, output: failuresIn(files), again: { status, output } });
    assert.deepEqual([ran.code, last(ran.stdout)], [status, line]);
    assert.match(
      home.read("calls").trimEnd().split("\n").at(-1)!,
      / test -q --frozen -A tests\/a\/x_test.ts tests\/b_test.ts$/,
    );
    // A race stays visible.
    assert.equal(/^RACE: .*: tests\/a\/x_test.ts tests\/b_test.ts$/m.test(ran.stdout), status === 0);
  });
}

Deno.test(".ci/run does not repeat many failures, nor a run that failed outside of a test", async () => {
  const many = failuresIn(["tests/a_test.ts", "tests/b_test.ts", "tests/c_test.ts", "tests/d_test.ts"]);
  for (const output of [many, "ok | 12 passed | 0 failed (3s)"]) {
    using home = new Home();
    const ran = await ci(home, { tests: 1, output, again: { status: 0, output: "ok | 1 passed | 0 failed (1s)" } });
    assert.equal(ran.code, 1);
    assert.doesNotMatch(home.read("calls"), / test -q /);
  }
});
