/** The real Exim with contrib/exim/door: bounces reach the mailbox through the hook, which judges them. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { FORGED, LETTER, PLAIN, srs, tagged } from "../serve/at_door.ts";
import { Sink } from "../smtp_sink.ts";
import { LookupEngine } from "./at_lookup.ts";
import { doorParts, listening, prepareExim, toSmarthost } from "./exim.ts";
import { Installed } from "./installation.ts";
import { snippet } from "./letters.ts";
import { freePort, smtp, until } from "./postfix.ts";
import { hookHome, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked(
  ...["exim4-daemon-light", "zlib1g", "libgcc-s1", "dash", "coreutils", "libc-bin", "sed", "debianutils"],
);
/** The group of Exim. */
const EXIM = 8;

test("Exim passes local mail to the hook", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using installed = await Installed.make();
  using home = hookHome(root);
  prepareExim(root);
  Deno.mkdirSync(`${root.path}/run/countersign`);
  await using engine = new LookupEngine(`${root.path}/run/countersign/lookup`, EXIM, "joe@example.org");
  await engine.start();
  const port = freePort();
  const parts = snippet("exim/door/exim.conf", { "/usr/local/lib/countersign/hooks/incoming": installed.hook });
  const { main, rcpt, data, routers, transport } = doorParts(parts);
  const [ours, transports] = toSmarthost(sink.port).replace("begin routers\n", "").split("begin transports\n");
  root.write(
    "etc/exim4/exim4.conf",
    `${listening(port, main)}begin acl
rcpt:
${rcpt}  require verify = recipient
  accept
data:
${data}  accept
begin routers
${routers}local_user:
  driver = accept
  domains = example.org
  check_local_user
  transport = countersign_hook
${ours}begin transports
${transport}
${transports!.replace("F,1h,1m", "F,1h,1s")}`,
  );
  void root.startWith([installed.folder, installed.home.path, home.path, "/proc"], ["/usr/sbin/exim4 -bdf -q1s"]);
  const log = () =>
    `${root.read("var/log/exim4/mainlog")}${root.read("var/log/exim4/paniclog")}${
      home.read(".local/state/countersign/log")
    }`;
  await until("Exim", async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  }, log);
  let count = 0;
  const arrives = async (): Promise<string> => {
    await until("the message", () => home.mails("Maildir").length === count + 1, log);
    return home.mails("Maildir")[count++]!;
  };

  await t.step("a bounce to a signed address is genuine", async () => {
    assert.match(await smtp(port, "", srs(), FORGED), /^250 /);
    const mail = await arrives();
    assert.match(fieldOf(mail, "X-Countersign"), /^genuine; check=signed-recipient;/);
    assert.equal(fieldOf(mail, "Return-path"), "<>");
    assert.ok(mail.endsWith(FORGED), mail);
  });
  await t.step("a bounce that returns a valid tag is genuine", async () => {
    assert.match(await smtp(port, "", PLAIN, tagged()), /^250 /);
    assert.match(fieldOf(await arrives(), "X-Countersign"), /^genuine; check=returned-header;/);
  });
  await t.step("mail of a person is delivered", async () => {
    assert.match(await smtp(port, "jo@b.example", PLAIN, LETTER), /^250 /);
    assert.match(await arrives(), /^Subject: Hello$/m);
  });
  await t.step("while serve is down, the hook files what the door would have rejected", async () => {
    await engine.stop();
    assert.match(await smtp(port, "", PLAIN, FORGED), /^250 /);
    await until("the forgery", () => home.mails("Maildir/.Spam").length === 1, log);
    // Exim passes the sender to the hook as the client wrote it.
    assert.match(await smtp(port, '"MAILER-DAEMON"@b.example', PLAIN, FORGED), /^250 /);
    await until("the second forgery", () => home.mails("Maildir/.Spam").length === 2, log);
    await engine.start();
  });
  await t.step(
    "with an error of its settings the hook defers, and the message stays queued until it is fixed",
    async () => {
      const keys = `${home.path}/.config/countersign/keys`;
      Deno.chmodSync(keys, 0o644);
      assert.match(await smtp(port, "", srs(), FORGED), /^250 /);
      await until("the deferral", () => /== greg@example\.org .* defer /.test(log()), log);
      Deno.chmodSync(keys, 0o600);
      assert.match(fieldOf(await arrives(), "X-Countersign"), /^genuine;/);
    },
  );
});
