/** `countersign init`: from an empty home to signed mail and judged bounces. */
import assert from "node:assert/strict";
import { parseConfig } from "../../lib/settings/parse.ts";
import { dayOf } from "../../lib/date.ts";
import { parseKeys } from "../../lib/settings/keys.ts";
import { need } from "../programs/need.ts";
import { needOnTerminal, Terminal } from "../programs/terminal.ts";
import { CREATED, fieldOf, Home, oneLine, qsbmf, ROOT } from "../rig.ts";
import { COUNTERSIGN, countersign } from "./run.ts";

const FOLDER = ".config/countersign";
const GREG = ["--address", "greg@example.org", "--srs-domain", "srs.example.org"];
const TRY = ["--via", "maildir", "--maildir", "~/out"];
const SMTP = ["--via", "smtp", "--host", "smtp.example.org"];
const MAIL = "From: greg@example.org\nTo: ann@example.net\nSubject: x\n\nHi.\n";

/** A home that contains only Deno. */
function emptyHome(): Home {
  const home = new Home();
  Deno.removeSync(`${home.path}/.config`, { recursive: true });
  return home;
}

const below = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [name, ...below(`${folder}/${name}`).map((one) => `${name}/${one}`)] : [name]
  ).sort();

/** Returns all lines to paste for existing settings, by file. */
async function pastes(home: Home, ...options: string[]): Promise<Record<string, string>> {
  const { code, stdout, stderr } = await countersign(home, ["init", "--print-all", ...options]);
  assert.deepEqual([code, stderr], [0, ""]);
  const [, ...parts] = stdout.split(/^--- /m);
  return Object.fromEntries(parts.map((part) => {
    const end = part.indexOf("\n");
    return [part.slice(0, end), part.slice(end + 1).split("\n\nIncoming mail")[0]!.trimEnd() + "\n"];
  }));
}

const settingsOf = (home: Home) =>
  parseConfig(home.read(`${FOLDER}/config.toml`), { file: `${home.path}/${FOLDER}/config.toml`, home: home.path });
const modeOf = (home: Home, name: string) => Deno.statSync(`${home.path}/${name}`).mode! & 0o777;

Deno.test("from an empty home to a bounce that is judged", async () => {
  using home = emptyHome();
  const before = dayOf(new Date());
  const made = await countersign(home, ["init", "--yes", ...GREG, ...TRY]);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  assert.deepEqual(below(`${home.path}/${FOLDER}`), ["config.sandbox", "config.toml", "keys", "plain-lists"]);
  for (const name of [`${FOLDER}/config.toml`, `${FOLDER}/keys`]) assert.equal(modeOf(home, name), 0o600, name);
  for (const name of [FOLDER, ".local/state/countersign", "Maildir/.Spam"]) {
    assert.equal(modeOf(home, name), 0o700, name);
  }
  const [key, ...more] = parseKeys(home.read(`${FOLDER}/keys`), "keys");
  assert.deepEqual([key!.id, key!.secret.length, more], ["k1", 32, []]);
  assert.ok(key!.created === before || key!.created === dayOf(new Date()));
  assert.equal(settingsOf(home).since, new Date(key!.created * 86_400_000).toISOString().slice(0, 10));
  assert.ok(!made.stdout.includes(key!.secret.toBase64()), "a secret is shown");

  // Send with the written settings.
  assert.deepEqual(await home.shim(["ann@example.net"], MAIL), { code: 0, stdout: "", stderr: "" });
  const [out] = home.mails("out") as [string];
  const sender = fieldOf(out, "Return-Path").replace(/[<>]/g, "");
  assert.match(sender, /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org$/);

  // Bounces to the signed address, to an invented one, and a forged one in the grace period.
  const judge = async (recipient: string, original: string): Promise<number> =>
    (await home.hook(["--maildir", `${home.path}/in`], qsbmf(recipient, original), {
      SENDER: "",
      EXT: recipient.split("@")[0]!,
      HOST: recipient.split("@")[1]!,
    })).code;
  const says = (folder: string) => fieldOf(home.mails(folder).at(-1)!, "X-Countersign").split(";")[0];
  assert.equal(await judge(sender, out), 99);
  assert.deepEqual([home.mails("in").length, says("in")], [1, "genuine"]);
  const forgery = "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n";
  assert.equal(await judge(sender.replace(/=.{8}=/, "=aaaaaaaa="), forgery), 99);
  assert.deepEqual([home.mails("in").length, says("Maildir/.Spam")], [1, "forged"]);
  assert.equal(await judge("greg@example.org", forgery), 99);
  assert.deepEqual(home.mails("in").map((mail) => fieldOf(mail, "X-Countersign").split(";")[0]).sort(), [
    "genuine",
    "suspect",
  ]);
});

Deno.test("init does not overwrite existing files", async () => {
  using home = emptyHome();
  assert.equal((await countersign(home, ["init", "--yes", ...GREG, ...TRY])).code, 0);
  const files = () => ["config.toml", "keys"].map((name) => home.read(`${FOLDER}/${name}`));
  const before = files();
  for (const more of [[], ["--address", "ann@example.org"], ["--config", `${home.path}/${FOLDER}/config.toml`]]) {
    oneLine(
      await countersign(home, ["init", "--yes", ...GREG, ...TRY, ...more]),
      78,
      /config\.toml: Settings file already exists: edit it and run countersign sandbox, use --print/,
    );
  }
  assert.deepEqual(files(), before);
  // Nor is the missing target of a link created.
  Deno.symlinkSync(`${home.path}/elsewhere`, `${home.path}/link.toml`);
  oneLine(await countersign(home, ["init", "--yes", ...GREG, ...TRY, "--config", "link.toml"]), 78, /already/);
  assert.ok(!below(home.path).includes("elsewhere"));
});

Deno.test("existing keys are kept; if one is damaged, it is reported and no settings are written", async () => {
  using home = emptyHome();
  const line = `k7 ${CREATED} not a real secret\n`;
  home.write(`${FOLDER}/keys`, line, 0o600);
  const made = await countersign(home, ["init", "--yes", ...GREG, ...TRY]);
  assert.deepEqual([made.code, home.read(`${FOLDER}/keys`)], [0, line]);
  assert.match(made.stdout, /^Kept: ~\/\.config\/countersign\/keys$/m);

  using other = emptyHome();
  other.write(`${FOLDER}/keys`, line, 0o644);
  oneLine(await countersign(other, ["init", "--yes", ...GREG, ...TRY]), 77, /Key file .*mode 0644/);
  assert.deepEqual(below(`${other.path}/${FOLDER}`), ["keys"]);
});

Deno.test("--print writes nothing, and prints the settings but no key", async () => {
  using home = emptyHome();
  const before = below(home.path);
  const ran = await countersign(home, ["init", "--print", ...GREG, ...TRY]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.deepEqual(below(home.path).filter((name) => !before.includes(name)), []);
  const file = `${home.path}/${FOLDER}/config.toml`;
  const [, text = ""] = /^# .*config\.toml\n([^]*?)\n\n(?:Paste|No known)/.exec(ran.stdout) ?? [];
  assert.equal(parseConfig(text, { file, home: home.path }).transport.maildir, `${home.path}/out`);
  assert.ok(!ran.stdout.includes("base64:"));
});

Deno.test("for qmail an inbox is set and created, for a hook that is the only line of a dot-qmail file", async () => {
  const rows: [args: string[], inbox: string][] = [
    [["--preset", "qmail-inject", "--command", "/bin/true"], "Maildir"],
    [["--preset", "qmail-inject", "--command", "/bin/true", "--spam", "~/Mail/.Junk"], "Mail"],
    [["--preset", "qmail-inject", "--command", "/bin/true", "--spam", "~/Spam"], "Maildir"],
    [["--preset", "sendmail", "--command", "/bin/true"], ""],
    [TRY, ""],
    [SMTP, ""],
  ];
  for (const [args, inbox] of rows) {
    using home = emptyHome();
    const made = await countersign(home, ["init", "--yes", ...GREG, ...args]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.equal(settingsOf(home).incoming.inbox, inbox && `${home.path}/${inbox}`);
    if (inbox === "") continue;
    for (const part of ["tmp", "new", "cur"]) assert.ok(Deno.statSync(`${home.path}/${inbox}/${part}`).isDirectory);
  }
});

Deno.test("each address gets a key file of its own, and options reach the settings", async () => {
  using home = emptyHome();
  const config = `${home.path}/elsewhere/my.toml`;
  const addresses = ["greg@example.org", "Ann+x@example.org", '"a b"@example.org'];
  const args = addresses.flatMap((one) => ["--address", one]);
  const program = ["--command", " /usr/bin/msmtp  -a work", "--spam", "junk"];
  const made = await countersign(home, ["init", "--yes", `--config=${config}`, ...args, ...program]);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  const settings = parseConfig(Deno.readTextFileSync(config), { file: config, home: home.path });
  assert.deepEqual(settings.identity.map(({ address, srs_domain, keys }) => [address, srs_domain, keys]), [
    ["greg@example.org", "", `${home.path}/elsewhere/keys`],
    ["Ann+x@example.org", "", `${home.path}/elsewhere/keys-ann+x@example.org`],
    ['"a b"@example.org', "", `${home.path}/elsewhere/keys-3`],
  ]);
  const secrets = settings.identity.map(({ keys }) => parseKeys(Deno.readTextFileSync(keys), keys)[0]!.secret.toHex());
  assert.equal(new Set(secrets).size, 3);
  assert.deepEqual([settings.transport.preset, settings.transport.command], ["msmtp", [
    "/usr/bin/msmtp",
    "-a",
    "work",
  ]]);
  assert.equal(settings.incoming.spam, `${home.path}/junk`);
  assert.match(made.stdout, /^No SRS domain: /m);
  // The programs do not search that path.
  assert.equal((await pastes(home, "--config", config))["~/.profile"], `export COUNTERSIGN_CONFIG='${config}'\n`);
});

Deno.test("a submission server: its settings and its password file", async () => {
  const table: [string[], Partial<ReturnType<typeof settingsOf>["transport"]>][] = [
    [[], { host: "smtp.example.org", port: 0, security: "tls", ca: "", user: "", password_file: "" }],
    [["--port", "587"], { port: 587, security: "starttls" }],
    [["--port", "587", "--security", "tls"], { port: 587, security: "tls" }],
    [["--security", "starttls", "--ca", "/etc/ca.pem"], { port: 0, security: "starttls", ca: "/etc/ca.pem" }],
    [["--user", "greg"], { user: "greg", password_file: "~/.config/countersign/password" }],
    [["--user", "greg", "--password-file", "~/.p"], { user: "greg", password_file: "~/.p" }],
  ];
  for (const [args, expected] of table) {
    using home = emptyHome();
    const made = await countersign(home, ["init", "--yes", ...GREG, ...SMTP, ...args]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    const { transport } = settingsOf(home);
    assert.equal(transport.via, "smtp");
    for (const [name, value] of Object.entries(expected)) {
      const found = transport[name as keyof typeof transport];
      assert.equal(found, `${value}`.startsWith("~") ? `${value}`.replace("~", home.path) : value, `${args} ${name}`);
    }
    const { password_file } = transport;
    assert.equal(made.stdout.includes(`(umask 077; cat >${password_file})`), password_file !== "", made.stdout);
  }
});

/** [arguments, error message, status] */
const usageErrors: [string[], RegExp, number][] = [
  [[...GREG, ...TRY], /not a terminal: give --yes/, 64],
  [["--yes", "--via", "pigeon", ...GREG], /--via is "pigeon", not one of: command, smtp, maildir/, 64],
  [["--yes", "--via", "smtp", ...GREG], /No server given: give --host/, 64],
  [["--yes", "--host", "smtp.example.org", ...GREG], /--host needs --via smtp/, 64],
  [["--yes", ...SMTP, ...GREG, "--maildir", "x"], /--maildir needs --via maildir/, 64],
  [["--yes", ...SMTP, ...GREG, "--preset", "exim"], /--preset needs --via command/, 64],
  [["--yes", ...SMTP, ...GREG, "--port", "smtp"], /--port is "smtp", not a number/, 64],
  [["--yes", ...SMTP, ...GREG, "--port", "65536"], /transport\.port: 65536 is not a whole number/, 78],
  [["--yes", ...SMTP, ...GREG, "--security", "ssl"], /--security is "ssl", not one of: tls, starttls, none/, 64],
  [["--yes", ...SMTP, ...GREG, "--security", "none"], /is allowed for a server on this machine only/, 78],
  [["--yes", ...SMTP, ...GREG, "--password-file", "x"], /--password-file needs --user/, 64],
  [["--yes", "--adress", "x"], /Unknown option "--adress": did you mean --address\?/, 64],
  [["--yes", ...GREG, ...TRY, "more"], /Unknown argument "more"/, 64],
  [["--yes", "--address", "greg", ...TRY], /"greg" has no @/, 64],
  [["--yes", ...GREG, "--address", "GREG@example.org", ...TRY], /given twice/, 64],
  [
    ["--yes", "--address", "greg@example.org", "--srs-domain", "example.org", ...TRY],
    /: use another one, such as srs\.example\.org/,
    64,
  ],
  [["--yes", "--address", "greg@example.org", "--srs-domain", "a b", ...TRY], /not well formed/, 64],
  [["--yes", ...GREG, ...TRY, "--command", "/bin/x"], /--command needs --via command/, 64],
  [["--yes", ...GREG, "--maildir", "x"], /needs --via maildir/, 64],
  [["--yes", ...GREG, "--command", "msmtp"], /"msmtp" is not an absolute path/, 64],
  [["--yes", ...GREG, "--command", "/bin/cat"], /No preset known for "\/bin\/cat": give --preset/, 64],
  [["--yes", ...GREG, "--command", "/bin/cat", "--preset", "cat"], /transport\.preset: "cat"/, 78],
  [["--yes", ...GREG, ...TRY, "--spam", ""], /path is empty/, 64],
  [["--yes", ...GREG, ...TRY, "--spam", "a\nb"], /incoming\.spam/, 78],
];
for (const [args, pattern, status] of usageErrors) {
  Deno.test(`init ${JSON.stringify(args)} is rejected with one line, and writes nothing`, async () => {
    using home = emptyHome();
    oneLine(await countersign(home, ["init", ...args]), status, pattern);
    assert.ok(!below(home.path).some((name) => name.startsWith(".config") || name.startsWith("Maildir")));
  });
}

Deno.test("init --help has an example", async () => {
  using home = emptyHome();
  const ran = await countersign(home, ["init", "--help"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^Usage: countersign init [^]*^Example: countersign init --address /m);
});

const onMutt = await need("mutt");
onMutt("mutt sends with the line that init prints", async () => {
  using home = emptyHome();
  assert.equal((await countersign(home, ["init", "--yes", ...GREG, ...TRY])).code, 0);
  const lines = (await pastes(home))["~/.muttrc"]!;
  assert.match(lines, new RegExp(`^set sendmail="${ROOT}/shim/shim"$`, "m"));
  home.write(".muttrc", `set copy=no\n${lines}`);
  const env = { LC_ALL: "C.UTF-8", USER: "greg" };
  const sent = await home.run(["mutt", "-n", "-s", "Lunch?", "--", "ann@example.net"], "At one?\n", env);
  assert.deepEqual(sent, { code: 0, stdout: "", stderr: "" });
  assert.match(fieldOf(home.mails("out")[0]!, "Return-Path"), /^<SRS0=.*=example\.org=greg@srs\.example\.org>$/);
});

Deno.test("the address that mutt already uses, maybe with a name, is not set again", async () => {
  for (const [name, expected] of [["greg", false], ["other", true]] as const) {
    using home = emptyHome();
    home.write(".muttrc", `set from="Greg <${name}@example.org>"\n`);
    assert.equal((await countersign(home, ["init", "--yes", ...GREG, ...TRY])).code, 0);
    const text = (await pastes(home))["~/.muttrc"];
    if (text !== undefined) assert.equal(/^set from="greg@example\.org"$/m.test(text), expected);
  }
});

const onMaildrop = await need("maildrop");
onMaildrop("maildrop judges with the lines that init prints", async () => {
  using home = emptyHome();
  assert.equal((await countersign(home, ["init", "--yes", ...GREG, ...TRY])).code, 0);
  const lines = Object.entries(await pastes(home)).find(([into]) => into.startsWith("~/.mailfilter"))![1];
  // maildrop does not use HOME and PATH of its caller.
  const top = `HOME="${home.path}"\nPATH="${home.path}/bin:/usr/bin:/bin"\n`;
  const file = home.write(".mailfilter", `${top}${lines}to "$HOME/in"\n`, 0o600);
  for (const part of ["", "/tmp", "/new", "/cur"]) Deno.mkdirSync(`${home.path}/in${part}`);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  const [out] = home.mails("out") as [string];
  const sender = fieldOf(out, "Return-Path").replace(/[<>]/g, "");
  const filter = (recipient: string) =>
    home.run(["maildrop", file], qsbmf(recipient, out), { SENDER: "", RECIPIENT: recipient });
  assert.equal((await filter(sender)).code, 0);
  assert.deepEqual([home.mails("in").length, home.mails("Maildir/.Spam").length], [1, 0]);
  assert.equal((await filter(sender.replace(/=.{8}=/, "=aaaaaaaa="))).code, 0);
  assert.deepEqual([home.mails("in").length, home.mails("Maildir/.Spam").length], [1, 1]);
});

const onTerminal = await needOnTerminal("sed");
onTerminal(
  "on a terminal init asks five questions, repeats one after a wrong answer, and ends with one screen",
  async () => {
    using home = emptyHome();
    home.write(".muttrc", "set from=greg@example.org\n");
    await using terminal = await Terminal.open(home, [...COUNTERSIGN, "init"], 80, 24);
    // The address that was found is the default.
    await terminal.shows(/Your addresses, separated by spaces: greg@example\.org/);
    await terminal.press("Enter");
    await terminal.shows(/SRS domain .*: *$/m);
    await terminal.type("example.org");
    await terminal.press("Enter");
    await terminal.shows(/use another one/);
    await terminal.type("srs.example.org");
    await terminal.press("Enter");
    await terminal.shows(/Program that sends your mail, or your provider's server:/);
    await terminal.press("C-u");
    await terminal.type("smtp.example.net");
    await terminal.press("Enter");
    await terminal.shows(/Login name.*: *$/m);
    await terminal.type("greg");
    await terminal.press("Enter");
    // Nothing is filled in, so that y is the whole answer.
    await terminal.shows(/accept the contract that they state \(y\/N\): *$/m);
    await terminal.type("maybe");
    await terminal.press("Enter");
    await terminal.shows(/"maybe" is not yes or no/);
    assert.equal(home.read(`${FOLDER}/config.toml`), "");
    await terminal.type("y");
    await terminal.press("Enter");
    assert.equal(await terminal.ended(), 0);
    const { identity: [identity], incoming, challenge, transport } = settingsOf(home);
    assert.equal(challenge.answer, true, "challenges are answered only after a yes");
    assert.deepEqual([identity!.address, identity!.srs_domain], ["greg@example.org", "srs.example.org"]);
    assert.equal(incoming.spam, `${home.path}/Maildir/.Spam`);
    assert.deepEqual(
      [transport.via, transport.host, transport.user, transport.password_file],
      ["smtp", "smtp.example.net", "greg", `${home.path}/${FOLDER}/password`],
    );
    // The end of the output, with all that it says, is on one screen.
    const screen = await terminal.shows(/Next: countersign doctor/);
    for (
      const part of [
        /^Written in ~\/\.config\/countersign\/: config\.toml, /m,
        /^set sendmail=/m,
        /To see one filed now/,
      ]
    ) {
      assert.match(screen, part);
    }
  },
);

onTerminal("on a terminal nothing is written before the last answer", async () => {
  using home = emptyHome();
  await using terminal = await Terminal.open(home, [...COUNTERSIGN, "init", ...GREG, ...TRY]);
  await terminal.shows(/\(y\/N\): *$/m);
  await terminal.press("C-d");
  assert.equal(await terminal.ended(), 64);
  assert.ok(!below(home.path).includes(".config"));
});

for (const srs of [["--srs-domain", "srs.example.org"], []]) {
  Deno.test(`the printed command files a forged bounce, ${srs.length > 0 ? "at once" : "without an SRS domain"}`, async () => {
    using home = emptyHome();
    const made = await countersign(home, ["init", "--yes", "--address", "greg@example.org", ...srs, ...TRY]);
    const [, command = ""] = /To see one filed now[^]*?:\n([^]*)\nNext: countersign doctor\n$/.exec(made.stdout) ?? [];
    const run = async () => (await home.run(["/bin/sh", "-c", command])).stdout.split("\n").length - 1;
    if (srs.length === 0) {
      assert.equal(await run(), 0, "it is only marked");
      const text = home.read(`${FOLDER}/config.toml`);
      home.write(`${FOLDER}/config.toml`, text.replace("[incoming]\n", "[incoming]\ngrace = 0\n"), 0o600);
    }
    assert.equal(await run(), 1);
    assert.match(fieldOf(home.mails("Maildir/.Spam")[0]!, "X-Countersign"), /^forged;/);
  });
}

Deno.test("--print-all prints the lines for existing settings, and writes nothing", async () => {
  using home = emptyHome();
  const command = home.write("bin/sendmail", "#!/bin/sh\n", 0o755);
  const made = await countersign(home, ["init", "--yes", ...GREG, "--command", command, "--preset", "postfix"]);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  const before = below(home.path);
  const all = await pastes(home);
  const text = all["/etc/postfix/main.cf"]!;
  assert.match(text, /^# /m);
  assert.match(text, /^relay_domains = srs\.example\.org$/m);
  assert.deepEqual(below(home.path), before);
  // The settings decide, so that other options would be ignored.
  oneLine(
    await countersign(home, ["init", "--print-all", "--srs-domain", "x.example.org"]),
    64,
    /config\.toml: Settings file already exists, and option --srs-domain is given: /,
  );
});
