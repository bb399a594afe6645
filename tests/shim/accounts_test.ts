/** The shim with three accounts, in its sandbox: which server gets a message, and what each failure of a login says. */
import assert from "node:assert/strict";
import { COUNTERSIGN } from "../admin/run.ts";
import { Authority } from "../certificates.ts";
import { need } from "../programs/need.ts";
import { OutboxHome } from "../outbox_home.ts";
import { WITHOUT_OVERRIDE } from "../faults/mounts.ts";
import { fieldOf, oneLine, qsbmf, ROOT } from "../rig.ts";
import { type Answers, deadPort, Sink, type Tls } from "../smtp_sink.ts";

const test = await need("openssl");

const PASSWORD = "correct horse";
const ANN = "ann@example.net";
const letter = (from: string, more = "") => `${more}From: ${from}\nTo: ${ANN}\nSubject: Lunch?\n\nAt one?\n`;
const EXTENSIONS = ["AUTH PLAIN", "8BITMIME", "PIPELINING"];
const base64 = (text: string) => new TextEncoder().encode(text).toBase64();

/** Three servers with TLS and a login, and greg's home with an account for each. */
class Desk implements AsyncDisposable {
  readonly home = new OutboxHome();
  private constructor(readonly authority: Authority, readonly sinks: Record<"home" | "work" | "isp", Sink>) {}

  static async open(): Promise<Desk> {
    const authority = await Authority.make();
    const tls: Tls = await authority.leaf("DNS:localhost");
    const sink = () => new Sink({ extensions: EXTENSIONS }, tls);
    return new Desk(authority, { home: sink(), work: sink(), isp: sink() });
  }

  /** One account; its login is `greg-NAME`. */
  account(name: keyof Desk["sinks"], more: string, port = this.sinks[name].port, host = "localhost"): string {
    return `[[account]]\nname = "${name}"\nhost = "${host}"\nport = ${port}\nca = "${this.authority.ca}"\n` +
      `user = "greg-${name}"\n${more}\n`;
  }

  /** Writes the settings; the sandbox file follows them. */
  settings(...accounts: string[]): void {
    const joe = '[[identity]]\naddress = "joe@work.example"\nkeys = "joe.keys"\nsrs_domain = "srs.work.example"\n';
    this.home.write(".config/countersign/joe.keys", this.home.read(".config/countersign/keys"), 0o600);
    this.home.settings(`${joe}[transport]\nvia = "smtp"\ntimeout = 20\n${accounts.join("")}`);
  }

  /** A program below the home that prints a password. */
  script(text: string): string {
    return this.home.write("bin/password", `#!/bin/sh\n${text}\n`, 0o755);
  }

  get log(): string {
    return this.home.read(".local/state/countersign/log");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sink of Object.values(this.sinks)) await sink[Symbol.asyncDispose]();
    this.home[Symbol.dispose]();
    this.authority[Symbol.dispose]();
  }
}

const file = (desk: Desk, mode = 0o600) => {
  desk.home.write(".config/countersign/password", `${PASSWORD}\n`, mode);
  return 'password_file = "password"';
};

test("three accounts: each identity's mail leaves through its own, with the sender that its server accepts", async (t) => {
  await using desk = await Desk.open();
  const { home, sinks } = desk;
  const password = file(desk);
  const command = `password_command = ["${desk.script(`echo '${PASSWORD}'`)}"]`;
  desk.settings(
    desk.account("home", `from = ["greg@example.org"]\n${password}`),
    desk.account("work", `from = ["*@work.example"]\nsender = "plain"\n${command}`),
    desk.account("isp", `default = true\n${password}`),
  );
  /** [what, message, -f, account, envelope sender] */
  const rows: [string, string, string[], keyof Desk["sinks"], RegExp][] = [
    ["From", letter("greg@example.org"), [], "home", /^SRS0=.*=example\.org=greg@srs\.example\.org$/],
    ["another From", letter("joe@work.example"), [], "work", /^joe@work\.example$/],
    ["From before -f", letter("joe@work.example"), ["-f", "greg@example.org"], "work", /^greg@example\.org$/],
    ["a From of nobody: -f", letter("x@other.example"), ["-f", "joe@work.example"], "work", /^joe@work\.example$/],
    ["a From of nobody", letter("x@other.example"), ["-f", "x@other.example"], "isp", /^x@other\.example$/],
    [
      "Resent-From",
      letter(
        "x@other.example",
        "Resent-From: joe@work.example\nReceived: from mx by host; 28 Nov 2026 00:00:00 +0000\n",
      ),
      [],
      "work",
      /^joe@work\.example$/,
    ],
  ];
  for (const [what, mail, options, account, sender] of rows) {
    await t.step(`${what}: ${account}`, async () => {
      assert.deepEqual(await home.shim([...options, ANN], mail), { code: 0, stdout: "", stderr: "" });
      const [got, ...more] = sinks[account].accepted.splice(0);
      assert.deepEqual(more, []);
      assert.match(got!.from, sender);
      assert.ok(sinks[account].lines.includes(`AUTH PLAIN ${base64(`\0greg-${account}\0${PASSWORD}`)}`));
      for (const [name, sink] of Object.entries(sinks)) assert.equal(sink.accepted.length, 0, name);
      assert.match(desk.log.trimEnd().split("\n").at(-1)!, new RegExp(` account=${account} .* result=sent`));
    });
  }
  await t.step("the tag is added whatever the sender", async () => {
    await home.shim([ANN], letter("joe@work.example"));
    assert.match(fieldOf(sinks.work.accepted.splice(0)[0]!.mail, "X-Msgauth"), /^v1\.k1\./);
  });
  await t.step("a hook forwards through the account of the identity that the bounce is about", async () => {
    for (const [from, account] of [["greg@example.org", "home"], ["joe@work.example", "work"]] as const) {
      await home.shim([ANN], letter(from));
      const sent = sinks[account].accepted.splice(0)[0]!;
      const signed = await home.run([...COUNTERSIGN, "sign", from, "--scheme", "srs"]);
      const [ext, host] = signed.stdout.trim().split("@") as [string, string];
      const ran = await home.hook(["--forward"], qsbmf(from, sent.mail), { SENDER: "", EXT: ext, HOST: host });
      assert.deepEqual([ran.code, ran.stderr], [99, ""]);
      const [bounce] = sinks[account].accepted.splice(0);
      assert.deepEqual([bounce!.from, bounce!.to], ["", [from]]);
    }
  });
});

test("three accounts, of which none is the default: the address is named, and nothing is sent", async () => {
  await using desk = await Desk.open();
  const password = file(desk);
  desk.settings(
    desk.account("home", `from = ["greg@example.org"]\n${password}`),
    desk.account("work", `from = ["*@work.example"]\n${password}`),
  );
  const says =
    /^shim: No account sends mail of "x@other\.example": add the address to account\.from, or set account\.def/;
  oneLine(await desk.home.shim([ANN], letter("x@other.example")), 78, says);
  assert.deepEqual(Object.values(desk.sinks).flatMap(({ lines }) => lines), []);
});

/** [what, the program (undefined: it does not exist), exit status, error message, whether the server was contacted] */
const COMMANDS: [what: string, script: string | undefined, status: number, says: string][] = [
  [
    "fails",
    `echo '${PASSWORD}'; echo 'gpg: No secret key' >&2; exit 2`,
    75,
    "exited with status 2: gpg: No secret key: unlock",
  ],
  ["hangs", `echo '${PASSWORD}'; exec sleep 60`, 75, "took longer than 1 s and was killed: unlock the keyring"],
  ["prints two lines", `echo '${PASSWORD}'; echo 'user: greg'`, 78, "printed 2 lines instead of one line: let it"],
  ["prints nothing", ":", 78, "printed nothing instead of one line: let it print"],
  ["does not exist", undefined, 78, "cannot be run: "],
];

test("a password program that does not work", async (t) => {
  await using desk = await Desk.open();
  const { home, sinks: { isp } } = desk;
  for (const setting of ["password_command", "oauth2_command"]) {
    isp.answers = { extensions: ["AUTH PLAIN XOAUTH2"] };
    for (const [what, script, status, says] of COMMANDS) {
      await t.step(`${setting} ${what}: ${status}`, async () => {
        const program = script === undefined ? `${home.path}/bin/none` : desk.script(script);
        desk.settings(desk.account("isp", `${setting} = ["${program}"]`));
        const config = ".config/countersign/config.toml";
        // Less than the total timeout, which would otherwise end the session first.
        if (what === "hangs") home.write(config, home.read(config).replace("timeout = 20", "timeout = 1"));
        const ran = await home.shim([ANN], letter("greg@example.org"));
        const whole = what === "hangs"
          ? "(?:took longer than 1 s and was killed|was killed: the session took longer than 1 s): unlock the keyring, or"
          : says.replace(/[.()]/g, "\\$&");
        oneLine(ran, status, new RegExp(`^shim: ${setting} of account "isp" ${whole}`));
        assert.ok(!ran.stderr.includes(PASSWORD), ran.stderr);
        assert.ok(!desk.log.includes(PASSWORD), "not in the log");
        assert.ok(isp.lines.at(-1) === "QUIT" || what === "hangs", "the session ends properly");
        assert.ok(!isp.lines.some((line) => /^(?:AUTH|MAIL)/.test(line)));
        assert.match(desk.log, / result=failed why=(?:temporary|config)\n$/);
      });
    }
  }
  await t.step("a program that the sandbox does not permit", async () => {
    desk.settings(desk.account("isp", `password_command = ["${desk.script("echo x")}"]`));
    const sandbox = ".config/countersign/config.sandbox";
    home.write(sandbox, home.read(sandbox).replaceAll(/^.*allow-run=.*\/password\n/gm, ""));
    oneLine(
      await home.shim([ANN], letter("greg@example.org")),
      75,
      /^shim: password_command of account "isp" cannot be run: .*: countersign sandbox$/m,
    );
  });
  await t.step("it is run once per session, and not for a server that cannot be reached", async () => {
    const program = desk.script(`echo run >>${home.path}/runs; echo '${PASSWORD}'`);
    const runs = () => home.read("runs").split("\n").length - 1;
    isp.answers = { extensions: EXTENSIONS };
    desk.settings(desk.account("isp", `password_command = ["${program}"]`));
    assert.equal((await home.shim([ANN, "bob@example.net"], letter("greg@example.org"))).code, 0);
    assert.equal(runs(), 1);
    desk.settings(desk.account("isp", `password_command = ["${program}"]`, deadPort()));
    oneLine(await home.shim([ANN], letter("greg@example.org")), 75, /cannot be used: connection refused/);
    assert.equal(runs(), 1);
  });
});

test("password files: one line, and private", async () => {
  await using desk = await Desk.open();
  const send = () => desk.home.shim([ANN], letter("greg@example.org"));
  desk.settings(desk.account("isp", file(desk, 0o640)));
  oneLine(await send(), 77, /: Password file is readable by others \(mode 0640\): chmod 600 /);
  desk.settings(desk.account("isp", file(desk, 0o200)));
  const unprivileged = [...WITHOUT_OVERRIDE, `${ROOT}/shim/shim`, ANN];
  const ran = await desk.home.run(unprivileged, letter("greg@example.org"));
  oneLine(ran, 78, /: Password file cannot be read: Permission denied .*: chmod u\+r \S+\/password$/m);
  desk.home.write(".config/countersign/password", `${PASSWORD}\nuser: greg\n`, 0o600);
  oneLine(await send(), 78, /: Password file does not contain exactly one line: write the password to it/);
  assert.deepEqual(desk.sinks.isp.lines, [], "found without the network");
});

test("XOAUTH2 and OAUTHBEARER: the token, and the server's error", async () => {
  await using desk = await Desk.open();
  const { home, sinks: { isp } } = desk;
  const token = "ya29.token";
  desk.settings(desk.account("isp", `oauth2_command = ["${desk.script(`echo ${token}`)}"]`));
  const expected: Record<string, string> = {
    XOAUTH2: base64(`user=greg-isp\x01auth=Bearer ${token}\x01\x01`),
    OAUTHBEARER: base64(`n,a=greg-isp,\x01host=localhost\x01port=${isp.port}\x01auth=Bearer ${token}\x01\x01`),
  };
  for (const [name, initial] of Object.entries(expected)) {
    isp.answers = { extensions: [`AUTH PLAIN ${name}`] };
    assert.deepEqual(await home.shim([ANN], letter("greg@example.org")), { code: 0, stdout: "", stderr: "" });
    assert.ok(isp.lines.includes(`AUTH ${name} ${initial}`), isp.lines.join("\n"));
    assert.equal(isp.accepted.splice(0).length, 1);
    isp.answers.auth = `535 5.7.8 ${token} has expired`;
    const ran = await home.shim([ANN], letter("greg@example.org"));
    oneLine(ran, 77, /rejected the login of "greg-isp": "535 5\.7\.8 … has expired"$/m);
  }
});

test("certificates that are not accepted, such as that of a captive portal: no password is read, and nothing is sent", async (t) => {
  await using desk = await Desk.open();
  const { home, authority } = desk;
  const other = await Authority.make();
  using _other = other;
  using unknown = await Authority.make("Another CA");
  const login = /: log in to the network if it has a login page; /;
  const cases: [what: string, tls: Tls, says: RegExp, fix: RegExp][] = [
    ["expired", await authority.leaf("DNS:localhost", -1), /expired/i, /: check the clock; otherwise the server needs/],
    ["of another name", await authority.leaf("DNS:portal.hotel.example"), /not valid for name/i, login],
    ["of another CA of the same name", await other.leaf("DNS:localhost"), /BadSignature/, login],
    [
      "of an unknown CA",
      await unknown.leaf("DNS:localhost"),
      /UnknownIssuer/,
      /: log in .*; for a private CA, set ca /,
    ],
    ["of a CA", await authority.self("DNS:localhost"), /CaUsedAsEndEntity/, /: the server needs a .* CA:FALSE$/m],
  ];
  for (const [what, tls, says, fix] of cases) {
    for (const security of ["tls", "starttls"]) {
      await t.step(`${what}, ${security}`, async () => {
        const answers: Answers = { extensions: EXTENSIONS };
        await using portal = new Sink(answers, { ...tls, start: security === "starttls" });
        const program = desk.script(`echo run >>${home.path}/runs; echo '${PASSWORD}'`);
        const more = `security = "${security}"\npassword_command = ["${program}"]`;
        desk.settings(desk.account("isp", more, portal.port));
        const ran = await home.shim([ANN], letter("greg@example.org"));
        oneLine(ran, 75, new RegExp(`^shim: localhost:${portal.port} cannot be used: .*(?:${says.source})`, "i"));
        assert.match(ran.stderr, fix);
        assert.ok(!portal.lines.some((line) => /^(?:AUTH|MAIL)/.test(line)));
        assert.deepEqual(portal.accepted, []);
        assert.equal(home.read("runs"), "", "no password was asked for");
      });
    }
  }
});

test("security for the other port: the error says which is for which", async () => {
  await using desk = await Desk.open();
  const config = ".config/countersign/config.toml";
  await using clear = new Sink({ extensions: EXTENSIONS });
  const fix = "check port and security: tls is for port 465, starttls for port 587";
  for (const [security, port] of [["tls", clear.port], ["starttls", desk.sinks.isp.port]] as const) {
    desk.settings(desk.account("isp", `security = "${security}"\n${file(desk)}`, port));
    desk.home.write(config, desk.home.read(config).replace("timeout = 20", "timeout = 1"));
    const ran = await desk.home.shim([ANN], letter("greg@example.org"));
    oneLine(ran, 75, new RegExp(`^shim: localhost:${port} cannot be used: .*: ${fix}`));
  }
});

test("with an outbox: a locked keyring and a captive portal keep the message, an error in the settings is reported", async (t) => {
  await using desk = await Desk.open();
  const { home, sinks, authority } = desk;
  const OUTBOX = '[outbox]\nwhen = "failed"\n';
  const program = desk.script(`test -e "$HOME/unlocked" || { echo locked >&2; exit 1; }; echo '${PASSWORD}'`);
  const command = `password_command = ["${program}"]`;
  await using portal = new Sink({ extensions: EXTENSIONS }, await authority.leaf("DNS:portal.hotel.example"));
  const kept = { code: 0, stdout: "", stderr: "" };
  const both = (workPort: number) =>
    desk.settings(
      desk.account("home", `default = true\n${command}`),
      desk.account("work", `from = ["*@work.example"]\nsender = "plain"\n${command}`, workPort),
      OUTBOX,
    );
  both(portal.port);
  await t.step("a locked keyring, and a certificate of another name: exit 0, kept", async () => {
    assert.deepEqual(await home.shim([ANN], letter("greg@example.org")), kept);
    assert.deepEqual(await home.shim([ANN], letter("joe@work.example")), kept);
    assert.deepEqual(home.names("queue").map((id) => home.entry(id).account).sort(), ["home", "work"]);
    assert.ok(!portal.lines.some((line) => /^(?:AUTH|MAIL)/.test(line)));
    assert.match((await home.shim(["-bp"], "")).stdout, /in 2 Requests\.$/m);
  });
  await t.step("later each is sent through its own account, with a sender that is signed anew", async () => {
    home.write("unlocked", "");
    both(sinks.work.port);
    home.due();
    assert.equal((await home.shim(["-q"], "")).code, 0);
    assert.match(sinks.home.accepted.splice(0)[0]!.from, /^SRS0=/);
    assert.equal(sinks.work.accepted.splice(0)[0]!.from, "joe@work.example");
    assert.deepEqual(home.names("queue"), []);
  });
  await t.step("a program that prints two lines, one that does not exist, and no account", async () => {
    const two = desk.home.write("bin/two", `#!/bin/sh\necho '${PASSWORD}'; echo more\n`, 0o755);
    for (const [path, says] of [[two, /printed 2 lines/], [`${home.path}/bin/none`, /cannot be run/]] as const) {
      desk.settings(desk.account("isp", `password_command = ["${path}"]`), OUTBOX);
      oneLine(await home.shim([ANN], letter("greg@example.org")), 78, says);
    }
    desk.settings(
      desk.account("home", `from = ["greg@example.org"]\n${command}`),
      desk.account("work", `from = ["*@work.example"]\n${command}`),
      OUTBOX,
    );
    oneLine(
      await home.shim([ANN], letter("x@other.example")),
      78,
      /^shim: No account sends mail of "x@other\.example"/,
    );
    assert.deepEqual(home.names("queue"), []);
  });
});
