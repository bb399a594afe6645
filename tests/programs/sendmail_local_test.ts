/** Mail of sendmail(1) under Debian's Sendmail: submit.mc passes it to port 25, or to a port with the role sign. */
import assert from "node:assert/strict";
import { fields } from "../../admin/log/line.ts";
import { pathInfo } from "../../admin/doctor/filesystem.ts";
import { checkSendmail } from "../../admin/doctor/sendmail.ts";
import { Home } from "../rig.ts";
import { freePort, smtp, until } from "./postfix.ts";
import { installOnce, isPlain, isSigned, keyLine, letter, run } from "./postfix_milter.ts";
import { GREG, LETTER, srs } from "./site.ts";
import { ANY_LOAD, sendmail, SendmailHost } from "./sendmail_milter.ts";
import type { Root } from "./unpacked.ts";

const { test, unpack } = await sendmail();
const plain = `${GREG}@example.org`;
const PROGRAM = "/usr/libexec/sendmail/sendmail";

/** Makes submit.cf, with which sendmail(1) passes mail to this port (FEATURE msp), and its queue. */
async function configureSubmission(home: Home, root: Root, port: number): Promise<void> {
  root.write(
    "etc/mail/submit.mc",
    `define(\`_USE_ETC_MAIL_')dnl
include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(\`debian')dnl
DOMAIN(\`debian-msp')dnl
FEATURE(\`nocanonify')dnl
define(\`confDOMAIN_NAME', \`mail.example.org')dnl
define(\`confTO_IDENT', \`0')dnl
${ANY_LOAD}define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/service.switch')dnl
define(\`confDONT_BLAME_SENDMAIL', \`GroupWritableDirPathSafe')dnl
define(\`RELAY_MAILER_ARGS', \`TCP $h ${port}')dnl
FEATURE(\`msp', \`[127.0.0.1]')dnl
`,
  );
  root.write("etc/mail/service.switch", "hosts files\naliases files\n"); // no DNS
  const cf = await root.run(home, ["/usr/bin/m4", "/etc/mail/submit.mc"]);
  assert.deepEqual([cf.code, cf.stderr], [0, ""]);
  root.write("etc/mail/submit.cf", cf.stdout);
}

test("mail of sendmail(1) under Sendmail is not signed, except by the shim, and sent once", async (t) => {
  const installed = await installOnce();
  await using root = await unpack();
  const local = freePort();
  const name = "DAEMON_OPTIONS(`Family=inet, Name=LOCAL, Addr=127.0.0.1";
  const more = `${name}, Port=${local}, InputMailFilters=countersign-sign')dnl\n`;
  await using host = await SendmailHost.start(installed, root, undefined, more);
  const { home } = host;
  // The program as the package installs it: it writes the client queue as the group smmsp.
  run("chown", "0:4802", `${root.path}${PROGRAM}`);
  Deno.chmodSync(`${root.path}${PROGRAM}`, 0o2755);
  Deno.mkdirSync(`${root.path}/var/spool/mqueue-client`, { recursive: true });
  run("chown", "4802:4802", `${root.path}/var/spool/mqueue-client`);
  Deno.chmodSync(`${root.path}/var/spool/mqueue-client`, 0o770);
  const uid = (user: string) =>
    /:x:(\d+:\d+):/.exec(root.read("etc/passwd").match(RegExp(`^${user}:.*`, "m"))![0])![1]!;
  let count = 0;
  const submit = async (user: string, id: string) => {
    const argv = [PROGRAM, "-i", "-f", plain, "jo@far.example"];
    const ran = await root.run(home, argv, letter(GREG, id), uid(user));
    assert.equal(ran.code, 0, ran.stdout + ran.stderr + host.trouble());
    return await host.sent(++count);
  };
  const setLocal = (value: boolean) =>
    host.engine.change((text) =>
      `${text.replace(/^sign_local.*\n/m, "")}`.replace("[serve]\n", `[serve]\nsign_local = ${value}\n`)
    );

  await t.step("by way of port 25, which has the door", async () => {
    await configureSubmission(home, root, host.port);
    for (const sign of [false, true]) {
      await setLocal(sign);
      for (const user of [GREG, "www-data", "root"]) isPlain(await submit(user, `door-${sign}-${user}`));
    }
  });

  await t.step("by way of a port with the role sign: there is no login, even with sign_local", async () => {
    await configureSubmission(home, root, local);
    for (const sign of [false, true]) {
      await setLocal(sign);
      for (const user of [GREG, "www-data", "root"]) isPlain(await submit(user, `sign-${sign}-${user}`));
      assert.match(
        host.log().trimEnd().split("\n").at(-1)!,
        / at=sign login=none .*why="the client has not logged in"/,
      );
    }
  });

  await t.step("without submit.cf (sendmail -Am, as root): Sendmail asks no milter", async () => {
    const before = host.log();
    const argv = [PROGRAM, "-Am", "-i", "-f", plain, "jo@far.example"];
    const ran = await root.run(home, argv, letter(GREG, "direct"));
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    isPlain(await host.sent(++count));
    assert.equal(host.log(), before);
  });

  await t.step("the shim signs it, and no role changes that", async () => {
    for (const [port, options] of [[host.port, ""], [local, ', "-v"']] as const) {
      await configureSubmission(home, root, port);
      using greg = new Home();
      greg.write(".config/countersign/keys", keyLine(GREG), 0o600);
      greg.write(
        ".config/countersign/config.toml",
        `[[identity]]\naddress = "${plain}"\nsrs_domain = "srs.example.org"\n[transport]\npreset = "sendmail"\n` +
          `command = ["${root.command(greg, PROGRAM, uid(GREG))}"${options}]\n`,
      );
      const ran = await greg.shim(["jo@far.example"], letter(GREG, `shim-${port}`));
      assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
      isSigned(await host.sent(++count));
      // Sendmail prints the session only with -v.
      const { queue = "", reply = "" } = fields(greg.read(".local/state/countersign/log").trimEnd());
      assert.equal(reply, options === "" ? "" : `250 2.0.0 ${queue} Message accepted for delivery`);
      assert.match(queue, options === "" ? /^$/ : /^\w{12,}$/);
    }
    assert.match(host.log().trimEnd().split("\n").at(-1)!, / at=sign .*why="already signed"/);
  });

  await t.step("each message was sent once", async () => {
    const queued = () => [...root.list("var/spool/mqueue-client"), ...root.list("var/spool/mqueue")].join(" ");
    await until("the empty queues", () => queued() === "", () => queued() + host.trouble());
    assert.equal(host.sink.accepted.length, count);
  });
});

test("Sendmail does not use sockets below a folder that a group or others can write to, and doctor says so", async () => {
  const installed = await installOnce();
  await using root = await unpack();
  await using host = await SendmailHost.start(installed, root);
  const bad = srs(GREG, new Date(), "mallory");
  const text = root.read("etc/mail/sendmail.cf");
  // In the root, /run is a folder of the root.
  const info = (path: string) => ({ ...pathInfo(`${root.path}${path}`), path });
  const [folder, above] = ["/run/countersign", "/run"];
  const rows: [path: string, mode: number, safe: boolean][] = [
    [folder, 0o2750, true],
    [folder, 0o2770, false],
    [folder, 0o2757, false],
    [folder, 0o2755, true],
    [above, 0o775, false],
    [above, 0o1777, true],
  ];
  for (const [path, mode, safe] of rows) {
    const before = Deno.statSync(`${root.path}${path}`).mode! & 0o7777;
    Deno.chmodSync(`${root.path}${path}`, mode);
    const what = `${path} ${mode.toString(8)}`;
    assert.match(await smtp(host.port, "", bad, LETTER), safe ? /^550/ : /^250/, what);
    assert.match(await host.submit(GREG, plain, letter(GREG, what)), safe ? /^250/ : /^454/, what);
    const found = checkSendmail({ file: "sendmail.cf", text }, { folder, logins: true }, info);
    assert.deepEqual(found.map(({ id }) => id), safe ? [] : ["sendmail-folder"], what);
    Deno.chmodSync(`${root.path}${path}`, before);
  }
});
