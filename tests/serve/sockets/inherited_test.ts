/** Socket activation: which sockets belong to this process, and how they are used. */
import assert from "node:assert/strict";
import { inheritedSockets } from "../../../io/system/inherited.ts";
import { isFile, ROOT, TempFolder } from "../../rig.ts";
import { hear } from "../requests_server.ts";

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

/** Opens a listening socket as descriptor 3, and runs a program. */
const ACTIVATE = `$^F = 9; use POSIX; use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
  bind($s, sockaddr_un(shift)) or die; listen($s, 9) or die; dup2(fileno($s), 3); exec @ARGV or die`;

Deno.test("a client that sends its request and shuts down its side gets the answer", {
  ignore: !isFile("/usr/bin/perl"),
}, async () => {
  using folder = new TempFolder();
  const path = `${folder.path}/socket`;
  const program = [Deno.execPath(), "run", "-qA", `${ROOT}/tests/serve/sockets/inherited_program.ts`];
  const child = new Deno.Command("/usr/bin/perl", { args: ["-e", ACTIVATE, path, ...program], stdout: "piped" })
    .spawn();
  const output = child.stdout.getReader();
  try {
    await output.read(); // it listens
    using connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode("status\n"));
    await connection.closeWrite();
    assert.equal(await hear(connection), "status\n");
  } finally {
    child.kill("SIGKILL");
    await output.cancel();
    await child.status;
  }
});
