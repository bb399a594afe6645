/** The real Exim with contrib/exim. */
import assert from "node:assert/strict";
import { fieldOf, type Home, ROOT } from "../rig.ts";
import { MAIN, prepareExim, toSmarthost } from "./exim.ts";
import { deadPort, LATER, Sink } from "../smtp_sink.ts";
import { arrived, assertSucceeded, injectorHome, sendLetter, signed, testBounce, testDelivery } from "./injectors.ts";
import { snippet } from "./letters.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("exim4-daemon-light");

/** The rest of a small exim.conf. */
const REST = (port: number) => `
primary_hostname = laptop.example.org
${MAIN}${toSmarthost(port)}`;

/** Writes Exim's configuration: contrib/exim, followed by the rest. */
function configure(root: Root, port: number, main = Deno.readTextFileSync(`${ROOT}/contrib/exim/exim.conf`)): void {
  root.write("etc/exim4/exim4.conf", main + REST(port));
}

/** greg's home with contrib/exim. Exim is run by greg, who is not a trusted user. */
function eximHome(root: Root, port: number): Home {
  prepareExim(root);
  configure(root, port);
  return injectorHome((home) =>
    snippet("exim/config.toml", { "/usr/sbin/exim4": root.command(home, "/usr/sbin/exim4") })
  );
}

test("Exim: delivery", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, sink.port);
  await testDelivery(t, { home, sink }, { quoted: true, dash: true, nullSender: true, nul: true });
});

test("Exim: the bounce of a rejected message returns", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, sink.port);
  await testBounce(t, { home, sink });
  await t.step("the other recipients get the message", async () => {
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net", "friend@mx.example.net"));
    const to = (await arrived(sink, 2)).flatMap((taken) => taken.to);
    assert.deepEqual(to.sort(), [signed(home), "friend@mx.example.net"].sort());
  });
});

test("Exim: messages are queued while the server is down or busy", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, deadPort());
  const queued = () => root.list("var/spool/exim4/input").filter((name) => name.endsWith("-D")).length;
  await t.step("down", async () => {
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    await root.quiet();
    assert.equal(queued(), 1);
  });
  await t.step("busy", async () => {
    sink.answers = { end: LATER };
    configure(root, sink.port);
    const flushed = await root.run(home, ["/usr/sbin/exim4", "-qff"]);
    assert.equal(flushed.code, 0, flushed.stderr);
    await root.quiet();
    assert.ok(sink.lines.includes("DATA"));
    assert.equal(queued(), 1);
  });
  await t.step("up again", async () => {
    sink.answers = {};
    await root.run(home, ["/usr/sbin/exim4", "-qff"]);
    assert.equal((await arrived(sink, 1))[0]!.from, signed(home));
  });
});

test("Exim: an invalid configuration and a missing spool are temporary errors", async (t) => {
  await t.step("configuration", async () => {
    await using root = await unpack();
    using home = eximHome(root, deadPort());
    configure(root, deadPort(), "nonsense\n");
    const ran = await sendLetter(home, "nobody@mx.example.net");
    assert.equal(ran.code, 75, ran.stderr);
    assert.match(ran.stderr, /exited with status 1/);
  });
  await t.step("spool", async () => {
    await using root = await unpack();
    using home = eximHome(root, deadPort());
    Deno.removeSync(`${root.path}/var/spool/exim4`, { recursive: true });
    root.write("var/spool/exim4", "a file");
    const ran = await sendLetter(home, "nobody@mx.example.net");
    assert.equal(ran.code, 75, ran.stderr);
    assert.match(ran.stderr, /exited with status 1/);
  });
});

test("Exim: each line of the snippet is needed", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, sink.port);
  const whole = Deno.readTextFileSync(`${ROOT}/contrib/exim/exim.conf`);
  const sendWithout = async (line: string) => {
    assert.ok(whole.includes(line));
    configure(root, sink.port, whole.replace(line, ""));
    assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
    return (await arrived(sink, 1))[0]!;
  };
  await t.step("without untrusted_set_sender the signed sender is lost", async () => {
    assert.equal((await sendWithout("untrusted_set_sender = *")).from, "greg@laptop.example.org");
  });
  await t.step("without no_local_from_check there is a Sender field", async () => {
    const { from, mail } = await sendWithout("no_local_from_check");
    assert.deepEqual([from, fieldOf(mail, "Sender")], [signed(home), "Greg <greg@laptop.example.org>"]);
  });
});
