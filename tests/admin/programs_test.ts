/** The shim and the hook are found in each kind of installation. */
import assert from "node:assert/strict";
import { installedPrograms, type RunningProgram } from "../../admin/programs.ts";

/** [the running program, the shim, the hook]; both exist */
const finds: [RunningProgram, string, string][] = [
  [{ module: "file:///src/my%20copy/main.ts" }, "/src/my copy/shim/shim", "/src/my copy/hooks/incoming"],
  [{ module: "file:///p/lib/countersign/main.js" }, "/p/bin/shim", "/p/lib/countersign/hooks/incoming"],
  [{ binary: "/home/greg/bin/countersign" }, "/home/greg/bin/shim", "/home/greg/bin/incoming"],
];
for (const [from, shim, hook] of finds) {
  Deno.test(`installedPrograms ${JSON.stringify(from)}`, { permissions: "none" }, () => {
    assert.deepEqual(installedPrograms((path) => [shim, hook].includes(path), from), { shim, hook });
    assert.deepEqual(installedPrograms((path) => path === hook, from), { shim: undefined, hook });
    assert.deepEqual(installedPrograms(() => false, from), { shim: undefined, hook: undefined });
  });
}
