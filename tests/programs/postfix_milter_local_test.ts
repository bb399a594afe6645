/**
 * Mail from local programs to a real Postfix that signs local mail (`serve.sign_local`): cron and the shim are signed;
 * mail of other hosts, passed on by content filters and procmail's `!`, must not be signed.
 */
import assert from "node:assert/strict";
import { fields } from "../../admin/log/line.ts";
import { fieldOf, Home, lastLine } from "../rig.ts";
import { type AcceptedMail, Sink } from "../smtp_sink.ts";
import { freePort, needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, isPlain, isSigned, keyLine, letter, MilterHost } from "./postfix_milter.ts";
import { chown, GREG, SITE } from "./site.ts";

const test = await needPostfix("procmail", "cron");
const plain = `${GREG}@example.org`;

test("mail of local programs is signed once, or not at all", async (t) => {
  const installed = await installOnce();
  await using scanner = new Sink();
  // The two after-queue filters of FILTER_README: one calls sendmail(1), the other speaks SMTP.
  const [simple, advanced] = [freePort(), freePort()];
  const filter = installed.home.write("filter", '#!/bin/sh\nexec /usr/sbin/sendmail -G -i "$@"\n', 0o755);
  await using host = await MilterHost.start(installed, {
    main: "myorigin = example.org\n",
    master:
      `filter unix - n n - 10 pipe flags=Rq user=${SITE} null_sender= argv=${filter} -f \${sender} -- \${recipient}
127.0.0.1:${simple} inet n - n - - smtpd -o content_filter=filter:dummy
127.0.0.1:${advanced} inet n - n - - smtpd -o content_filter=smtp:[127.0.0.1]:${scanner.port}
`,
    edit: (name, text) =>
      name === "config"
        ? `${text.replace(/^srs_domain/m, 'also = ["root@example.org"]\n$&')}sign_local = true\n`
        : text,
  });
  let count = 0;
  const next = async (): Promise<AcceptedMail> => await host.sent(++count);
  const forgedLetter = (id: string) => letter(GREG, id, `Resent-From: ${plain}\nResent-To: jo@far.example\n`);

  await t.step("an outsider's mail that a filter reinjects with sendmail(1) is not signed", async () => {
    assert.match(await smtp(simple, plain, "jo@far.example", letter(GREG, "simple")), /^250/);
    const one = await next();
    isPlain(one);
    assert.match(host.postfix.log, /relay=filter, .*status=sent/);
  });

  await t.step(
    "an outsider's mail that a filter reinjects by SMTP from 127.0.0.1 is not signed on any port",
    async () => {
      let scanned = 0;
      for (const port of [host.submission, host.postfix.port]) {
        assert.match(await smtp(advanced, plain, "jo@far.example", letter(GREG, `advanced-${port}`)), /^250/);
        const { from, to, mail } = (await scanner.until(++scanned)).at(-1)!;
        assert.match(await smtp(port, from, to[0]!, mail), /^250/);
        isPlain(await next());
      }
    },
  );

  await t.step("mail of a login is signed once, although a filter passes it to sendmail(1)", async () => {
    const argv = ["/usr/sbin/sendmail", "-G", "-i", "-f"];
    assert.match(await host.submit(GREG, plain, letter(GREG, "filtered")), /^250/);
    const before = await next();
    assert.equal((await host.run(SITE, [...argv, before.from, "--", "jo@far.example"], before.mail)).code, 0);
    const after = await next();
    isSigned(after);
    assert.equal(after.from, before.from);
  });

  await t.step("an outsider's Resent-From is not signed when procmail passes it on", async () => {
    const folder = `${host.site.folder}/${GREG}`;
    Deno.writeTextFileSync(
      `${folder}/.procmailrc`,
      `MAILDIR=${folder}\nDEFAULT=${folder}/Maildir/\n:0\n! jo@far.example\n`,
    );
    Deno.writeTextFileSync(`${folder}/.forward`, `"|/usr/bin/procmail -m ${folder}/.procmailrc"\n`);
    chown(GREG, folder);
    for (const mail of [forgedLetter("resent"), letter(GREG, "from")]) {
      assert.match(await smtp(host.postfix.port, "mallory@far.example", plain, mail), /^250/);
      const { from, mail: passed } = await next();
      assert.match(passed, /^Delivered-To: /m, "it came by way of procmail");
      isPlain({ from, mail: passed });
    }
  });

  await t.step("the shim's mail keeps its own signature", async () => {
    using home = new Home();
    home.write(".config/countersign/keys", keyLine(GREG), 0o600);
    home.write(
      ".config/countersign/config.toml",
      `[[identity]]\naddress = "${plain}"\nsrs_domain = "srs.example.org"\n[transport]\npreset = "postfix"\n` +
        `command = ["/usr/sbin/sendmail", "-C", "${host.postfix.config}"]\n`,
    );
    const ran = await home.shim(["jo@far.example"], letter(GREG, "shim"));
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    isSigned(await next());
    assert.match(host.log().trimEnd().split("\n").at(-1)!, / why="already signed"/);
    // Postfix rejects it in three lines.
    const big = await home.shim(["jo@far.example"], letter(GREG, "big") + "a line of text\n".repeat(700_000));
    const said = /^shim: \/usr\/sbin\/sendmail exited with status 75: sendmail: fatal: .*: message file too big$/;
    assert.deepEqual(lastLine(big, 75, said), [
      "postdrop: warning: uid=0: File too large",
      "sendmail: warning: mail_stream_cleanup: close error",
    ]);
    const { said: logged } = fields(home.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!);
    assert.match(logged!, /^sendmail: fatal: @srs\.example\.org\(0\): message file too big$/);
  });

  await t.step("cron's mail is signed, and only with sign_local", async () => {
    const cron = async () => {
      await using _cron = startCron(host, `MAILTO=jo@far.example\n@reboot echo Done\n`);
      return await next();
    };
    const one = await cron();
    isSigned(one);
    assert.match(one.mail, /\n\nDone\n$/);
    assert.match(one.mail, /^Message-Id: .*\nX-Msgauth: /m, "below the field that Postfix has added");
    assert.match(fieldOf(one.mail, "Subject"), /^Cron </);
    await host.engine.change((text) => text.replace("sign_local = true", "sign_local = false"));
    isPlain(await cron());
  });

  await t.step("each message was sent once", async () => {
    await until("the empty queue", async () => await host.postfix.queued() === 0, host.trouble);
    assert.equal(host.sink.accepted.length, count);
  });
});

/** Runs Debian's cron with only this crontab of greg's, on a machine with the Postfix of the host. */
function startCron(host: MilterHost, crontab: string): AsyncDisposable {
  const file = host.home.write("crontab", crontab, 0o600);
  const pam = ["auth", "account", "session"].map((kind) => `${kind} required pam_permit.so\n`).join("");
  const script = `mount -t tmpfs none /run; mount -t tmpfs none /etc/cron.d; mount --bind /dev/null /etc/crontab
mount -t tmpfs none /var/spool/cron/crontabs
mount --bind "$1" /etc/pam.d/cron
cp "$0" /var/spool/cron/crontabs/${GREG}
chown ${GREG}:crontab /var/spool/cron/crontabs/${GREG}
exec cron -f`;
  const argv = host.postfix.onMachine(["sh", "-ec", script, file, host.home.write("pam", pam)]);
  const child = new Deno.Command(argv[0]!, { args: argv.slice(1), stdin: "null" }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}
