import assert from "node:assert/strict";
import { seal, unseal } from "../../../io/state/seal.ts";
import { SECRET } from "../../rig.ts";

Deno.test("sealed bytes can be opened with the same key only", { permissions: "none" }, async () => {
  const plain = Uint8Array.of(65);
  assert.deepEqual(await unseal(SECRET, await seal(SECRET, plain)), plain);
  assert.equal(await unseal("another secret", await seal(SECRET, plain)), undefined);
});
