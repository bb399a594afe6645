/**
 * Ordinary mail under qmail, which the launcher passes on without starting the hook. For a table of envelopes: if the
 * launcher decides, the hook exits with the same status and files nothing; and it decides only where the table says so.
 */
import assert from "node:assert/strict";
import { prvsSign, srsForward } from "../mod.ts";
import { Home, ROOT, SECRET } from "./rig.ts";

const HOOK = `${ROOT}/hooks/incoming`;
const MAIL = "From: jo@b.example\nTo: greg@example.org\nSubject: Hello\nMessage-ID: <1@b.example>\n\nHi.\n";
const DELIVERS = `|${HOOK}\n./Maildir/\n`;
const [JO, GREG] = ["jo@b.example", "greg@example.org"];

/** Exit status of a replacement for Deno, which shows that the hook would have been started. */
const STARTED = 10;

/** An envelope, the hook's arguments and the .qmail file; undefined for a variable that is not set. */
interface Row {
  readonly SENDER?: string | undefined;
  readonly RECIPIENT?: string | undefined;
  readonly EXT?: string | undefined;
  readonly DEFAULT?: string | undefined;
  readonly HOST?: string | undefined;
  readonly ORIGINAL_RECIPIENT?: string | undefined;
  readonly args?: readonly string[];
  readonly qmail?: string;
}

const signed = await srsForward(GREG, "srs.example.org", { secrets: [SECRET], now: new Date() });
const prvs = await prvsSign(GREG, { secret: SECRET, now: new Date() });
const [hash, plain] = [prvs.split("=")[1]!, "greg"];

/** Senders of ordinary mail. */
const ORDINARY_SENDERS = [
  ...[
    JO,
    "JO@B.EXAMPLE",
    "jo.van-der_x@sub.b.example",
    "list-return-12-greg=example.org@lists.example",
    "a+b@b.example",
  ],
  ...["owner-list@lists.example", "postmaster@b.example", "root@localhost", "bounce-5~7@b.example", "a@b@c.example"],
  ...["SRS0=AAAA=BB=c.example=jo@b.example", "prvs=0123abcdef=jo@b.example", GREG, signed, "x/y#z@b.example"],
];

/** Senders that are left to the hook: null, daemons, and unusual ones. */
const OTHER_SENDERS = [
  ...["", undefined, "<>", "#@[]", "<#@[]>", "#@[].b.example", "mailer-daemon", "MAILER-DAEMON", "Mailer-Daemon"],
  ...["mailer-daemon@b.example", "MAILER-DAEMON@b.example", "Mailer-dAEMON@mx.b.example", "<mailer-daemon@b.example>"],
  ...[
    '"mailer-daemon"@b.example',
    "mailer-daemon@",
    "mailer-daemon@b@c",
    "daemon@b.example",
    "x-mailer-daemon@b.example",
  ],
  ...[
    "jo",
    "@b.example",
    "jo@",
    "<jo@b.example>",
    '"jo x"@b.example',
    "jo x@b.example",
    "jo@b.example\n",
    "j\ro@b.example",
  ],
  ...[
    "jo@b.example,x",
    "müller@b.example",
    "list-@b.example-@[]",
    "jo@[192.0.2.1]",
    "*@b.example",
    "jo@b.example ",
    "\t",
  ],
];

/** An identity's plain address in upper and lower case. */
const PLAIN_ADDRESSES = [GREG, "Greg@example.org", "GREG@EXAMPLE.ORG", "greg@Example.ORG", "gREG@eXAMPLE.oRG"];

/** Recipients that the sandbox file does not list, among them signed addresses. */
const OTHER_RECIPIENTS = [
  ...["", undefined, "greg", "greg@", "@example.org", "ann@example.org", "greg@example.net", "xgreg@example.org"],
  ...["greg@example.org.", '"greg"@example.org', "<greg@example.org>", "greg@example.org ", " greg@example.org"],
  ...[
    "greg@example.orgx",
    "greg+x@example.org",
    "greg-x@example.org",
    "gre%67@example.org",
    "greg@example.org@b.example",
  ],
  ...["*@example.org", "????@example.org", "[g]reg@example.org", "grég@example.org", "greg@example.org\nordinary x@y"],
  ...[
    signed,
    signed.toUpperCase(),
    signed.toLowerCase(),
    signed.replace("SRS0", "sRs0"),
    `"${signed.split("@")[0]}"@srs.example.org`,
  ],
  ...[
    signed.replace("srs.example", "SRS.Example"),
    `${signed}.`,
    `alias-srs-${signed}`,
    `srs-${signed.replace("srs.", "")}`,
  ],
  ...[
    "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org",
    "srs1+AAAA=c.example==AAAA=BB=example.org=greg@srs.example.org",
  ],
  ...["anything@srs.example.org", "postmaster@srs.example.org", "greg@SRS.example.org"],
  ...[
    prvs,
    prvs.toUpperCase(),
    `PRVS=${hash}=${plain}@example.org`,
    `"prvs=${hash}=greg"@example.org`,
    `greg+prvs=${hash}@example.org`,
  ],
  ...["prvs=0000000000=greg@example.org", `prvs=${hash}=GREG@Example.Org`, `greg-prvs=${hash}@example.org`],
];

/** Other variables of ordinary mail. */
const ORDINARY_ENV: Row[] = [
  ...["example.org", "EXAMPLE.ORG", "Example.Org", "srs.example.org", "b.example", "", undefined].map((HOST) => ({
    HOST,
  })),
  ...[signed, prvs, "", "x"].map((ORIGINAL_RECIPIENT) => ({ ORIGINAL_RECIPIENT })),
  { EXT: undefined },
];
const OTHER_ENV: Row[] = [
  ...["x", "greg", "SRS0=AAAA=BB=c=d", "-", " ", signed.split("@")[0]!, "*", "../x"].map((EXT) => ({ EXT })),
  ...["", "x", "SRS0=AAAA=BB=c=d", signed.split("@")[0]!].flatMap((
    DEFAULT,
  ) => [{ DEFAULT }, { DEFAULT, EXT: DEFAULT }]),
];

/** Dot-qmail files in which a line after the hook's delivers. */
const DELIVERED_LATER = [
  ...[
    "./Maildir/\n",
    "./Maildir/",
    "/var/mail/greg\n",
    "&ann@example.net\n",
    "ann@example.net\n",
    "|preline procmail\n",
  ],
  ...["# comment\n\n./Maildir/\n", "./Maildir/\r\n", "\n\n&x@y\n# end\n", "&x@y\n./Maildir/\n", "   \n./Maildir/\n"],
].map((rest) => `|${HOOK}\n${rest}`).concat([
  `# first\n|${HOOK}\n./Maildir/\n`,
  `|exec ${HOOK}\n./Maildir/\n`,
  `|/usr/bin/env ${HOOK} --as qmail\n./Maildir/\n`,
  `|${HOOK}\n|${HOOK}\n./Maildir/\n`,
  `./Backup/\n|${HOOK}\n./Maildir/\n`,
]);

/** Other dot-qmail files: no delivery after the hook, or a line that may do more than call the hook. */
const OTHER_QMAIL_FILES = [
  ...["", "\n", "# comment\n", "#./Maildir/\n", "   \n", "\t\n", "+list\n", "\n\n# a\n\n"].map((rest) =>
    `|${HOOK}\n${rest}`
  ),
  ...["", "\n", "./Maildir/\n", "|wrapper\n./Maildir/\n", "|wrapper", "# |incoming\n./Maildir/\n"],
  ...[`./Maildir/\n|${HOOK}\n`, `&x@y\n|${HOOK}\n# end`, `|${HOOK}\n./Maildir/\n|${HOOK}\n`, `|${HOOK} && x\n`],
  ...[`|if ${HOOK}; then cat; fi\n`, `|${HOOK}; cat\n`, `#|${HOOK}\n./Maildir/\n`, ` |${HOOK}\n./Maildir/\n`],
];

/** Arguments with which the launcher may decide. */
const PLAIN_ARGS = [[], ["--as", "qmail"], ["--as=qmail"], ["--as", "maildrop", "--as", "qmail"]];
const OTHER_ARGS = [
  ...[["--as", "maildrop"], ["--as", "procmail"], ["--as", "postfix"], ["--as=filter"], ["--as", "condredirect"]],
  ...[["--as", "qmail", "--as", "maildrop"], ["--as"], ["--as", "qmail", "--as"], ["--as="], ["--as", "nobody"]],
  ...[["--maildir", "Maildir"], ["--maildir=Maildir"], ["--forward"], ["--sender", ""], ["--recipient", signed]],
  ...[["--sender=", "--as", "qmail"], ["--"], ["--", JO, GREG], [JO], ["--help"], ["--nonsense"], [""]],
  ...[["--config", ".config/countersign/config.toml"], ["--config="]],
];

/** Rows for which the launcher decides, and rows for which it starts the hook. */
const BY_LAUNCHER: Row[] = [
  ...ORDINARY_SENDERS.flatMap((SENDER) => PLAIN_ADDRESSES.map((RECIPIENT) => ({ SENDER, RECIPIENT }))),
  ...ORDINARY_ENV,
  ...DELIVERED_LATER.map((qmail) => ({ qmail })),
  ...PLAIN_ARGS.map((args) => ({ args })),
];
const BY_HOOK: Row[] = [
  ...OTHER_SENDERS.flatMap((SENDER) => PLAIN_ADDRESSES.slice(0, 2).map((RECIPIENT) => ({ SENDER, RECIPIENT }))),
  ...OTHER_RECIPIENTS.flatMap((RECIPIENT) => [JO, ""].map((SENDER) => ({ SENDER, RECIPIENT }))),
  ...OTHER_ENV,
  ...OTHER_QMAIL_FILES.map((qmail) => ({ qmail })),
  ...OTHER_ARGS.map((args) => ({ args })),
];

/**
 * A home whose sandbox file lists greg's address and where Deno is replaced; `real`: not listed, with the real Deno.
 */
function makeHome(real: boolean): Home {
  const home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/Spam"\n`);
  assert.match(home.read(SANDBOX), /^ordinary greg@example\.org$/m);
  home.write(".qmail", DELIVERS);
  if (real) home.write(SANDBOX, home.read(SANDBOX).replace(/^ordinary .*\n/m, ""));
  else {
    Deno.removeSync(`${home.path}/bin/deno`);
    home.write("bin/deno", `#!/bin/sh\ncat >/dev/null\nexit ${STARTED}\n`, 0o755);
  }
  return home;
}
const SANDBOX = ".config/countersign/config.sandbox";
const CONFIG = ".config/countersign/config.toml";

async function run(at: Home, { args = [], qmail = DELIVERS, ...given }: Row): Promise<number> {
  if (at.read(".qmail") !== qmail) at.write(".qmail", qmail);
  const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org", ...given };
  const set = Object.entries(env).filter((one): one is [string, string] => one[1] !== undefined);
  const { code } = await at.run([HOOK, ...args], MAIL, Object.fromEntries(set));
  return code;
}

Deno.test("the table has at least 300 envelopes", () => {
  assert.ok(BY_LAUNCHER.length + BY_HOOK.length >= 300, String(BY_LAUNCHER.length + BY_HOOK.length));
});

Deno.test("where the launcher decides, the hook exits with the same status and files nothing", async () => {
  using launcher = makeHome(false);
  using hook = makeHome(true);
  for (const row of BY_LAUNCHER) {
    assert.equal(await run(launcher, row), 0, `the launcher, ${JSON.stringify(row)}`);
    assert.equal(await run(hook, row), 0, `the hook, ${JSON.stringify(row)}`);
  }
  for (const folder of ["Spam", "out", "Maildir"]) assert.deepEqual(hook.mails(folder), []);
  assert.equal(launcher.read(".local/state/countersign/log"), "", "ordinary mail is not logged");
});

Deno.test("for all other mail the hook is started", async () => {
  using launcher = makeHome(false);
  for (const row of BY_HOOK) {
    // Only for a caller that expects 111 the launcher would change this status.
    assert.equal(await run(launcher, row), STARTED, JSON.stringify(row));
  }
});

/** [what, change to the home] */
const homes: [string, (home: Home) => unknown][] = [
  ["the settings are newer than the sandbox file", (h) => h.path && touch(h, CONFIG, 1)],
  ["the settings are as old as the sandbox file", (h) => touch(h, CONFIG, 0)],
  ["the settings are missing", (h) => Deno.removeSync(`${h.path}/${CONFIG}`)],
  ["the sandbox file is missing", (h) => Deno.removeSync(`${h.path}/${SANDBOX}`)],
  [".qmail is missing", (h) => Deno.removeSync(`${h.path}/.qmail`)],
  [".qmail is a folder", (h) => (Deno.removeSync(`${h.path}/.qmail`), Deno.mkdirSync(`${h.path}/.qmail`))],
  [".qmail is a FIFO", (h) => {
    Deno.removeSync(`${h.path}/.qmail`);
    new Deno.Command("mkfifo", { args: [`${h.path}/.qmail`] }).outputSync();
  }],
  [".qmail is a dangling link", (h) => {
    Deno.removeSync(`${h.path}/.qmail`);
    Deno.symlinkSync("/nonexistent", `${h.path}/.qmail`);
  }],
  [
    "challenges are answered",
    (h) => h.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[challenge]\nanswer = true\n`),
  ],
  ["tag.pymsgauth is set", (h) => {
    h.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[tag]\npymsgauth = "~/.pymsgauth"\n`);
  }],
  ["the sandbox file lists another address", (h) => edit(h, (text) => text.replace("ordinary greg@", "ordinary ann@"))],
  [
    "the sandbox file lists a longer address",
    (h) => edit(h, (text) => text.replace("ordinary greg@example.org", "$&.net")),
  ],
  ["the sandbox file lists a pattern", (h) => edit(h, (text) => text.replace("ordinary greg@", "ordinary *@"))],
];

/** Sets the time of a file to that many seconds after the sandbox file. */
function touch(at: Home, name: string, seconds: number): void {
  const now = Date.now();
  Deno.utimeSync(`${at.path}/${SANDBOX}`, new Date(now), new Date(now));
  Deno.utimeSync(`${at.path}/${name}`, new Date(now), new Date(now + seconds * 1000));
}

/** Changes the sandbox file, which stays newer than the settings. */
function edit(at: Home, change: (text: string) => string): void {
  at.write(SANDBOX, change(at.read(SANDBOX)));
}

for (const [what, change] of homes) {
  Deno.test(`${what}: the hook is started`, async () => {
    using launcher = makeHome(false);
    change(launcher);
    const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
    assert.equal((await launcher.run([HOOK], MAIL, env)).code, STARTED);
  });
}

Deno.test({ name: "with an unreadable .qmail the hook is started", ignore: Deno.uid() !== 0 }, async () => {
  using launcher = makeHome(false);
  Deno.chmodSync(launcher.path, 0o755);
  for (const path of [".config", ".config/countersign", SANDBOX, CONFIG]) {
    Deno.chmodSync(`${launcher.path}/${path}`, 0o755);
  }
  const user = ["/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", HOOK];
  const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
  assert.equal((await launcher.run(user, MAIL, env)).code, 0, "readable");
  Deno.chmodSync(`${launcher.path}/.qmail`, 0o600);
  assert.equal((await launcher.run(user, MAIL, env)).code, STARTED);
});

Deno.test("for a sender or recipient that is not UTF-8 the hook is started", async () => {
  using launcher = makeHome(false);
  for (const name of ["SENDER", "RECIPIENT"]) {
    const line = `${name}=$(printf 'm\\374ller@example.org'); export ${name}; exec "$0"`;
    const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
    assert.equal((await launcher.run(["/bin/sh", "-c", line, HOOK], MAIL, env)).code, STARTED);
  }
});

Deno.test("a hook called by another name recognizes only lines with that name as its own", async () => {
  using launcher = makeHome(false);
  Deno.symlinkSync(HOOK, `${launcher.path}/bin/check`);
  const rows: [string, number][] = [
    ["|$HOME/bin/check\n./Maildir/\n", 0],
    [`|${HOOK}\n./Maildir/\n`, STARTED],
    [`./Maildir/\n|$HOME/bin/check\n`, STARTED],
    [`|check\n./Maildir/\n`, 0],
    [`|"$HOME/bin/check" --as qmail\n./Maildir/\n`, 0],
    [`|$HOME/check/filter\n./Maildir/\n`, STARTED],
    [`|$HOME/bin/pre-check\n./Maildir/\n`, STARTED],
    [`|$HOME/bin/check.sh\n./Maildir/\n`, STARTED],
    [`&check@example.com\n./Maildir/\n`, STARTED],
  ];
  for (const [qmail, status] of rows) {
    launcher.write(".qmail", qmail);
    const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
    assert.equal((await launcher.run([`${launcher.path}/bin/check`], MAIL, env)).code, status, qmail);
  }
});
