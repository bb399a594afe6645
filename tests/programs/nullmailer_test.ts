/** The real nullmailer with contrib/nullmailer. */
import assert from "node:assert/strict";
import { type Home, oneLine } from "../rig.ts";
import { deadPort, LATER, REFUSED, Sink } from "../smtp_sink.ts";
import { arrived, carries, comesHome, injectorHome, sent, signed, write } from "./injectors.ts";
import { snippet } from "./letters.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("nullmailer");

const QUEUE = "var/spool/nullmailer/queue";

/** The machine's /etc as contrib/nullmailer says. */
function configure(root: Root, port: number): void {
  const here = { "smtp.example.org": "127.0.0.1", "--port=25": `--port=${port}` };
  root.write("etc/nullmailer/remotes", snippet("nullmailer/remotes", here));
  root.write("etc/mailname", "laptop.example.org\n");
}

/** greg's home as contrib/nullmailer says, and the daemon, which runs as mail. */
function nullmailerHome(root: Root, port: number): Home {
  configure(root, port);
  root.fifo("var/spool/nullmailer/trigger"); // As its postinst does.
  root.start(["/usr/sbin/nullmailer-send"], "8:8");
  return injectorHome((home) =>
    snippet("nullmailer/config.toml", { "/usr/sbin/sendmail": root.command(home, "/usr/sbin/sendmail") })
  );
}

test("nullmailer: what arrives", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, sink.port);
  await carries(t, { home, sink }, { quoted: false, dash: false, nullSender: true, nul: true });
});

test("nullmailer: a refused message comes home", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, sink.port);
  await comesHome(t, { home, sink });
  await t.step("one refused recipient keeps it from all others: the pitfall", async () => {
    sink.answers = { to: (one) => one.startsWith("nobody@") ? REFUSED : undefined };
    sent(await write(home, "nobody@mx.example.net", "friend@mx.example.net"));
    assert.deepEqual((await arrived(sink, 1)).map(({ to }) => to), [[signed(home)]]);
  });
});

test("nullmailer: while the server is down or busy the message waits", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, deadPort());
  await t.step("down", async () => {
    sent(await write(home, "nobody@mx.example.net"));
    assert.equal(root.list(QUEUE).length, 1);
  });
  await t.step("busy", async () => {
    sink.answers = { to: LATER };
    configure(root, sink.port);
    sent(await write(home, "nobody@mx.example.net"));
    await sink.untilSaid(/^RCPT/);
    assert.equal(root.list(QUEUE).length, 2);
  });
  await t.step("up again, and a new message wakes the daemon: all arrive", async () => {
    sink.answers = {};
    sent(await write(home, "nobody@mx.example.net"));
    assert.equal((await arrived(sink, 3)).length, 3);
  });
});

test("nullmailer: it cannot write its queue: later", async () => {
  await using root = await unpack();
  using home = nullmailerHome(root, deadPort());
  Deno.removeSync(`${root.path}/var/spool/nullmailer/tmp`, { recursive: true });
  // The second when its own queue program is gone before it has written to it.
  const said = /exited with status 1: nullmailer-inject: |was killed by SIGPIPE/;
  oneLine(await write(home, "nobody@mx.example.net"), 75, said);
});

test("nullmailer: allmailfrom, the pitfall", async () => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, sink.port);
  root.write("etc/nullmailer/allmailfrom", "me@elsewhere.example\n");
  sent(await write(home, "nobody@mx.example.net"));
  assert.equal((await arrived(sink, 1))[0]!.from, "me@elsewhere.example");
});
