/** The real dma with contrib/dma. */
import assert from "node:assert/strict";
import { type Home, oneLine } from "../rig.ts";
import { deadPort, LATER, Sink } from "../smtp_sink.ts";
import { arrived, assertSucceeded, injectorHome, sendLetter, signed, testBounce, testDelivery } from "./injectors.ts";
import { snippet } from "./letters.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("dma");

/** Writes /etc as contrib/dma describes. */
function configure(root: Root, port: number, more = ""): void {
  const replacements = { "smtp.example.org": "127.0.0.1", "PORT 25": `PORT ${port}` };
  root.write("etc/dma/dma.conf", snippet("dma/dma.conf", replacements) + more);
  root.write("etc/mailname", "laptop.example.org\n");
}

/** greg's home with contrib/dma. dma runs as greg; it is set-group-ID mail. */
function dmaHome(root: Root, port: number, more = ""): Home {
  configure(root, port, more);
  return injectorHome((home) => snippet("dma/config.toml", { "/usr/sbin/dma": root.command(home, "/usr/sbin/dma") }));
}

test("dma: delivery", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = dmaHome(root, sink.port);
  await testDelivery(t, { home, sink }, { quoted: false, dash: true, nullSender: false, nul: false });
});

test("dma: the bounce of a rejected message returns", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = dmaHome(root, sink.port);
  await testBounce(t, { home, sink });
});

test("dma: messages are queued while the server is down or busy", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = dmaHome(root, deadPort());
  await t.step("down", async () => {
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    assert.equal(root.list("var/spool/dma").length, 2, "an envelope and a message");
  });
  await t.step("busy", async () => {
    sink.answers = { to: LATER };
    configure(root, sink.port);
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    await sink.untilReceived(/^RCPT/);
    assert.equal(root.list("var/spool/dma").length, 4);
  });
  await t.step("up again, after a reboot", async () => {
    sink.answers = {};
    await root.stop(); // Each message waits in its own process, for minutes.
    const flushed = await root.run(home, ["/usr/sbin/dma", "-q"]);
    assert.equal(flushed.code, 0, flushed.stderr);
    assert.equal((await arrived(sink, 2)).length, 2);
  });
});

test("dma: failures that are reported at once", async (t) => {
  await t.step("a missing spool: 73", async () => {
    await using root = await unpack();
    using home = dmaHome(root, deadPort());
    Deno.removeSync(`${root.path}/var/spool/dma`, { recursive: true });
    oneLine(await sendLetter(home, "nobody@mx.example.net"), 73, /exited with status 73: dma: can not create/);
  });
  await t.step("a broken configuration: 78", async () => {
    await using root = await unpack();
    using home = dmaHome(root, deadPort(), "NONSENSE\n");
    oneLine(await sendLetter(home, "nobody@mx.example.net"), 78, /exited with status 78: dma: /);
  });
});

test("dma: the pitfall of MASQUERADE with an address", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = dmaHome(root, sink.port);
  const table: [setting: string, sender?: string][] = [
    ["MASQUERADE me@elsewhere.example", "me@elsewhere.example"],
    ["MASQUERADE elsewhere.example"],
    ["NULLCLIENT"],
  ];
  for (const [setting, sender] of table) {
    await t.step(setting, async () => {
      configure(root, sink.port, `${setting}\n`);
      assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
      assert.equal((await arrived(sink, 1))[0]!.from, sender ?? signed(home));
    });
  }
});
