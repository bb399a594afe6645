/** The shim's exit status for every exit status and every signal of the injector, as its tables say. */
import assert from "node:assert/strict";
import { sysexit } from "../../lib/sysexits.ts";
import { Rejected } from "../../io/transport/rejected.ts";
import { statusFor } from "../../lib/settings/presets.ts";
import type { Job } from "./driver.ts";
import { CONFIG, FaultHome, KEYS, letter } from "./home.ts";

/** Reads its whole input, then exits with the status or by the signal in its first argument. */
const INJECTOR = `#!/bin/sh
while read -r line; do :; done
case $1 in
  SIG*) kill "-\${1#SIG}" $$ ;;
  *) exit "$1" ;;
esac
`;

/** The shim's status for a status of the injector. Statuses of sysexits.h are passed through. */
function expected(preset: string, status: number): number {
  if (status === 0) return 0;
  const meaning = statusFor(preset, status);
  return meaning >= 64 && meaning <= 78 ? meaning : sysexit(new Rejected(meaning, ""));
}

/** Runs the shim once for each status or signal. @returns its statuses */
async function run(home: FaultHome, preset: string, spool: boolean, ends: readonly string[]): Promise<number[]> {
  const path = home.write("bin/ends", INJECTOR, 0o755);
  const jobs = ends.map((end): Job => {
    const config = home.config(`command = ["${path}", "${end}"]\nspool = ${spool}\n`);
    const files = { [CONFIG]: config.replace('"sendmail"', `"${preset}"`), [KEYS]: home.keys };
    return { program: "shim", args: ["ann@example.net"], input: letter("ann@example.net"), files };
  });
  const { results, end } = await home.drive(jobs);
  assert.equal(end.code, 0);
  return results.map(({ status }) => status);
}

const ALL = Array.from({ length: 256 }, (_, status) => status);
/** The statuses of sysexits(3) and qmail, and their neighbours. */
const KNOWN = [0, 1, 2, ...ALL.slice(63, 80), 99, 100, 101, 110, 111, 112, 126, 127, 128, 255];
const ROWS = [["sendmail", false, ALL], ["sendmail", true, KNOWN], ["msmtp", false, KNOWN], [
  "qmail-inject",
  false,
  KNOWN,
]] as const;

for (const [preset, spool, statuses] of ROWS) {
  Deno.test(`${statuses.length} exit statuses of ${preset}, spool = ${spool}`, async () => {
    using home = new FaultHome();
    const got = await run(home, preset, spool, statuses.map(String));
    assert.deepEqual(got, statuses.map((status) => expected(preset, status)));
    // Only 0 is success, and the launcher passes all of these through.
    assert.deepEqual(got.map((status) => status === 0), statuses.map((status) => status === 0));
    assert.ok(got.every((status) => status === 0 || (status >= 64 && status <= 78)));
  });
}

/** Signals that do not end a process by default: they stop it or are ignored. */
const HARMLESS = ["CHLD", "CONT", "URG", "WINCH", "STOP", "TSTP", "TTIN", "TTOU"];

Deno.test("an injector killed by any signal, also one without a name, is a temporary failure", async () => {
  using home = new FaultHome();
  const { stdout } = await home.run(["/bin/bash", "-c", "for n in {1..64}; do kill -l $n 2>/dev/null; done"]);
  const names = stdout.trim().split("\n").filter((name) => !HARMLESS.includes(name));
  const numbers = (await home.run(["/bin/bash", "-c", `for n in ${names.join(" ")}; do kill -l $n; done`])).stdout;
  const ends = numbers.trim().split("\n").map((number) => `SIG${number}`);
  assert.ok(ends.length > 50 && ends.includes("SIG9") && ends.includes("SIG34"), ends.join());
  for (const spool of [false, true]) {
    const got = await run(home, "sendmail", spool, ends);
    assert.deepEqual(got, ends.map(() => expected("sendmail", 75)), `spool = ${spool}`);
  }
});
