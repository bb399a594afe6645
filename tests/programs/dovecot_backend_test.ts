/** verify asks the real Dovecot: right, wrong, away. */
import assert from "node:assert/strict";
import { Home } from "../rig.ts";
import { CHAIN } from "../submit/talk.ts";
import { DovecotAuth } from "./dovecot_auth.ts";
import { need } from "./need.ts";

const test = await need("dovecot", "dovecot-core");

test("checkpassword's source dovecot: the real Dovecot", async () => {
  using home = new Home();
  const socket = `${home.path}/auth`;
  Deno.chmodSync(home.path, 0o755);
  const verify = async (login: string, password: string) => {
    const { code, stdout } = await home.run([`${CHAIN}/verify`, `dovecot:${socket}`], `${login}\0${password}\0\0`, {
      TCPREMOTEIP: "192.0.2.7",
    });
    return [code, stdout];
  };
  assert.deepEqual(await verify("greg", "secret"), [75, ""], "away");
  {
    await using _ = await DovecotAuth.start(socket, { greg: "secret" });
    assert.deepEqual(await verify("greg", "secret"), [0, "greg\n"]);
    assert.deepEqual(await verify("greg", "wrong"), [10, ""]);
    assert.deepEqual(await verify("eve", "secret"), [10, ""]);
  }
  assert.deepEqual(await verify("greg", "secret"), [75, ""], "stopped");
});
