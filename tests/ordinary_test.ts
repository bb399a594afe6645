/**
 * Ordinary mail under qmail, which the launcher lets pass without the hook. A table of envelopes: where the launcher
 * answers, the hook gives the same status and files nothing; and the launcher answers only where the table says so.
 */
import assert from "node:assert/strict";
import { prvsSign, srsForward } from "../mod.ts";
import { Home, ROOT, SECRET } from "./rig.ts";

const HOOK = `${ROOT}/hooks/incoming`;
const MAIL = "From: jo@b.example\nTo: greg@example.org\nSubject: Hello\nMessage-ID: <1@b.example>\n\nHi.\n";
const DELIVERS = `|${HOOK}\n./Maildir/\n`;
const [JO, GREG] = ["jo@b.example", "greg@example.org"];

/** What a stand-in for Deno ends with, which shows that the hook would have been started. */
const STARTED = 10;

/** An envelope, and how the hook is called; undefined for a variable that is not set. */
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

/** Senders with which ordinary mail comes. */
const PEOPLE = [
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

/** Senders that only the hook may judge, and some that it need not, but that are odd. */
const OTHERS = [
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

/** Spellings of an identity's plain address. */
const INSTALLATION_CHECKS = [GREG, "Greg@example.org", "GREG@EXAMPLE.ORG", "greg@Example.ORG", "gREG@eXAMPLE.oRG"];

/** Recipients that the hook has to look at, or that are not listed. */
const ELSEWHERE = [
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

/** Environments beside sender and recipient. */
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

/** Dot-qmail files in which a line behind the hook's delivers. */
const GO_ON = [
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

/** Others: nothing behind the hook, or somebody who knows better. */
const HOOK_DECIDES = [
  ...["", "\n", "# comment\n", "#./Maildir/\n", "   \n", "\t\n", "+list\n", "\n\n# a\n\n"].map((rest) =>
    `|${HOOK}\n${rest}`
  ),
  ...["", "\n", "./Maildir/\n", "|wrapper\n./Maildir/\n", "|wrapper", "# |incoming\n./Maildir/\n"],
  ...[`./Maildir/\n|${HOOK}\n`, `&x@y\n|${HOOK}\n# end`, `|${HOOK}\n./Maildir/\n|${HOOK}\n`, `|${HOOK} && x\n`],
  ...[`|if ${HOOK}; then cat; fi\n`, `|${HOOK}; cat\n`, `#|${HOOK}\n./Maildir/\n`, ` |${HOOK}\n./Maildir/\n`],
];

/** How it is called. */
const PLAIN_ARGS = [[], ["--as", "qmail"], ["--as=qmail"], ["--as", "maildrop", "--as", "qmail"]];
const OTHER_ARGS = [
  ...[["--as", "maildrop"], ["--as", "procmail"], ["--as", "postfix"], ["--as=filter"], ["--as", "condredirect"]],
  ...[["--as", "qmail", "--as", "maildrop"], ["--as"], ["--as", "qmail", "--as"], ["--as="], ["--as", "nobody"]],
  ...[["--maildir", "Maildir"], ["--maildir=Maildir"], ["--forward"], ["--sender", ""], ["--recipient", signed]],
  ...[["--sender=", "--as", "qmail"], ["--"], ["--", JO, GREG], [JO], ["--help"], ["--nonsense"], [""]],
  ...[["--config", ".config/countersign/config.toml"], ["--config="]],
];

/** Rows with which the launcher answers by itself, and rows with which it starts the hook. */
const ANSWERED: Row[] = [
  ...PEOPLE.flatMap((SENDER) => INSTALLATION_CHECKS.map((RECIPIENT) => ({ SENDER, RECIPIENT }))),
  ...ORDINARY_ENV,
  ...GO_ON.map((qmail) => ({ qmail })),
  ...PLAIN_ARGS.map((args) => ({ args })),
];
const JUDGED: Row[] = [
  ...OTHERS.flatMap((SENDER) => INSTALLATION_CHECKS.slice(0, 2).map((RECIPIENT) => ({ SENDER, RECIPIENT }))),
  ...ELSEWHERE.flatMap((RECIPIENT) => [JO, ""].map((SENDER) => ({ SENDER, RECIPIENT }))),
  ...OTHER_ENV,
  ...HOOK_DECIDES.map((qmail) => ({ qmail })),
  ...OTHER_ARGS.map((args) => ({ args })),
];

/** A home whose sandbox lists greg's address; Deno is a stand-in, or the real one and the address is not listed. */
function home(real: boolean): Home {
  const made = new Home();
  made.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/Spam"\n`);
  assert.match(made.read(SANDBOX), /^ordinary greg@example\.org$/m);
  made.write(".qmail", DELIVERS);
  if (real) made.write(SANDBOX, made.read(SANDBOX).replace(/^ordinary .*\n/m, ""));
  else {
    Deno.removeSync(`${made.path}/bin/deno`);
    made.write("bin/deno", `#!/bin/sh\ncat >/dev/null\nexit ${STARTED}\n`, 0o755);
  }
  return made;
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

Deno.test("the table has some 300 envelopes", () => {
  assert.ok(ANSWERED.length + JUDGED.length >= 300, String(ANSWERED.length + JUDGED.length));
});

Deno.test("where the launcher answers by itself, the hook says the same and files nothing", async () => {
  using launcher = home(false);
  using hook = home(true);
  for (const row of ANSWERED) {
    assert.equal(await run(launcher, row), 0, `the launcher, ${JSON.stringify(row)}`);
    assert.equal(await run(hook, row), 0, `the hook, ${JSON.stringify(row)}`);
  }
  for (const folder of ["Spam", "out", "Maildir"]) assert.deepEqual(hook.mails(folder), []);
  assert.equal(launcher.read(".local/state/countersign/log"), "", "ordinary mail is not logged");
});

Deno.test("all other mail starts the hook", async () => {
  using launcher = home(false);
  for (const row of JUDGED) {
    // A caller that knows 111 only gets that from a status that is none of a hook's.
    assert.equal(await run(launcher, row), STARTED, JSON.stringify(row));
  }
});

/** [what, how the home is changed] */
const homes: [string, (home: Home) => unknown][] = [
  ["the settings are newer than the sandbox", (h) => h.path && touch(h, CONFIG, 1)],
  ["the settings are as old as the sandbox", (h) => touch(h, CONFIG, 0)],
  ["there are no settings", (h) => Deno.removeSync(`${h.path}/${CONFIG}`)],
  ["there is no sandbox", (h) => Deno.removeSync(`${h.path}/${SANDBOX}`)],
  ["there is no .qmail", (h) => Deno.removeSync(`${h.path}/.qmail`)],
  [".qmail is a folder", (h) => (Deno.removeSync(`${h.path}/.qmail`), Deno.mkdirSync(`${h.path}/.qmail`))],
  [".qmail is a FIFO", (h) => {
    Deno.removeSync(`${h.path}/.qmail`);
    new Deno.Command("mkfifo", { args: [`${h.path}/.qmail`] }).outputSync();
  }],
  [".qmail leads nowhere", (h) => {
    Deno.removeSync(`${h.path}/.qmail`);
    Deno.symlinkSync("/nonexistent", `${h.path}/.qmail`);
  }],
  [
    "challenges are answered",
    (h) => h.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[challenge]\nanswer = true\n`),
  ],
  ["tokens of pymsgauth are answered", (h) => {
    h.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[tag]\npymsgauth = "~/.pymsgauth"\n`);
  }],
  ["the sandbox lists another address", (h) => edit(h, (text) => text.replace("ordinary greg@", "ordinary ann@"))],
  ["the sandbox lists a longer address", (h) => edit(h, (text) => text.replace("ordinary greg@example.org", "$&.net"))],
  ["the sandbox lists a pattern", (h) => edit(h, (text) => text.replace("ordinary greg@", "ordinary *@"))],
];

/** Dates a file so many seconds after the sandbox. */
function touch(at: Home, name: string, seconds: number): void {
  const now = Date.now();
  Deno.utimeSync(`${at.path}/${SANDBOX}`, new Date(now), new Date(now));
  Deno.utimeSync(`${at.path}/${name}`, new Date(now), new Date(now + seconds * 1000));
}

/** Changes the sandbox; it stays newer than the settings. */
function edit(at: Home, change: (text: string) => string): void {
  at.write(SANDBOX, change(at.read(SANDBOX)));
}

for (const [what, change] of homes) {
  Deno.test(`${what}: the hook is started`, async () => {
    using launcher = home(false);
    change(launcher);
    const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
    assert.equal((await launcher.run([HOOK], MAIL, env)).code, STARTED);
  });
}

Deno.test({ name: "a .qmail that cannot be read is left to the hook", ignore: Deno.uid() !== 0 }, async () => {
  using launcher = home(false);
  Deno.chmodSync(launcher.path, 0o755);
  for (const path of [".config", ".config/countersign", SANDBOX, CONFIG]) {
    Deno.chmodSync(`${launcher.path}/${path}`, 0o755);
  }
  const user = ["/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", HOOK];
  const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
  assert.equal((await launcher.run(user, MAIL, env)).code, 0, "it can be read");
  Deno.chmodSync(`${launcher.path}/.qmail`, 0o600);
  assert.equal((await launcher.run(user, MAIL, env)).code, STARTED);
});

Deno.test("a sender or recipient with bytes that are not UTF-8 is left to the hook", async () => {
  using launcher = home(false);
  for (const name of ["SENDER", "RECIPIENT"]) {
    const line = `${name}=$(printf 'm\\374ller@example.org'); export ${name}; exec "$0"`;
    const env = { SENDER: JO, RECIPIENT: GREG, EXT: "", HOST: "example.org" };
    assert.equal((await launcher.run(["/bin/sh", "-c", line, HOOK], MAIL, env)).code, STARTED);
  }
});

Deno.test("the hook by another name: its lines are those that call it by that name", async () => {
  using launcher = home(false);
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
