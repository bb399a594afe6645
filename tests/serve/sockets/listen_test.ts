/** Sockets that serve creates: who may use them, and what is replaced. */
import assert from "node:assert/strict";
import { checkFolder, listenAt } from "../../../serve/sockets/listen.ts";

function folder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "countersign-socket-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/**
 * Waits until connections are refused. A child that another test is starting at this moment has the closed listener
 * until it executes its program.
 */
async function refused(path: string): Promise<void> {
  for (let left = 500; left > 0; left--) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("connections to a closed listener are still accepted");
}

Deno.test("only the owner and the group may use the socket, and close removes it", async () => {
  using temporary = folder();
  const path = `${temporary.path}/door`;
  const listener = await listenAt(path);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o660);
  listener.close();
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
});

Deno.test("a stale socket is replaced; the socket of a running process, or a file, is not", async () => {
  using temporary = folder();
  const path = `${temporary.path}/door`;
  const stale = Deno.listen({ transport: "unix", path: `${path}.old` });
  Deno.renameSync(`${path}.old`, path);
  stale.close(); // it was renamed, so close does not remove it
  await refused(path);
  const listener = await listenAt(path);
  await assert.rejects(listenAt(path), { kind: "config", message: /Another process/ });
  Deno.writeTextFileSync(`${temporary.path}/file`, "");
  await assert.rejects(listenAt(`${temporary.path}/file`), { kind: "config" });
  await assert.rejects(listenAt(`${temporary.path}/none/x`), { kind: "config" });
  listener.close();
});

Deno.test("a process does not remove the socket of another that has replaced its own", async () => {
  using temporary = folder();
  const path = `${temporary.path}/door`;
  const first = await listenAt(path);
  Deno.renameSync(path, `${path}.old`);
  const second = await listenAt(path);
  first.close();
  (await Deno.connect({ transport: "unix", path })).close();
  second.close();
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
});

Deno.test("sockets are not created in a folder in which others can replace them", () => {
  using temporary = folder();
  const path = `${temporary.path}/sockets`;
  checkFolder(path); // that it is missing is reported later
  Deno.symlinkSync(path, path);
  assert.throws(() => checkFolder(path), { kind: "config", message: /cannot be examined/ });
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  for (
    const [mode, allowed] of [[0o700, true], [0o2750, true], [0o2770, true], [0o777, false], [0o1777, false]] as const
  ) {
    Deno.chmodSync(path, mode);
    if (allowed) checkFolder(path);
    else assert.throws(() => checkFolder(path), { kind: "permission" }, mode.toString(8));
  }
  if (Deno.uid() !== 0) return;
  Deno.chmodSync(path, 0o750);
  Deno.chownSync(path, 65534, 65534);
  assert.throws(() => checkFolder(path), { kind: "permission", message: /belongs to user 65534/ });
});
