/** Socket activation: which sockets belong to this process. */
import assert from "node:assert/strict";
import { inheritedSockets } from "../../../io/system/inherited.ts";

const inherited = (variables: Record<string, string>) => inheritedSockets((name) => variables[name], [11, "10"]);

Deno.test("sockets are used if LISTEN_PID is this process or its launcher", () => {
  const sockets = { LISTEN_FDS: "2", LISTEN_FDNAMES: "door:sign" };
  const expected = [{ name: "door", fd: 3 }, { name: "sign", fd: 4 }];
  for (const pid of ["10", "11"]) assert.deepEqual(inherited({ ...sockets, LISTEN_PID: pid }), expected);
  assert.deepEqual(inherited({ ...sockets, LISTEN_PID: "12" }), []);
  assert.deepEqual(inherited(sockets), []);
  assert.deepEqual(inherited({}), []);
  assert.deepEqual(inherited({ LISTEN_PID: "10", LISTEN_FDS: "0" }), []);
});

Deno.test("inconsistent variables are an error", () => {
  const rows = [
    { LISTEN_FDS: "x" },
    {},
    { LISTEN_FDS: "-1" },
    { LISTEN_FDS: "1000" },
    { LISTEN_FDS: "1" },
    { LISTEN_FDS: "2", LISTEN_FDNAMES: "door" },
    { LISTEN_FDS: "1", LISTEN_FDNAMES: "" },
  ];
  for (const row of rows) {
    assert.throws(() => inherited({ LISTEN_PID: "10", ...row }), { kind: "config" }, JSON.stringify(row));
  }
});
