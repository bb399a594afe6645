/**
 * contrib/smarthost/accounts.toml with a real Postfix that asks Dovecot about logins and knows who may send as whom.
 */
import assert from "node:assert/strict";
import { COUNTERSIGN } from "../admin/run.ts";
import { Authority } from "../certificates.ts";
import { OutboxHome } from "../outbox_home.ts";
import { fieldOf, Home, oneLine, ROOT } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { Dovecot, needDovecot, USER } from "./dovecot.ts";
import { DovecotAuth } from "./dovecot_auth.ts";
import { freePort, needPostfix, Postfix, until } from "./postfix.ts";

const onPostfix = await needPostfix("openssl", "dovecot");
const onDovecot = await needDovecot("openssl");

const USERS = { greg: "correct horse", "greg@work.example": "battery staple", customer42: "grün" };
const ANN = "ann@mx.example.net";
const letter = (from: string) => `From: ${from}\nTo: ${ANN}\nSubject: Lunch?\n\nAt one?\n`;

/** Postfix with TLS, SASL and smtpd_sender_login_maps; all mail goes to the sink. */
async function smarthost(authority: Authority, sink: Sink, wrapped: number): Promise<Postfix> {
  const leaf = await authority.leaf("DNS:localhost");
  for (const [name, text] of Object.entries(leaf)) Deno.writeTextFileSync(`${authority.folder}/${name}.pem`, text);
  Deno.chmodSync(authority.folder, 0o755);
  Deno.writeTextFileSync(
    `${authority.folder}/owners`,
    `/^(SRS0[-+=].*=)?greg(\\+.*)?@(srs\\.)?example\\.org$/ greg
/@work\\.example$/ greg@work.example
/./ customer42
`,
  );
  const main = `smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = ${authority.folder}/cert.pem
smtpd_tls_key_file = ${authority.folder}/key.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sender_login_maps = regexp:${authority.folder}/owners
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access regexp:${authority.folder}/recipients
max_use = 1
mydestination =
relayhost = [127.0.0.1]:${sink.port}
`;
  recipients(authority, "450 4.2.1 Mailbox full");
  const master = `127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n`;
  return await Postfix.start({ main, master });
}

/** Rejects nobody@, and replies to later@ as given. */
function recipients(authority: Authority, later: string): void {
  const text = `/^nobody@/ 550 5.1.1 No such user\n/^later@/ ${later}\n`;
  Deno.writeTextFileSync(`${authority.folder}/recipients`, text);
}

/** greg's home with the snippet. */
function gregsHome(authority: Authority, tls: number, starttls: number): OutboxHome {
  const home = new OutboxHome();
  let text = Deno.readTextFileSync(`${ROOT}/contrib/smarthost/accounts.toml`);
  for (const host of ["smtp.example.org", "smtp.work.example", "smtp.isp.example"]) {
    assert.ok(text.includes(`host = "${host}"`), host);
    const port = host === "smtp.work.example" ? starttls : tls;
    text = text.replace(`host = "${host}"`, `host = "localhost"\nport = ${port}\nca = "${authority.ca}"`);
  }
  for (const [nth, name] of ["home", "work", "isp"].entries()) {
    assert.ok(text.includes(`password_file = "password-${name}"`));
    home.write(`.config/countersign/password-${name}`, `${Object.values(USERS)[nth]}\n`, 0o600);
  }
  home.write(".config/countersign/joe.keys", home.read(".config/countersign/keys"), 0o600);
  const joe = '[[identity]]\naddress = "greg@work.example"\nkeys = "joe.keys"\nsrs_domain = "srs.work.example"\n';
  home.settings(`${joe}${text}`);
  return home;
}

onPostfix("three accounts of a real Postfix with logins", async (t) => {
  using authority = await Authority.make();
  await using sink = new Sink();
  const wrapped = freePort();
  await using postfix = await smarthost(authority, sink, wrapped);
  await using _dovecot = await DovecotAuth.start(`${postfix.folder}/queue/private/auth`, USERS);
  using home = gregsHome(authority, wrapped, postfix.port);
  const config = ".config/countersign/config.toml";
  const settings = home.read(config);
  const logins = () => [...postfix.log.matchAll(/sasl_username=(\S+)/g)].map(([, user]) => user!);

  /** [From, login, envelope sender] */
  const rows: [string, keyof typeof USERS, RegExp][] = [
    ["Greg <greg@example.org>", "greg", /^SRS0=.*=greg@srs\.example\.org$/],
    ["greg@work.example", "greg@work.example", /^greg@work\.example$/],
    ["society@club.example", "customer42", /^society@club\.example$/],
  ];
  for (const [from, login, sender] of rows) {
    await t.step(`${from}: the login ${login}`, async () => {
      const before = logins().length;
      const options = login === "customer42" ? ["-f", from] : [];
      assert.deepEqual(await home.shim([...options, ANN], letter(from)), { code: 0, stdout: "", stderr: "" });
      await sink.until(1);
      const [mail] = sink.accepted.splice(0);
      assert.match(mail!.from, sender);
      if (login !== "customer42") assert.match(fieldOf(mail!.mail, "X-Msgauth"), /^v1\.k1\./);
      await until("the log", () => logins().length > before, () => postfix.log);
      assert.deepEqual(logins().slice(before), [login]);
    });
  }

  const doctor = async () => {
    const [deno, run, ...others] = COUNTERSIGN as [string, string, ...string[]];
    const { stdout } = await home.run([deno, run, "--allow-net", ...others, "doctor", "--json"]);
    const { findings } = JSON.parse(stdout) as { findings: { what: string; fix: string }[] };
    return findings.filter(({ what }) => what.includes("localhost:")).map(({ what, fix }) =>
      `${what.replace(/SRS0=[^=]+=[^=]+=/, "SRS0=…=").replaceAll(/localhost:\d+/g, "SERVER")} | ${fix}`
    );
  };
  await t.step("doctor has nothing to say about them", async () => {
    assert.deepEqual(await doctor(), []);
    assert.deepEqual(sink.accepted, []);
    assert.equal(await postfix.queued(), 0);
  });
  await t.step("without sender = plain the server rejects the signed sender, which doctor finds", async () => {
    home.write(config, settings.replace('sender = "plain"\n', ""));
    const reply = "553 5.7.1 <SRS0=";
    oneLine(
      await home.shim([ANN], letter("greg@work.example")),
      69,
      new RegExp(`^shim: localhost:\\d+ rejected "${ANN}": "${reply}.*not owned by user greg@work\\.example"`),
    );
    const [found, ...more] = await doctor();
    assert.deepEqual(more, []);
    assert.match(
      found!,
      /^The signed sender of greg@work\.example is rejected: SERVER rejected the recipient: "553 5\.7\.1 <SRS0=…=work\.example=/,
    );
    assert.match(found!, / \| Set sender = "plain" in this \[\[account\]\]$/);
    home.write(config, settings);
  });
  await t.step("a wrong password", async () => {
    home.write(".config/countersign/password-work", "wrong\n", 0o600);
    oneLine(
      await home.shim([ANN], letter("greg@work.example")),
      77,
      /^shim: localhost:\d+ rejected the login of "greg@work\.example": "535 5\.7\.8 Error: authentication failed:.*"$/m,
    );
    const [found, ...more] = await doctor();
    assert.deepEqual(more, []);
    assert.match(found!, /rejected the login of "greg@work\.example".* \| Check account\.user and the password in /);
  });
  await t.step("the other accounts are not concerned", async () => {
    assert.deepEqual(await home.shim([ANN], letter("greg@example.org")), { code: 0, stdout: "", stderr: "" });
    await sink.until(1);
    sink.accepted.length = 0;
  });
  const [later, nobody] = ["later@mx.example.net", "nobody@mx.example.net"];
  await t.step("4xx for one recipient and 5xx for another: to all or to none", async () => {
    const says = new RegExp(
      `rejected "${later}": "450 4\\.2\\.1 <${later}>: .* Mailbox full", ` +
        `"${nobody}": "550 5\\.1\\.1 <${nobody}>: .* No such user"; nothing is sent$`,
      "m",
    );
    oneLine(await home.shim([ANN, later, nobody], letter("greg@example.org")), 69, says);
    assert.deepEqual([sink.accepted, await postfix.queued()], [[], 0]);
    assert.match(home.log().at(-1)!, / reply="550 5\.1\.1 .* result=failed why="550 5\.1\.1"$/, "not the 450");
  });
  await t.step(
    "with an outbox each recipient has its own result, and the report leaves by the same login",
    async () => {
      const ok = { code: 0, stdout: "", stderr: "" };
      home.write(config, `${settings}[outbox]\nwhen = "failed"\n`);
      assert.deepEqual(await home.shim([ANN, later, nobody], letter("greg@example.org")), ok);
      await sink.until(1);
      const before = logins().length;
      assert.deepEqual(await home.shim(["-q"], ""), ok);
      const [, report] = await sink.until(2);
      assert.deepEqual([report!.from, report!.to], ["", ["greg@example.org"]]);
      assert.match(
        report!.mail,
        /^Final-Recipient: rfc822; nobody@mx\.example\.net\n.*\nStatus: 5\.1\.1\nDiagnostic-Code: smtp; 550 /m,
      );
      assert.match(report!.mail, /^X-Msgauth: v1\.k1\./m);
      await until("the log", () => logins().length > before, () => postfix.log);
      assert.ok(logins().slice(before).every((login) => login === "greg"));
      assert.match(
        (await home.shim(["-bp"], "")).stdout,
        /\(450 4\.2\.1 .* Mailbox full\)\n +later@mx\.example\.net\n/,
      );
      recipients(authority, "OK");
      home.due();
      assert.deepEqual(await home.shim(["-q"], ""), ok);
      await sink.until(3);
      assert.deepEqual(sink.accepted.map(({ to }) => to), [[ANN], ["greg@example.org"], [later]]);
      assert.deepEqual(home.names("queue"), []);
    },
  );
});

onDovecot("oauth2_command with Dovecot's submission service", async (t) => {
  using authority = await Authority.make();
  await using sink = new Sink();
  await using dovecot = await Dovecot.start(sink.port, await authority.leaf("DNS:localhost"));
  using home = new Home();
  const program = home.write("bin/token", '#!/bin/sh\ncat "$HOME/token"\n', 0o755);
  home.settings(
    `[transport]\nvia = "smtp"\nhost = "localhost"\nport = ${dovecot.ports.tls}\nca = "${authority.ca}"\n` +
      `user = "${USER}"\noauth2_command = ["${program}"]\n`,
  );
  await t.step("a valid token", async () => {
    home.write("token", `${await dovecot.token()}\n`, 0o600);
    assert.deepEqual(await home.shim([ANN], letter("greg@example.org")), { code: 0, stdout: "", stderr: "" });
    await sink.until(1);
    assert.match(sink.accepted.splice(0)[0]!.from, /^SRS0=/);
    assert.match(dovecot.log, /OAUTHBEARER/);
  });
  await t.step("an expired token: the server's error in words", async () => {
    const token = await dovecot.token(-60);
    home.write("token", `${token}\n`, 0o600);
    const ran = await home.shim([ANN], letter("greg@example.org"));
    oneLine(ran, 77, /^shim: localhost:\d+ rejected the login of "greg": "535 5\.7\.8 .* status: invalid_token/m);
    assert.ok(!`${ran.stderr}${home.read(".local/state/countersign/log")}`.includes(token));
  });
});
