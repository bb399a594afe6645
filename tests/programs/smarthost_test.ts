/** The shim with contrib/smarthost and a submission server: the sink with TLS and a login, and a real Postfix. */
import assert from "node:assert/strict";
import { Authority } from "../certificates.ts";
import { COUNTERSIGN } from "../admin/run.ts";
import { fieldOf, type Home, oneLine, qsbmf, ROOT } from "../rig.ts";
import { type Answers, deadPort, HANG_UP, LATER, REFUSED, Sink } from "../smtp_sink.ts";
import { arrived, assertSucceeded, injectorHome, sendLetter, signed, testDelivery } from "./injectors.ts";
import { need } from "./need.ts";
import { freePort, needPostfix, Postfix, until } from "./postfix.ts";

const test = await need("openssl");
const onPostfix = await needPostfix("openssl");

const PASSWORD = "correct horse";

/** greg's home with contrib/smarthost, a server on this machine, and the permission to connect to it. */
async function smarthostHome(port: number, ca: string): Promise<Home> {
  const more = `host = "localhost"\nport = ${port}\nca = "${ca}"`;
  const home = injectorHome(() => {
    const text = Deno.readTextFileSync(`${ROOT}/contrib/smarthost/config.toml`);
    assert.ok(text.includes('host = "smtp.example.org"'));
    return text.replace('host = "smtp.example.org"', more);
  });
  home.write(".config/countersign/password", `${PASSWORD}\n`, 0o600);
  const permitted = await home.run([...COUNTERSIGN, "sandbox"]);
  assert.equal(permitted.code, 0, permitted.stderr);
  return home;
}

/** A server that requires STARTTLS and a login. */
async function server(authority: Authority): Promise<Sink> {
  return new Sink({ extensions: EXTENSIONS }, { ...await authority.leaf("DNS:localhost"), start: true });
}
const EXTENSIONS = ["AUTH PLAIN", "DSN", "8BITMIME", "PIPELINING"];

test("smarthost: delivery", async (t) => {
  using authority = await Authority.make();
  await using sink = await server(authority);
  using home = await smarthostHome(sink.port, authority.ca);
  await testDelivery(t, { home, sink }, {
    quoted: true,
    dash: true,
    nullSender: true,
    nul: true,
    dsn: { from: /RET=HDRS ENVID=id42/, to: /^NOTIFY=FAILURE,DELAY$/ },
  });
  assert.ok(sink.lines.some((line) => line.startsWith("AUTH PLAIN")));
});

/** Replies of the server, and the shim's exit status and error message. */
const ANSWERS: [what: string, answers: Answers, status: number, message: RegExp][] = [
  ["the login", { auth: "535 5.7.8 No" }, 77, /rejected the login of "greg": "535 5\.7\.8 No"$/],
  ["the sender", { from: REFUSED }, 69, /rejected the sender/],
  [
    "one of two recipients",
    { to: (recipient) => recipient.startsWith("copy@") ? REFUSED : undefined },
    69,
    /"copy@mx\.example\.net"/,
  ],
  [
    "one of two recipients, temporarily",
    { to: (recipient) => recipient.startsWith("copy@") ? LATER : undefined },
    75,
    /"copy@mx\.example\.net"/,
  ],
  ["the message", { end: REFUSED }, 69, /rejected the message/],
  ["the end of the data, by hanging up", { end: HANG_UP }, 75, /it may have been sent$/],
  ["the connection", { greeting: "554 No" }, 75, /cannot be used: "554 No"$/],
];

test("smarthost: what the server rejects, and the shim's exit status", async (t) => {
  using authority = await Authority.make();
  await using sink = await server(authority);
  using home = await smarthostHome(sink.port, authority.ca);
  for (const [what, answers, status, message] of ANSWERS) {
    await t.step(`${what}: ${status}`, async () => {
      sink.answers = { extensions: EXTENSIONS, ...answers };
      const ran = await sendLetter(home, "nobody@mx.example.net", "copy@mx.example.net");
      oneLine(ran, status, new RegExp(`^shim: localhost:${sink.port} .*${message.source}`, "m"));
      assert.deepEqual(sink.accepted, [], "nothing is sent");
      const log = home.read(".local/state/countersign/log");
      assert.ok(!log.includes("copy@"), "no address in the log");
      assert.match(log, / result=failed why=(?:"(?:535 5\.7\.8|550 5\.1\.1|450 4\.2\.1)"|554|temporary)\n$/);
    });
  }
  await t.step("as qmail-inject: 100 and 111", async () => {
    Deno.symlinkSync(`${ROOT}/shim/shim`, `${home.path}/bin/qmail-inject`);
    for (const [to, status] of [[REFUSED, 100], [LATER, 111]] as const) {
      sink.answers = { extensions: EXTENSIONS, to };
      const argv = [`${home.path}/bin/qmail-inject`, "-a", "nobody@mx.example.net"];
      oneLine(await home.run(argv, "From: greg@example.org\n\nHi.\n"), status, /rejected "nobody/);
    }
  });
});

test("smarthost: a hook forwards through it", async () => {
  using authority = await Authority.make();
  await using sink = await server(authority);
  using home = await smarthostHome(sink.port, authority.ca);
  assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
  const [{ from, mail }] = await arrived(sink, 1) as [Sink["accepted"][0]];
  const [ext, host] = from.split("@") as [string, string];
  const ran = await home.hook(["--forward"], qsbmf(from, mail), { SENDER: "", EXT: ext, HOST: host });
  assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
  const [bounce] = await arrived(sink, 1);
  assert.deepEqual([bounce!.from, bounce!.to], ["", ["greg@example.org"]]);
  assert.match(fieldOf(bounce!.mail, "X-Countersign"), /^v1\.k1\./);
});

test("smarthost: server down, no permission", async () => {
  using authority = await Authority.make();
  using home = await smarthostHome(deadPort(), authority.ca);
  oneLine(await sendLetter(home, "nobody@mx.example.net"), 75, /cannot be used: connection refused/);
  Deno.removeSync(`${home.path}/.config/countersign/config.sandbox`);
  oneLine(
    await sendLetter(home, "nobody@mx.example.net"),
    78,
    /No permission to connect to localhost:\d+: countersign sandbox$/m,
  );
});

/** Runs the shim until the server has received DATA but most of the message has not been sent. */
async function duringData(work: (child: Deno.ChildProcess, finish: () => Promise<void>) => Promise<void>) {
  using authority = await Authority.make();
  await using sink = await server(authority);
  using home = await smarthostHome(sink.port, authority.ca);
  const child = new Deno.Command(`${ROOT}/shim/shim`, {
    args: ["nobody@mx.example.net"],
    clearEnv: true,
    env: { ...home.env, HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin` },
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`From: greg@example.org\n\n${"line\n".repeat(100_000)}`));
  await sink.untilReceived(/^DATA/);
  await work(child, () => writer.close().catch(() => {}));
  await sink.when(() => sink.cut.length > 0);
  assert.deepEqual(sink.accepted, []);
}

test("smarthost: a signal in the middle of a message, which is not sent", async () => {
  await duringData(async (child, finish) => {
    child.kill("SIGTERM");
    const { code, stderr } = await child.output();
    await finish();
    const text = new TextDecoder().decode(stderr);
    oneLine({ code, stdout: "", stderr: text }, 75, /^shim: Stopped by a signal; nothing is sent$/m);
  });
});

test("smarthost: the launcher is killed in the middle of a message, which is not sent", async () => {
  await duringData(async (child, finish) => {
    child.kill("SIGKILL");
    assert.equal((await child.status).signal, "SIGKILL");
    await finish(); // now the rest of the shim has the whole message
    assert.match(
      new TextDecoder().decode((await child.output()).stderr),
      /^shim: The launcher was killed; nothing is sent$/m,
    );
  });
});

onPostfix("smarthost: a real Postfix accepts and rejects mail over TLS", async (t) => {
  using authority = await Authority.make();
  const leaf = await authority.leaf("DNS:localhost");
  for (const [name, text] of Object.entries(leaf)) Deno.writeTextFileSync(`${authority.folder}/${name}.pem`, text);
  Deno.chmodSync(authority.folder, 0o755);
  await using sink = new Sink();
  const main = `smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = ${authority.folder}/cert.pem
smtpd_tls_key_file = ${authority.folder}/key.pem
mynetworks = 127.0.0.0/8
mydestination =
relayhost = [127.0.0.1]:${sink.port}
smtpd_recipient_restrictions = check_recipient_access inline:{ { gone@mx.example.net = 550 5.1.1 Gone } }, permit_mynetworks, reject
`;
  // A port with implicit TLS, as 465.
  const wrapped = freePort();
  const master = `127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr\n`;
  await using postfix = await Postfix.start({ main, master });
  // There is no login: mynetworks decides who may send.
  const asGreg = async (security: string, port: number) => {
    const home = await smarthostHome(port, authority.ca);
    const file = ".config/countersign/config.toml";
    const text = home.read(file).replace(/^(?:user|password_file) = .*\n/gm, "");
    home.write(file, text.replace('"starttls"', `"${security}"`));
    return home;
  };
  for (const [security, port] of [["starttls", postfix.port], ["tls", wrapped]] as const) {
    await t.step(`${security}: a message is sent signed and with a tag`, async () => {
      using home = await asGreg(security, port);
      assertSucceeded(await sendLetter(home, "nobody@mx.example.net", "copy@mx.example.net"));
      const [mail, ...more] = await arrived(sink, 2);
      assert.deepEqual(more, []);
      assert.deepEqual([mail!.from, mail!.to.sort()], [signed(home), ["copy@mx.example.net", "nobody@mx.example.net"]]);
      assert.match(fieldOf(mail!.mail, "X-Msgauth"), /^v1\.k1\./);
      assert.ok(mail!.mail.endsWith("\n.\n..\n.hidden\nFrom here on\nthe end\n"), mail!.mail);
    });
    await t.step(`${security}: if one of two recipients is rejected, nothing is sent`, async () => {
      using home = await asGreg(security, port);
      const ran = await sendLetter(home, "nobody@mx.example.net", "gone@mx.example.net");
      oneLine(ran, 69, /rejected "gone@mx\.example\.net": "550 5\.1\.1 .*Gone"; nothing is sent$/m);
      await until("the end of the session", () => /disconnect from .* rcpt=1\/2/.test(postfix.log), () => postfix.log);
      assert.equal(await postfix.queued(), 0);
      assert.deepEqual(sink.accepted, []);
    });
  }
  await t.step("a certificate for another name", async () => {
    using home = await asGreg("starttls", postfix.port);
    const file = ".config/countersign/config.toml";
    home.write(file, home.read(file).replace('"localhost"', '"127.0.0.1"'));
    const permitted = await home.run([...COUNTERSIGN, "sandbox"]);
    assert.equal(permitted.code, 0, permitted.stderr);
    oneLine(await sendLetter(home, "nobody@mx.example.net"), 75, /^shim: 127\.0\.0\.1:\d+ cannot be used: /);
  });
});
