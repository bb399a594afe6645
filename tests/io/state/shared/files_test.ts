import assert from "node:assert/strict";
import { fileStore } from "../../../../io/state/shared/files.ts";
import { MAX_ENTRIES } from "../../../../io/state/shared/store.ts";
import { A, B, storeTests, withFolder } from "./contract.ts";

storeTests("files", Deno.test, (run) => withFolder((folder) => run(fileStore(`${folder}/state`))));

Deno.test("a list with more entries than are returned does not defer mail: none is returned", async () => {
  await withFolder(async (folder) => {
    const store = fileStore(folder);
    const message = (nth: number) => nth.toString(16).padStart(32, "0");
    const issue = (nth: number) => store.issue([`${message(nth)}-${B}`], 99_999, "text\n");
    await issue(0);
    // Copies of its files, because issuing each entry would wait for the disk several times.
    const day = `${folder}/ledger/99999`;
    for (let nth = 1; nth < MAX_ENTRIES; nth++) {
      Deno.mkdirSync(`${day}/messages/${message(nth)}`);
      Deno.copyFileSync(`${day}/messages/${message(0)}/${B}`, `${day}/messages/${message(nth)}/${B}`);
      Deno.copyFileSync(`${day}/lists/${B}/${message(0)}`, `${day}/lists/${B}/${message(nth)}`);
    }
    assert.equal((await store.entries({ lists: [B] })).length, MAX_ENTRIES);
    await issue(MAX_ENTRIES);
    assert.deepEqual(await store.entries({ lists: [B] }), []);
  });
});

Deno.test("a claim cannot rename files outside the ledger", async () => {
  await withFolder(async (folder) => {
    const store = fileStore(folder);
    Deno.writeTextFileSync(`${folder}/victim`, "");
    await store.issue([`${A}-${B}`], 99_999, "text\n");
    for (const claim of ["../victim", "../victim.claimed.1", "99999/messages/../../../victim.claimed.", ""]) {
      await assert.rejects(store.settle(claim, "spent"), { kind: "data" }, claim);
    }
    assert.ok(Deno.statSync(`${folder}/victim`).isFile);
  });
});

Deno.test("a message that cannot be remembered is noted as forgotten, because its client sends it nevertheless", async () => {
  await withFolder(async (folder) => {
    const store = fileStore(folder);
    Deno.writeTextFileSync(`${folder}/sent`, "");
    assert.equal(await store.lastForgotten(), undefined);
    const before = Date.now() - 1000;
    await assert.rejects(store.rememberSent(A, { day: 20_000, signed: true }), { kind: "temporary" });
    assert.ok((await store.lastForgotten())! > before);
  });
});

Deno.test("files that cannot be used are a temporary failure", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    const store = fileStore(`${folder}/file`);
    await assert.rejects(store.rememberSent(A, { day: 20_000, signed: true }), { kind: "temporary" });
    await assert.rejects(store.issue([`${A}-${B}`], 20_000, "text\n"), { kind: "temporary" });
  });
});
