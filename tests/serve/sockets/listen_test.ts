/** Sockets that serve creates: who may use them, and what is replaced. */
import assert from "node:assert/strict";
import { listenAt } from "../../../serve/sockets/listen.ts";

function folder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "countersign-socket-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("only the owner and the group may use the socket, which is removed in the end", async () => {
  using there = folder();
  const path = `${there.path}/door`;
  const listener = await listenAt(path);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o660);
  listener.close();
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
});

Deno.test("the socket of a process that has ended is replaced; that of another, or a file, is not", async () => {
  using there = folder();
  const path = `${there.path}/door`;
  const stale = Deno.listen({ transport: "unix", path: `${path}.old` });
  Deno.renameSync(`${path}.old`, path);
  stale.close(); // its name was changed, so the socket is left behind
  const listener = await listenAt(path);
  await assert.rejects(listenAt(path), { kind: "config", message: /Another process/ });
  Deno.writeTextFileSync(`${there.path}/file`, "");
  await assert.rejects(listenAt(`${there.path}/file`), { kind: "config" });
  await assert.rejects(listenAt(`${there.path}/none/x`), { kind: "config" });
  listener.close();
});
