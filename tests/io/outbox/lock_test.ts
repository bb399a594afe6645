/** Locks on entries, beside processes that are being started. */
import assert from "node:assert/strict";
import { tryLock, unlock } from "../../../io/outbox/lock.ts";
import { TempFolder } from "../../rig.ts";

Deno.test("a released lock is free at once, also while other processes are being started", async () => {
  using temp = new TempFolder();
  const path = `${temp.path}/message`;
  Deno.writeTextFileSync(path, "");
  // A thread of its own starts the processes, so that they are started between any two steps here.
  const source = `onmessage = async () => {
    for (let nth = 0; nth < 150; nth++) await new Deno.Command("/bin/true").output();
    postMessage("done");
  };`;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
  let done = false;
  const ended = new Promise<void>((resolve) => {
    worker.onmessage = () => {
      done = true;
      resolve();
    };
  });
  worker.postMessage("");
  let [tries, locked] = [0, 0];
  while (!done) {
    for (let nth = 0; nth < 50; nth++) {
      const file = tryLock(path);
      tries++;
      if (file === undefined) continue;
      locked++;
      unlock(file);
    }
    await new Promise((next) => setTimeout(next));
  }
  await ended;
  worker.terminate();
  assert.ok(tries > 100);
  assert.equal(locked, tries);
});
