/** The SMTP client with real servers: each extension, each login mechanism, with and without TLS. */
import assert from "node:assert/strict";
import { decodeLatin1, utf8 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { cramMd5, login, type Mechanism, oauthBearer, plain, xoauth2 } from "../../io/transport/smtp/auth.ts";
import { Client, type Server } from "../../io/transport/smtp/client.ts";
import type { SmtpEnvelope } from "../../io/transport/smtp/envelope.ts";
import { SmtpRejected } from "../../io/transport/smtp/failure.ts";
import { Limits, TIMEOUTS } from "../../io/transport/smtp/limits.ts";
import { isPositive, type Reply } from "../../io/transport/smtp/reply.ts";
import { Authority } from "../certificates.ts";
import { Sink } from "../smtp_sink.ts";
import { Dovecot, needDovecot, PASSWORD, USER } from "./dovecot.ts";
import { MAIN, prepareExim, toSmarthost } from "./exim.ts";
import { freePort, needPostfix, Postfix, until } from "./postfix.ts";
import { type Root, unpacked } from "./unpacked.ts";

const onPostfix = await needPostfix("openssl");
const onDovecot = await needDovecot("openssl");
const onExim = await unpacked("exim4-daemon-light");

/** The extensions of the server that the servers under test relay to. */
const EXTENSIONS = ["PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "DSN"];
const [ANN, GONE] = [{ address: "ann@mx.example.net" }, { address: "gone@mx.example.net" }];
const HEAD = "From: greg@example.org\nSubject: x\n\n";
/** A body with everything that a transport could damage. */
const BODY = `Grüße\n.\n..\n.hidden\nFrom here on\n${"x".repeat(900)}\nRSET\n\n.\n`;

interface Sent {
  extensions: string[];
  recipients: Reply[];
  reply: Reply | undefined;
}

/** Sends a message to the accepted recipients. Without an envelope it ends the session after the login. */
async function send(server: Partial<Server>, envelope?: Partial<SmtpEnvelope>, body = BODY): Promise<Sent> {
  const limits = new Limits({ ...TIMEOUTS, total: 60 });
  const defaults = { hostname: "localhost", port: 0, security: "none", ca: [], helo: "laptop.example.org" } as const;
  try {
    const client = await Client.open({ ...defaults, ...server, name: "mx" }, limits);
    try {
      const extensions = [...client.extensions.keys()];
      if (envelope === undefined) return { extensions, recipients: [], reply: undefined };
      const to = { sender: "greg@example.org", recipients: [ANN], eightBit: true, ...envelope };
      const recipients = await client.envelope(to);
      if (!recipients.some(isPositive)) {
        const refused = recipients.map((reply, nth) => ({ recipient: to.recipients[nth]!.address, reply }));
        throw client.failures.refusedRecipients(refused);
      }
      const message = async function* () {
        for (let at = 0; at < body.length; at += 50_000) yield await Promise.resolve(utf8(body.slice(at, at + 50_000)));
      };
      const reply = await client.send({ head: utf8(HEAD), body: message() });
      await client.end(true);
      return { extensions, recipients, reply };
    } finally {
      await client.end();
    }
  } finally {
    limits.end();
  }
}

async function failureOf(sent: Promise<unknown>): Promise<Fail & Partial<SmtpRejected>> {
  const error = await sent.then(() => assert.fail("sent"), (error) => error);
  assert.ok(error instanceof Fail, `${error.stack}`);
  return error;
}

/** The message as it arrived at the relay; its body must be unchanged. */
async function arrived(sink: Sink) {
  const [mail, ...more] = await sink.until(1);
  assert.deepEqual(more, []);
  sink.accepted.length = 0;
  assert.equal(mail!.mail.slice(mail!.mail.indexOf("\n\n") + 2), BODY);
  assert.doesNotMatch(mail!.data, /\r(?!\n)|(?<!\r)\n/);
  return mail!;
}

/** The parameters of a command, sorted, without SIZE. */
const parametersOf = (parameters: string) => parameters.split(" ").filter((one) => !one.startsWith("SIZE=")).sort();

onPostfix("SMTP client: a real Postfix", async (t) => {
  using authority = await Authority.make();
  const leaf = await authority.leaf("DNS:localhost");
  for (const [name, text] of Object.entries(leaf)) Deno.writeTextFileSync(`${authority.folder}/${name}.pem`, text);
  Deno.chmodSync(authority.folder, 0o755);
  const ca = [Deno.readTextFileSync(authority.ca)];
  await using sink = new Sink({ extensions: EXTENSIONS });
  const main = `smtpd_tls_security_level = may
smtpd_tls_cert_file = ${authority.folder}/cert.pem
smtpd_tls_key_file = ${authority.folder}/key.pem
mynetworks = 127.0.0.0/8
mydestination =
smtpd_delay_reject = no
message_size_limit = 5000000
relayhost = [127.0.0.1]:${sink.port}
smtputf8_enable = yes
smtpd_sender_restrictions = check_sender_access inline:{ { eve@example.org = 553 5.7.1 Not yours } }
smtpd_recipient_restrictions = check_recipient_access inline:{ { gone@mx.example.net = 550 5.1.1 Gone } }, permit_mynetworks, reject
`;
  const [wrapped, bare, small] = [freePort(), freePort(), freePort()];
  const master = `127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:${bare} inet n - n - - smtpd -o smtputf8_enable=no -o smtpd_discard_ehlo_keywords=pipelining,8bitmime,dsn,size,starttls
127.0.0.1:${small} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o message_size_limit=2000 -o smtpd_recipient_limit=2
tlsmgr unix - - n 1000? 1 tlsmgr
`;
  await using postfix = await Postfix.start({ main, master });
  const connections: [string, Partial<Server>][] = [
    ["plain text", { port: postfix.port, security: "none" }],
    ["STARTTLS", { port: postfix.port, security: "starttls", ca }],
    ["implicit TLS", { port: wrapped, security: "tls", ca }],
  ];
  for (const [what, server] of connections) {
    await t.step(`${what}: all extensions`, async () => {
      const dsn = { ret: "hdrs", envid: "id+42" };
      const recipients = [{ ...ANN, notify: "failure,delay" }];
      const { extensions, reply } = await send(server, { ...dsn, recipients, size: 1500 });
      for (const extension of ["PIPELINING", "SIZE", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8"]) {
        assert.ok(extensions.includes(extension), extension);
      }
      assert.equal(extensions.includes("STARTTLS"), server.security === "none", "after TLS it is not offered again");
      assert.equal(reply!.enhanced, "2.0.0");
      const mail = await arrived(sink);
      assert.deepEqual([mail.from, mail.to], ["greg@example.org", [ANN.address]]);
      assert.deepEqual(parametersOf(mail.fromParameters), ["BODY=8BITMIME", "ENVID=id+2B42", "RET=HDRS"]);
      const added = "ORCPT=rfc822;ann@mx.example.net"; // by Postfix
      assert.deepEqual(parametersOf(mail.toParameters[0]!), ["NOTIFY=FAILURE,DELAY", added]);
    });
    await t.step(`${what}: addresses in UTF-8`, async () => {
      await send(server, { sender: "josé@example.org", recipients: [{ address: "ann@bücher.example" }] });
      const mail = await arrived(sink);
      const bytes = (text: string) => decodeLatin1(utf8(text));
      assert.deepEqual([mail.from, mail.to], [bytes("josé@example.org"), [bytes("ann@bücher.example")]]);
      assert.ok(parametersOf(mail.fromParameters).includes("SMTPUTF8"));
    });
    await t.step(`${what}: one of two recipients is rejected, the other gets the message`, async () => {
      const { recipients } = await send(server, { recipients: [GONE, ANN] });
      assert.deepEqual(recipients.map(({ code, enhanced }) => [code, enhanced]), [[550, "5.1.1"], [250, "2.1.5"]]);
      assert.deepEqual((await arrived(sink)).to, [ANN.address]);
    });
    await t.step(`${what}: the null sender, and a message of 3 MB`, async () => {
      const body = "x".repeat(70).concat("\n").repeat(42_000);
      await send(server, { sender: "" }, body);
      const [mail] = await sink.until(1);
      sink.accepted.length = 0;
      assert.equal(mail!.from, "");
      assert.ok(mail!.mail.endsWith(body));
    });
  }
  await t.step("a server without extensions", async () => {
    const server = { port: bare };
    const { extensions, reply } = await send(server, { ret: "full", size: 1500 });
    assert.deepEqual(extensions.filter((one) => ["PIPELINING", "SIZE", "8BITMIME", "DSN"].includes(one)), []);
    assert.equal(reply!.code, 250);
    await arrived(sink);
    const error = await failureOf(send(server, { recipients: [{ address: "josé@mx.example.net" }] }));
    assert.deepEqual([error.kind, error.message], [
      "refused",
      'mx does not offer SMTPUTF8, which address "josé@mx.example.net" requires',
    ]);
    assert.equal((await failureOf(send({ ...server, security: "starttls", ca }, {}))).kind, "temporary");
  });
  await t.step("limits of size and recipients", async () => {
    const server: Partial<Server> = { port: small, security: "tls", ca };
    const known = await failureOf(send(server, { size: 2001 }));
    assert.deepEqual([known.kind, known.message], [
      "refused",
      "mx accepts messages of at most 2000 bytes, and this one is larger",
    ]);
    const found = await failureOf(send(server, {}, "x\n".repeat(2000)));
    assert.deepEqual([found.kind, found.message], [known.kind, known.message]);
    const { recipients } = await send(server, { recipients: [ANN, { address: "bob@mx.example.net" }, GONE] });
    assert.deepEqual(recipients.map(({ code }) => code), [250, 250, 452]);
    await arrived(sink);
  });
  await t.step("a rejected sender, and a certificate for another name", async () => {
    const refused = await failureOf(send({ port: bare }, { sender: "eve@example.org" }));
    assert.deepEqual([refused.kind, refused.step, refused.reply?.enhanced], ["refused", "MAIL", "5.7.1"]);
    const wrong = await failureOf(send({ port: wrapped, hostname: "127.0.0.1", security: "tls", ca }, {}));
    assert.match(wrong.message, /^mx cannot be used: invalid peer certificate/);
  });
  await t.step("its log has no complaints", async () => {
    await until("the end of the sessions", () => /disconnect from/.test(postfix.log));
    const complaints = postfix.log.split("\n").filter((line) =>
      /pipelining after|non-SMTP|too many errors|syntax/i.test(line)
    );
    assert.deepEqual(complaints, []);
    const left = [...postfix.log.matchAll(/lost connection after (\w+)/g)].map(([, step]) => step);
    // One message was aborted because it was too large, and one certificate was rejected.
    assert.deepEqual(left.filter((step) => step !== "CONNECT"), ["DATA"]);
  });
});

/** Logs in with each of these mechanisms, first with valid, then with wrong credentials. */
async function testLogins(t: Deno.TestContext, server: Partial<Server>, valid: Mechanism[], wrong: Mechanism[]) {
  for (const mechanism of valid) {
    await t.step(`${mechanism.name}: the right password`, async () => {
      await send({ ...server, login: { user: USER, mechanisms: [mechanism] } });
    });
  }
  for (const mechanism of wrong) {
    await t.step(`${mechanism.name}: the wrong password`, async () => {
      const error = await failureOf(send({ ...server, login: { user: USER, mechanisms: [mechanism] } }));
      assert.ok(error instanceof SmtpRejected, error.message);
      assert.deepEqual([error.kind, error.step, error.reply?.code], ["permission", "AUTH", 535]);
    });
  }
}

onDovecot("SMTP client: Dovecot's submission service", async (t) => {
  using authority = await Authority.make();
  const ca = [Deno.readTextFileSync(authority.ca)];
  await using sink = new Sink({ extensions: EXTENSIONS });
  await using dovecot = await Dovecot.start(sink.port, await authority.leaf("DNS:localhost"));
  const ways: Partial<Server>[] = [
    { port: dovecot.ports.starttls, security: "starttls", ca },
    { port: dovecot.ports.tls, security: "tls", ca },
  ];
  const byPlain = { user: USER, mechanisms: [plain(USER, PASSWORD)] };
  for (const server of ways) {
    const what = server.security;
    const bearer = (token: string) => oauthBearer(USER, { hostname: "localhost", port: server.port! }, token);
    const token = await dovecot.token();
    await testLogins(
      t,
      server,
      [plain(USER, PASSWORD), login(USER, PASSWORD), cramMd5(USER, PASSWORD), xoauth2(USER, token), bearer(token)],
      [plain(USER, "x"), login(USER, "x"), cramMd5(USER, "x"), xoauth2(USER, await dovecot.token(-60)), bearer("x")],
    );
    await t.step(`${what}: all extensions`, async () => {
      const recipients = [{ ...ANN, notify: "failure" }];
      const { extensions, reply } = await send({ ...server, login: byPlain }, { ret: "full", envid: "x", recipients });
      for (const one of ["PIPELINING", "SIZE", "8BITMIME", "DSN", "AUTH"]) assert.ok(extensions.includes(one), one);
      assert.equal(reply!.code, 250);
      const mail = await arrived(sink);
      assert.deepEqual(parametersOf(mail.fromParameters), ["BODY=8BITMIME", "ENVID=x", "RET=FULL"]);
      assert.deepEqual(parametersOf(mail.toParameters[0]!), ["NOTIFY=FAILURE"]);
    });
    await t.step(`${what}: without a login, and without TLS`, async () => {
      const error = await failureOf(send(server, {}));
      assert.deepEqual([error.kind, error.reply?.code], ["permission", 530]);
      const { port } = dovecot.ports.starttls === server.port ? server : { port: dovecot.ports.starttls };
      const clear = await failureOf(send({ port: port!, login: byPlain }, {}));
      assert.equal(clear.message, "A password is not sent without TLS");
    });
    await t.step(`${what}: a recipient that the relay rejects, and a message that is too large`, async () => {
      sink.answers = {
        extensions: EXTENSIONS,
        to: (recipient) => recipient === GONE.address ? "550 5.1.1 Gone" : undefined,
      };
      const { recipients } = await send({ ...server, login: byPlain }, { recipients: [ANN, GONE] });
      assert.deepEqual(recipients.map(({ code }) => code), [250, 550]);
      await arrived(sink);
      const large = await failureOf(send({ ...server, login: byPlain }, {}, "x\n".repeat(1_000_000)));
      assert.equal(large.kind, "refused");
    });
  }
});

/** Configures Exim to require a login and relay all mail to one server. */
function configure(root: Root, ports: { starttls: number; tls: number }, relay: number): void {
  const auth = (name: string, driver: string, lines: string) =>
    `${name}:\n  driver = ${driver}\n  public_name = ${name.toUpperCase().replace("_", "-")}\n${lines}`;
  const right = (user: string, password: string) => `\${if and{{eq{${user}}{${USER}}}{eq{${password}}{${PASSWORD}}}}}`;
  root.write(
    "etc/exim4/exim4.conf",
    `primary_hostname = mx.example.net
${MAIN}local_interfaces = 127.0.0.1
daemon_smtp_ports = ${ports.starttls} : ${ports.tls}
tls_on_connect_ports = ${ports.tls}
tls_advertise_hosts = *
tls_certificate = /etc/exim4/cert.pem
tls_privatekey = /etc/exim4/key.pem
auth_advertise_hosts = \${if eq{$tls_in_cipher}{}{}{*}}
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
pipelining_connect_advertise_hosts =
accept_8bitmime = true
message_size_limit = 10K
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny message = 5.1.1 Gone
       recipients = ${GONE.address}
  accept authenticated = *
  deny message = 5.7.1 Log in
begin authenticators
${
      auth(
        "plain",
        "plaintext",
        `  server_prompts = :\n  server_condition = ${right("$auth2", "$auth3")}\n  server_set_id = $auth2\n`,
      )
    }${
      auth(
        "login",
        "plaintext",
        `  server_prompts = Username:: : Password::\n  server_condition = ${right("$auth1", "$auth2")}\n` +
          "  server_set_id = $auth1\n",
      )
    }${auth("cram_md5", "cram_md5", `  server_secret = \${if eq{$auth1}{${USER}}{${PASSWORD}}fail}\n`)}
${toSmarthost(relay)}`,
  );
}

onExim.test("SMTP client: a real Exim, which rejects synchronization errors", async (t) => {
  using authority = await Authority.make();
  const ca = [Deno.readTextFileSync(authority.ca)];
  const leaf = await authority.leaf("DNS:localhost");
  await using sink = new Sink({ extensions: EXTENSIONS });
  await using root = await onExim.unpack();
  prepareExim(root);
  for (const [name, text] of Object.entries(leaf)) root.write(`etc/exim4/${name}.pem`, text);
  const ports = { starttls: freePort(), tls: freePort() };
  configure(root, ports, sink.port);
  root.start(["/usr/sbin/exim4", "-bdf"]);
  const log = () => root.read("var/log/exim4/mainlog") + root.read("var/log/exim4/paniclog");
  await until("Exim", () => /daemon started/.test(log()), log);
  const byPlain = { user: USER, mechanisms: [plain(USER, PASSWORD)] };
  for (const security of ["starttls", "tls"] as const) {
    const server: Partial<Server> = { port: ports[security], security, ca };
    await testLogins(
      t,
      server,
      [plain(USER, PASSWORD), login(USER, PASSWORD), cramMd5(USER, PASSWORD)],
      [plain(USER, "x"), login(USER, "x"), cramMd5(USER, "x")],
    );
    await t.step(`${security}: all extensions`, async () => {
      const recipients = [{ ...ANN, notify: "never" }];
      const envelope = { ret: "hdrs", envid: "x", recipients, size: 1500 };
      const { extensions, reply } = await send({ ...server, login: byPlain }, envelope);
      for (const one of ["PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8", "AUTH"]) {
        assert.ok(extensions.includes(one), one);
      }
      assert.equal(reply!.code, 250);
      const mail = await arrived(sink);
      assert.deepEqual(parametersOf(mail.toParameters[0]!), ["NOTIFY=NEVER"]);
    });
    await t.step(`${security}: addresses in UTF-8`, async () => {
      await send({ ...server, login: byPlain }, { recipients: [{ address: "josé@mx.example.net" }] });
      assert.deepEqual((await arrived(sink)).to, [decodeLatin1(utf8("josé@mx.example.net"))]);
    });
    await t.step(`${security}: rejected: a recipient, a missing login, a large message`, async () => {
      const { recipients } = await send({ ...server, login: byPlain }, { recipients: [ANN, GONE] });
      assert.deepEqual(recipients.map(({ code, enhanced }) => [code, enhanced]), [[250, undefined], [550, "5.1.1"]]);
      await arrived(sink);
      const stranger = await failureOf(send(server, {}));
      assert.deepEqual([stranger.kind, stranger.step, stranger.reply?.code], ["refused", "RCPT", 550]);
      const large = await failureOf(send({ ...server, login: byPlain }, { size: 20_000 }));
      assert.equal(large.kind, "refused");
    });
  }
  await t.step("its log has no complaints", () => {
    assert.doesNotMatch(log(), /synchronization|rejected (?:EHLO|HELO)|syntax|unexpected/i);
  });
});
