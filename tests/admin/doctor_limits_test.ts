/** The memory limits of running mail servers, with which the hook itself is tried. */
import assert from "node:assert/strict";
import { checkLimits, limitedProcesses } from "../../admin/doctor/limits.ts";
import { run } from "../../admin/doctor/programs.ts";
import { Home, ROOT } from "../rig.ts";
import { assertComplete } from "./findings.ts";

const HOOK = `${ROOT}/hooks/incoming`;

/** Returns the findings about a program called qmail-lspawn that runs with these limits. */
async function findings(home: Home, limits: string): Promise<string[]> {
  const program = `${home.path}/qmail-lspawn`;
  const ready = 'echo ready; exec "$0" 3600';
  const child = new Deno.Command("/bin/sh", { args: ["-c", `${limits}; ${ready}`, program], stdout: "piped" }).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const mine = async () => (await limitedProcesses(run)).filter(({ pid }) => pid === String(child.pid));
    let processes = await mine();
    // The shell has printed the line, and is about to become the program.
    while (processes.length === 0) processes = await mine();
    const found = await checkLimits(HOOK, [...processes, ...processes], run);
    found.forEach(assertComplete);
    return found.map(({ what }) => what.replace(String(child.pid), "PID"));
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

Deno.test("limits that are too low for the hook are reported with the launcher's own message", async () => {
  using home = new Home();
  home.write("qmail-lspawn", Deno.readFileSync("/bin/sleep"), 0o755);
  assert.deepEqual(await findings(home, "ulimit -v 4000000"), [
    "The hook cannot run with the memory limits of qmail-lspawn (process PID): incoming: the hard limit of address " +
    "space is 4000000 KB, but Deno needs 41000000 KB: raise it in the caller",
  ]);
  assert.deepEqual(await findings(home, "ulimit -d 20000"), [
    "The hook cannot run with the memory limits of qmail-lspawn (process PID): incoming: the hard limit of data is " +
    "20000 KB, but Deno needs 50000 KB: raise it in the caller",
  ]);
  assert.deepEqual(await findings(home, "ulimit -S -v 4000000"), [], "the launcher raises a soft limit");
  assert.deepEqual(await findings(home, ":"), []);
});
