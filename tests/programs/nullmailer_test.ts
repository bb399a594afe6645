/** The real nullmailer with contrib/nullmailer. */
import assert from "node:assert/strict";
import { type Home, oneLine } from "../rig.ts";
import { deadPort, LATER, REFUSED, Sink } from "../smtp_sink.ts";
import { arrived, assertSucceeded, injectorHome, sendLetter, signed, testBounce, testDelivery } from "./injectors.ts";
import { snippet } from "./letters.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("nullmailer");

const QUEUE = "var/spool/nullmailer/queue";

/** Writes /etc as contrib/nullmailer describes. */
function configure(root: Root, port: number): void {
  const replacements = { "smtp.example.org": "127.0.0.1", "--port=25": `--port=${port}` };
  root.write("etc/nullmailer/remotes", snippet("nullmailer/remotes", replacements));
  root.write("etc/mailname", "laptop.example.org\n");
}

/** Starts the daemon, which runs as mail. @returns greg's home with contrib/nullmailer */
function nullmailerHome(root: Root, port: number): Home {
  configure(root, port);
  root.fifo("var/spool/nullmailer/trigger"); // as its postinst does
  root.start(["/usr/sbin/nullmailer-send"], "8:8");
  return injectorHome((home) =>
    snippet("nullmailer/config.toml", { "/usr/sbin/sendmail": root.command(home, "/usr/sbin/sendmail") })
  );
}

test("nullmailer: delivery", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, sink.port);
  await testDelivery(t, { home, sink }, { quoted: false, dash: false, nullSender: true, nul: true });
});

test("nullmailer: the bounce of a rejected message returns", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, sink.port);
  await testBounce(t, { home, sink });
  await t.step("the pitfall: if one recipient is rejected, the others get nothing either", async () => {
    sink.answers = { to: (recipient) => recipient.startsWith("nobody@") ? REFUSED : undefined };
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net", "friend@mx.example.net"));
    assert.deepEqual((await arrived(sink, 1)).map(({ to }) => to), [[signed(home)]]);
  });
});

test("nullmailer: messages are queued while the server is down or busy", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, deadPort());
  await t.step("down", async () => {
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    assert.equal(root.list(QUEUE).length, 1);
  });
  await t.step("busy", async () => {
    sink.answers = { to: LATER };
    configure(root, sink.port);
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    await sink.untilReceived(/^RCPT/);
    assert.equal(root.list(QUEUE).length, 2);
  });
  await t.step("up again: a new message wakes the daemon, and all are sent", async () => {
    sink.answers = {};
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    assert.equal((await arrived(sink, 3)).length, 3);
  });
});

test("nullmailer: a queue that cannot be written is a temporary error", async () => {
  await using root = await unpack();
  using home = nullmailerHome(root, deadPort());
  Deno.removeSync(`${root.path}/var/spool/nullmailer/tmp`, { recursive: true });
  // SIGPIPE if its queue program exits before nullmailer-inject writes to it.
  const message = /exited with status 1: nullmailer-inject: |was killed by SIGPIPE/;
  oneLine(await sendLetter(home, "nobody@mx.example.net"), 75, message);
});

test("nullmailer: the pitfall of allmailfrom", async () => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = nullmailerHome(root, sink.port);
  root.write("etc/nullmailer/allmailfrom", "me@elsewhere.example\n");
  assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
  assert.equal((await arrived(sink, 1))[0]!.from, "me@elsewhere.example");
});
