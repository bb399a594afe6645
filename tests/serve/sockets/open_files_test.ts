/** `countersign serve` on a socket that systemd has opened, with few file descriptors. */
import assert from "node:assert/strict";
import { printPacket } from "../../../serve/milter/packet.ts";
import { isFile } from "../../rig.ts";
import { EngineHome } from "../engine.ts";
import { OFFER } from "../mta.ts";
import { countersignLauncher, ServeProcess } from "../process.ts";

/** Opens a socket as systemd does, and runs the launcher with at most 1,000 open files. */
const activate = (home: EngineHome): string =>
  home.write(
    "bin/activate",
    `#!/bin/sh
ulimit -n 1000
export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=door
exec /usr/bin/perl -e '$^F = 9; use POSIX; use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
  bind($s, sockaddr_un(shift)) or die; listen($s, 9) or die; dup2(fileno($s), 3); exec @ARGV or die' \\
  ${home.path}/door ${countersignLauncher(home)} "$@"
`,
    0o755,
  );

Deno.test("after more connections than descriptors, a new one is still accepted", {
  ignore: !isFile("/usr/bin/perl"),
}, async () => {
  using home = new EngineHome();
  await using serving = new ServeProcess(home, activate(home), home.source.file);
  const path = `${home.path}/door`;
  const connect = async (): Promise<Deno.UnixConn> => {
    for (let tries = 0;; tries++) {
      try {
        return await Deno.connect({ transport: "unix", path });
      } catch (error) {
        // It does not listen yet, or its queue is full.
        if (tries === 300) throw error;
        await new Promise((next) => setTimeout(next, 20));
      }
    }
  };
  const negotiate = async (): Promise<number | null> => {
    using connection = await connect();
    await connection.write(printPacket("O", OFFER));
    return await connection.read(new Uint8Array(100));
  };
  assert.ok(await negotiate(), serving.stderr);
  const open: Deno.UnixConn[] = [];
  while (open.length < 1500) open.push(await connect());
  for (const one of open) one.close();
  for (let tries = 0; tries < 100 && !await negotiate().catch(() => null); tries++) {
    await new Promise((next) => setTimeout(next, 50));
  }
  assert.ok(await negotiate(), serving.stderr);
  assert.match(serving.stderr, /^door: Limit of 232 connections reached: a new one was closed$/m);
});
