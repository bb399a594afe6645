/**
 * Submission as contrib/postfix/milter configures it: TLS, Dovecot for the passwords, opendkim as the second milter.
 */
import assert from "node:assert/strict";
import { Authority } from "../certificates.ts";
import { Home, type Ran } from "../rig.ts";
import { DovecotAuth } from "./dovecot_auth.ts";
import { lacking } from "./need.ts";
import { OpenDkim } from "./opendkim.ts";
import { needPostfix } from "./postfix.ts";
import { installOnce, isPlain, isSigned, keyLine, letter, MilterHost } from "./postfix_milter.ts";
import { ANN, GREG } from "./site.ts";

await lacking("dovecot", "dovecot-core");
const test = await needPostfix("dovecot", "opendkim", "msmtp");

const PASSWORDS: Record<string, string> = { [GREG]: "correct horse", [ANN]: "battery staple" };
const plain = `${GREG}@example.org`;

test("mail of an authenticated client is signed exactly once, for its own identity only", async (t) => {
  using authority = await Authority.make();
  const { cert, key } = await authority.leaf("DNS:localhost");
  const pem = `${authority.folder}/server.pem`;
  Deno.writeTextFileSync(pem, key + cert);
  const installed = await installOnce();
  await using dkim = await OpenDkim.start();
  const second = `, inet:127.0.0.1:${dkim.port}`;
  await using host = await MilterHost.start(installed, {
    sasl: "  -o local_header_rewrite_clients=",
    main: `smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\nsmtpd_tls_chain_files = ${pem}\n`,
    edit: (name, text) => {
      if (name === "config") return text;
      const changed = text.replace(/(default_action=tempfail \})(?= \}|$)/gm, `$1${second}`);
      assert.ok(changed.includes(second));
      return changed;
    },
  });
  await using _auth = await DovecotAuth.start(`${host.postfix.folder}/queue/private/auth`, PASSWORDS);
  using home = new Home();
  const msmtp = (user: string, sender: string, mail: string): Promise<Ran> => {
    const options = {
      host: "localhost",
      port: host.submission,
      tls: "on",
      "tls-starttls": "on",
      "tls-trust-file": authority.ca,
      auth: "plain",
      user,
      passwordeval: `echo '${PASSWORDS[user.toLowerCase()]}'`,
      from: sender,
    };
    const words = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    return home.run(["/usr/bin/msmtp", "-C", "/dev/null", ...words, "--", "jo@far.example"], mail);
  };
  let count = 0;
  const sent = async (user: string, sender: string, mail: string) => {
    const { code, stderr } = await msmtp(user, sender, mail);
    assert.equal(code, 0, stderr + host.trouble());
    return await host.sent(++count);
  };
  /** Fails unless the signature of opendkim is correct and covers these fields. */
  const covers = (data: string, ...wanted: string[]) => {
    const covered = dkim.verify(data);
    assert.deepEqual(wanted.filter((name) => !covered.includes(name)), [], data);
  };

  await t.step("greg's mail is signed once, and the signature of opendkim covers the new header", async () => {
    const one = await sent(GREG, plain, letter(GREG, "1", "Date: Fri, 20 Nov 2026 10:00:00 +0000\n"));
    isSigned(one);
    covers(one.data, "Message-ID", "X-Msgauth");
    assert.match(host.log(), new RegExp(` at=sign login=${GREG} .*identity=${plain} `));
  });

  await t.step("the signature of opendkim covers added fields", async () => {
    const one = await sent(GREG, plain, `From:${plain}\nSubject:\n Bare\n\nHi\n`);
    isSigned(one);
    covers(one.data, "From", "Subject", "Message-ID", "Date", "X-Msgauth");
  });

  await t.step("ann may not send as greg: Postfix rejects the message, and it is never signed", async () => {
    const { code, stderr } = await msmtp(ANN, plain, letter(GREG, "ann"));
    assert.notEqual(code, 0);
    assert.match(stderr, /553 5\.7\.1 .*not owned by user/);
    isPlain(await sent(ANN, `${ANN}@example.org`, letter(GREG, "header")), `${ANN}@example.org`);
    isSigned(await sent(ANN, `${ANN}@example.org`, letter(ANN, "own")), ANN);
  });

  await t.step("the login is the one that Dovecot reports, however the client writes it", async () => {
    isSigned(await sent(GREG.toUpperCase(), plain, letter(GREG, "upper")));
  });

  await t.step("mail that greg's shim has signed is not signed again", async () => {
    home.write("password", `${PASSWORDS[GREG]}\n`, 0o600);
    home.write(".config/countersign/keys", keyLine(GREG), 0o600);
    home.write(
      ".config/countersign/config.toml",
      `[[identity]]\naddress = "${plain}"\nsrs_domain = "srs.example.org"\n[transport]\nvia = "smtp"\n` +
        `host = "localhost"\nport = ${host.submission}\nsecurity = "starttls"\nca = "${authority.ca}"\n` +
        `user = "${GREG}"\npassword_file = "${home.path}/password"\n`,
    );
    const ran = await home.shim(["jo@far.example"], letter(GREG, "shim"));
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" }, host.trouble());
    const one = await host.sent(++count);
    isSigned(one);
    assert.match(host.log(), /why="already signed"/);
    covers(one.data, "Message-ID", "X-Msgauth");
  });
});
