/** docs/site.md in its order, on a site with contrib/postfix/milter: keys, the log, monitoring and an upgrade. */
import assert from "node:assert/strict";
import { Page } from "../page.ts";
import { Home, qsbmf } from "../rig.ts";
import { need } from "./need.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, MilterHost } from "./postfix_milter.ts";
import { GREG, LIE, srs } from "./site.ts";

const page = new Page("docs/site.md");
const testWithPostfix = await needPostfix();

testWithPostfix("docs/site.md: a new key, what to monitor, and an upgrade", async (t) => {
  const installed = await installOnce();
  await using host = await MilterHost.start(installed);
  const { engine } = host;
  const PATH = `${installed.prefix}/bin:/usr/sbin:/usr/bin:/bin`;
  /** Runs a line of the page as root. */
  const run = (line: string) => {
    const argv = ["/bin/sh", "-ec", line.replaceAll("/etc/countersign/config.toml", engine.config)];
    return host.home.run(host.postfix.onMachine(argv), "", { PATH });
  };
  const shell = async (line: string): Promise<string> => {
    const ran = await run(line);
    assert.deepEqual([ran.code, ran.stderr], [0, ""], `${line}\n${ran.stdout}\n${host.trouble()}`);
    return ran.stdout;
  };
  const plain = `${GREG}@example.org`;
  const doctor = page.code("## Monitoring -");
  const spam = () => host.site.mails(GREG, "Maildir/.Spam");

  await t.step("the new key signs from its day on, and serve can still read the file", async () => {
    const [create] = page.block(/--signs-from/).split("\n");
    const day = new Date(Date.now() + 5 * 86_400_000).toISOString().slice(0, 10);
    await shell(create!.replace("greg@example.org", plain).replace(/\d{4}-\d\d-\d\d/, day));
    const listed = await shell(`countersign keys list --address ${plain} --config /etc/countersign/config.toml`);
    assert.match(listed, new RegExp(`^ +k2 +${day} +signs from ${day}.*\\n +k1 .* signs; `, "m"));
    await engine.reload("reloaded");
    // The key that signs verifies, and an unreadable file would let the forgery pass.
    assert.match(await smtp(host.postfix.port, "", srs(GREG), qsbmf(plain, LIE)), /^250 /);
    await until("the genuine bounce", () => host.inbox().length === 1, host.trouble);
    assert.match(await smtp(host.postfix.port, "", plain, qsbmf(plain, LIE)), /^550-5\.7\.1 /);
  });

  await t.step("monitoring: doctor and the log", async () => {
    const { findings } = JSON.parse(await shell(doctor));
    assert.deepEqual(findings, []);
    const log = page.code("because some mail was not remembered. -");
    assert.equal(await shell(log), "");
    const forged = await shell(log.replace(/--result \w+/, page.code("could not be sent, and")));
    // doctor tests the sockets with wrong addresses.
    assert.equal(forged.match(/ sender=<> result=forged check=forged outcome=refused /g)?.length, 1, forged);
  });

  await t.step("while serve is down: the hook files, submission is deferred, and doctor exits with 1", async () => {
    await engine.stop();
    assert.match(await smtp(host.postfix.port, "", plain, qsbmf(plain, LIE)), /^250 /);
    await until("the filed forgery", () => spam().length === 1, host.trouble);
    assert.match(await host.submit(GREG, plain, `From: ${plain}\nSubject: Hi\n\nHi.\n`), /^4\d\d /);
    const { code, stdout } = await run(doctor);
    assert.equal(code, 1);
    assert.notEqual(JSON.parse(stdout).findings.length, 0);
  });

  await t.step("upgrade: the sandbox file, a restart, and doctor", async () => {
    await shell(page.code("is finished by the version that started it. 2."));
    await engine.start();
    const printed = await shell(page.code("and submission is deferred. 4."));
    assert.match(printed, /^No problems found\.$/m);
    assert.match(await smtp(host.postfix.port, "", plain, qsbmf(plain, LIE)), /^550-5\.7\.1 /);
  });

  await t.step("retire: the key that signs is refused, another one becomes a comment", async () => {
    const [, retire] = page.block(/keys retire/).replaceAll("greg@example.org", plain).split("\n");
    const refused = await run(retire!);
    assert.deepEqual([refused.code, refused.stdout], [64, ""]);
    assert.match(refused.stderr, /Key k1 is the one that signs/);
    await shell(retire!.replace("k1", "k2"));
    const listed = await shell(`countersign keys list --address ${plain} --config /etc/countersign/config.toml`);
    assert.match(listed, /^ +k2 +\S+ +retired /m);
  });

  await t.step("a secondary MX, whose mail must not be rejected", async () => {
    const line = page.code("Postfix 3.2 or later:").replace("192.0.2.2", "127.0.0.1");
    await shell(`echo '${line}' >>/etc/postfix/main.cf; postfix reload 2>/dev/null`);
    const reply = () => smtp(host.postfix.port, "", plain, qsbmf(plain, LIE));
    await until("a reply without the door", async () => (await reply()).startsWith("250 "), host.trouble);
  });
});

const test = await need("logrotate");

test("docs/site.md: logrotate rotates the log between two messages, and no line is lost", async () => {
  using home = new Home();
  const log = `${home.path}/.local/state/countersign/log`;
  const send = async (to: string) => {
    const sent = await home.shim([to], "From: greg@example.org\n\nHi.\n");
    assert.equal(sent.code, 0, sent.stderr);
  };
  await send("ann@one.example");
  const text = page.block(/weekly/).replace("/var/lib/countersign/log", log).replace(/ su .*/, " su root root");
  home.write("logrotate.conf", text);
  const argv = ["logrotate", "--force", "--state", `${home.path}/state`, `${home.path}/logrotate.conf`];
  const rotated = await home.run(argv);
  assert.deepEqual([rotated.code, rotated.stderr], [0, ""]);
  await send("ann@two.example");
  assert.match(Deno.readTextFileSync(log), /^[^\n]* to=@two\.example[^\n]*\n$/);
  const before = await home.run(["zcat", `${log}.1.gz`]);
  assert.match(before.stdout, /^[^\n]* to=@one\.example[^\n]*\n$/);
});
