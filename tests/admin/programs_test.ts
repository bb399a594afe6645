/** Our programs are found from each way in which we can be started. */
import assert from "node:assert/strict";
import { beside, type Started } from "../../admin/programs.ts";

/** [what was started, the shim, the hook], both of which are there */
const finds: [Started, string, string][] = [
  [{ module: "file:///src/my%20copy/main.ts" }, "/src/my copy/shim/shim", "/src/my copy/hooks/incoming"],
  [{ module: "file:///p/lib/countersign/main.js" }, "/p/bin/shim", "/p/lib/countersign/hooks/incoming"],
  [{ binary: "/home/greg/bin/countersign" }, "/home/greg/bin/shim", "/home/greg/bin/incoming"],
];
for (const [from, shim, hook] of finds) {
  Deno.test(`beside ${JSON.stringify(from)}`, { permissions: "none" }, () => {
    assert.deepEqual(beside((path) => [shim, hook].includes(path), from), { shim, hook });
    assert.deepEqual(beside((path) => path === hook, from), { shim: undefined, hook });
    assert.deepEqual(beside(() => false, from), { shim: undefined, hook: undefined });
  });
}
