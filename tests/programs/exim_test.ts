/** The real Exim with contrib/exim. */
import assert from "node:assert/strict";
import { fieldOf, type Home, ROOT } from "../rig.ts";
import { deadPort, LATER, Sink } from "../smtp_sink.ts";
import { arrived, carries, comesHome, injectorHome, sent, signed, write } from "./injectors.ts";
import { snippet } from "./letters.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("exim4-daemon-light");

/** The rest of a small exim.conf: all mail goes to one server. */
const REST = (port: number) => `
primary_hostname = laptop.example.org
log_file_path = /var/log/exim4/%slog
spool_directory = /var/spool/exim4
keep_environment =
begin routers
smarthost:
  driver = manualroute
  transport = smtp
  route_list = * 127.0.0.1 byname
  self = send
begin transports
smtp:
  driver = smtp
  port = ${port}
  hosts_try_fastopen =
begin retry
* * F,1h,1m
`;

/** The machine's configuration: contrib/exim before the rest. */
function configure(root: Root, port: number, main = Deno.readTextFileSync(`${ROOT}/contrib/exim/exim.conf`)): void {
  root.write("etc/exim4/exim4.conf", main + REST(port));
}

/** greg's home as contrib/exim says. Exim is called by greg, whom it does not trust. */
function eximHome(root: Root, port: number): Home {
  for (
    const [file, line] of [["etc/passwd", "Debian-exim:x:8:8::/:/bin/sh"], ["etc/group", "Debian-exim:x:8:"]] as const
  ) {
    root.write(file, `${root.read(file)}${line}\n`);
  }
  for (const folder of ["var/spool/exim4", "var/log/exim4"]) root.folder(folder, 8);
  configure(root, port);
  return injectorHome((home) =>
    snippet("exim/config.toml", { "/usr/sbin/exim4": root.command(home, "/usr/sbin/exim4") })
  );
}

test("Exim: what arrives", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, sink.port);
  await carries(t, { home, sink }, { quoted: true, dash: true, nullSender: true, nul: true });
});

test("Exim: a refused message comes home", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, sink.port);
  await comesHome(t, { home, sink });
  await t.step("the other recipients get theirs", async () => {
    sent(await write(home, "nobody@mx.example.net", "friend@mx.example.net"));
    const to = (await arrived(sink, 2)).flatMap((taken) => taken.to);
    assert.deepEqual(to.sort(), [signed(home), "friend@mx.example.net"].sort());
  });
});

test("Exim: while the server is down or busy the message waits", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, deadPort());
  const queued = () => root.list("var/spool/exim4/input").filter((name) => name.endsWith("-D")).length;
  await t.step("down", async () => {
    sent(await write(home, "nobody@mx.example.net"));
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

test("Exim: a broken configuration, no spool: later", async (t) => {
  await t.step("configuration", async () => {
    await using root = await unpack();
    using home = eximHome(root, deadPort());
    configure(root, deadPort(), "nonsense\n");
    const ran = await write(home, "nobody@mx.example.net");
    assert.equal(ran.code, 75, ran.stderr);
    assert.match(ran.stderr, /exited with status 1/);
  });
  await t.step("spool", async () => {
    await using root = await unpack();
    using home = eximHome(root, deadPort());
    Deno.removeSync(`${root.path}/var/spool/exim4`, { recursive: true });
    root.write("var/spool/exim4", "a file");
    const ran = await write(home, "nobody@mx.example.net");
    assert.equal(ran.code, 75, ran.stderr);
    assert.match(ran.stderr, /exited with status 1/);
  });
});

test("Exim: each line of the snippet is needed", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = eximHome(root, sink.port);
  const whole = Deno.readTextFileSync(`${ROOT}/contrib/exim/exim.conf`);
  const one = async (line: string) => {
    assert.ok(whole.includes(line));
    configure(root, sink.port, whole.replace(line, ""));
    sent(await write(home, "nobody@mx.example.net"));
    return (await arrived(sink, 1))[0]!;
  };
  await t.step("without untrusted_set_sender the signed sender is lost", async () => {
    assert.equal((await one("untrusted_set_sender = *")).from, "greg@laptop.example.org");
  });
  await t.step("without no_local_from_check there is a Sender field", async () => {
    const { from, mail } = await one("no_local_from_check");
    assert.deepEqual([from, fieldOf(mail, "Sender")], [signed(home), "Greg <greg@laptop.example.org>"]);
  });
});
