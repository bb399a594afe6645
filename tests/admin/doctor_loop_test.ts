/** `countersign doctor --loop`, with a program in place of the two mail servers between the shim and the hook. */
import assert from "node:assert/strict";
import { nonexistentAddress } from "../../admin/doctor/loop.ts";
import type { Finding } from "../../admin/doctor/finding.ts";
import { fields } from "../../admin/log/line.ts";
import { CREATED, Home, oneLine, type Ran, ROOT, SECRET } from "../rig.ts";
import { countersign } from "./run.ts";

const LOG = ".local/state/countersign/log";
const CONFIG = ".config/countersign/config.toml";
const ANN = '[[identity]]\naddress = "ann@example.org"\nsrs_domain = "srs.example.org"\nkeys = "keys-ann"\n';
const BOUNCE = "From: MAILER-DAEMON@mx.example\\nSubject: failure notice\\n\\n--- Below this line is a copy.\\n\\n";

/** A home without problems, in which the servers run this script for the message in `mail` from `$sender`. */
function loopHome(servers: string, incoming = ""): Home {
  const home = new Home();
  Deno.mkdirSync(`${home.path}/Maildir`);
  // The envelope is "-i -f SENDER -- RECIPIENT"; the bounce comes later, from another process.
  const program = `#!/bin/sh
sender=$3 to=$5
cat >"$HOME/mail"
printf '%s\\n' "$to" >>"$HOME/sent-to"
bounce() { { printf '${BOUNCE}'; "$@"; } | SENDER= RECIPIENT=$sender ${ROOT}/hooks/incoming --as \${as-maildrop} 2>>"$HOME/said" || true; }
${servers}
`;
  const command = home.write("bin/sendmail", program, 0o755);
  home.settings(
    `${ANN}[transport]\npreset = "sendmail"\ncommand = ["${command}"]\n[incoming]\n${incoming}\n`,
    'since = "2026-01-01"',
  );
  home.write(".mailrc", `set mta=${ROOT}/shim/shim\n`);
  home.write(".config/countersign/keys-ann", `a1 ${CREATED} ann's ${SECRET}\n`, 0o600);
  return home;
}

/** The whole message is returned. */
const HOME = 'bounce cat "$HOME/mail"';
/** The sender is rewritten on the way, and the proof of the message is lost. */
const REWRITTEN = 'sender=greg@example.org; bounce grep -v "^X-Msgauth:" "$HOME/mail"';

const doctor = (home: Home, ...args: string[]): Promise<Ran> => countersign(home, ["doctor", "--loop", ...args]);

/** Returns the only finding, without the path of the home. */
function only(home: Home, ran: Ran): Finding {
  assert.deepEqual([ran.code, ran.stderr], [1, ""], ran.stdout);
  const { findings } = JSON.parse(ran.stdout.replaceAll(home.path, "~")) as { findings: Finding[] };
  assert.equal(findings.length, 1, ran.stdout);
  return findings[0]!;
}

Deno.test("each identity sends, and each bounce returns", async () => {
  using home = loopHome(HOME);
  const ran = await doctor(home, "--json");
  assert.deepEqual([ran.code, ran.stderr], [0, ""], ran.stdout);
  const { notes } = JSON.parse(ran.stdout) as { notes: string[] };
  for (const address of ["greg@example.org", "ann@example.org"]) {
    assert.equal(
      notes.filter((note) => note.includes(`The bounce of a message from ${address} returned after`)).length,
      1,
    );
  }
  assert.equal(home.read("sent-to").trim().split("\n").length, 2);
  const lines = home.read(LOG).split("\n").map(fields).filter((line) => line["original"] !== undefined);
  assert.deepEqual(lines.map(({ direction, result, identity }) => [direction, result, identity]), [
    ["in", "genuine", "greg@example.org"],
    ["in", "genuine", "ann@example.org"],
  ]);
});

Deno.test("--address selects the sender, --to the recipient, --config the settings", async () => {
  using home = loopHome(HOME.replaceAll("--as", "--config $HOME/my.toml --as"));
  const config = home.write("my.toml", home.read(CONFIG).replaceAll('keys-ann"', `${home.path}/keys-ann"`));
  home.write("keys", home.read(".config/countersign/keys"), 0o600);
  home.write("keys-ann", home.read(".config/countersign/keys-ann"), 0o600);
  Deno.removeSync(`${home.path}/${CONFIG}`);
  home.write("bin/sendmail", home.read("bin/sendmail").replace("--as", "--config $HOME/my.toml --as"), 0o755);
  const more = [
    "--config",
    config,
    "--address",
    "Ann@example.org",
    "--address=ann@example.org",
    "--to",
    "nobody@far.example",
  ];
  const ran = await doctor(home, ...more);
  assert.deepEqual([ran.code, ran.stderr], [0, ""], ran.stdout);
  assert.match(ran.stdout, /^Note: The bounce of a message from ann@example\.org returned after [\d.]+ s$/m);
  assert.doesNotMatch(ran.stdout, /from greg/);
  assert.equal(home.read("sent-to"), "nobody@far.example\n");
});

Deno.test("the default recipient does not exist", () => {
  assert.match(nonexistentAddress(), /^countersign-loop-[0-9a-f]{8}@loop\.invalid$/);
  assert.notEqual(nonexistentAddress(), nonexistentAddress());
});

/** [the problem, the script of the servers, settings of incoming, what, fix, where] */
const WRONG: [string, string, string, RegExp, RegExp, RegExp][] = [
  [
    "nothing comes back",
    "true",
    "",
    /^The bounce of a message from greg@example\.org to countersign-loop-\S+ did not return within 1 s$/,
    /mailq.*MX of srs\.example\.org.*filter.*--wait 10$/,
    /config\.toml$/,
  ],
  [
    "the program refuses",
    "echo 'no such domain' >&2; exit 68",
    "",
    /^The shim cannot send from greg@example\.org: .*no such domain/,
    /--to ADDRESS/,
    /\/shim\/shim$/,
  ],
  [
    "the signed sender is lost on the way",
    REWRITTEN,
    "",
    /^The bounce of a message from greg@example\.org was recognized only by its Message-ID \(result known\): /,
    /check reply .*rewritten/,
    /\/log$/,
  ],
  [
    "the signed sender is lost, and the hook does not know what the shim has sent",
    `rm -r "$HOME/.local/state/countersign/sent"; ${REWRITTEN}`,
    "",
    /^The bounce of a message from greg@example\.org got the result forged: /,
    /check forged .*rewritten.*state folder/,
    /\/log$/,
  ],
  [
    "the hook cannot deliver",
    `mkdir "$HOME/none"; : >"$HOME/none/new"; as=postfix; ${HOME}`,
    'inbox = "~/none"',
    /^The bounce to greg@example\.org reached the hook, which deferred it: /,
    /Fix the error that the hook reported in the mail log/,
    /\/log$/,
  ],
];
for (const [what, servers, incoming, says, fixes, file] of WRONG) {
  Deno.test(`doctor --loop finds that ${what}`, async () => {
    using home = loopHome(servers, incoming);
    const ran = await doctor(home, "--json", "--address", "greg@example.org", "--wait", "1");
    const findings = JSON.parse(ran.stdout).findings as Finding[];
    const loop = findings.filter((one) => says.test(one.what));
    assert.equal(loop.length, 1, ran.stdout);
    assert.equal(ran.code, 1);
    assert.match(loop[0]!.fix, fixes);
    assert.match(loop[0]!.where.file, file);
    assert.equal(findings.length, 1, ran.stdout);
  });
}

Deno.test("a bounce of another message is ignored", async () => {
  using home = loopHome('bounce sed "s/^Message-ID: .*/Message-ID: <1@example.org>/" "$HOME/mail"');
  const { what, where } = only(home, await doctor(home, "--json", "--address", "greg@example.org", "--wait", "1"));
  assert.match(what, /did not return within 1 s$/);
  const line = home.read(CONFIG).split("\n").findIndex((one) => one === "[[identity]]") + 1;
  assert.deepEqual(where, { file: `~/${CONFIG}`, line });
  assert.match(home.read(LOG), / result=genuine .* original=<1@example\.org>/);
});

Deno.test("with via = maildir nothing is sent", async () => {
  using home = loopHome("true");
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
  const ran = await doctor(home);
  assert.deepEqual([ran.code, home.read("sent-to")], [0, ""], ran.stdout);
  assert.match(ran.stdout, /^Note: .*the mail you send is stored in .* and not sent$/m);
});

/** [arguments of doctor, error message] */
const USAGE: [string[], RegExp][] = [
  [["--to", "x@example.net"], /^doctor: Option --to requires --loop$/m],
  [["--wait", "5"], /^doctor: Option --wait requires --loop$/m],
  [["--address", "greg@example.org"], /^doctor: Option --address requires --loop$/m],
  [["--host", "192.0.2.1"], /^doctor: Option --host requires --dns$/m],
  [["--loop", "--wait", "0"], /^doctor: Option --wait is "0", not a number of seconds such as 60$/m],
  [["--loop", "--wait", "1h"], /^doctor: Option --wait is "1h", not a number/m],
  [["--loop", "--to", "nobody"], /^doctor: .*"nobody" has no @/m],
  [["--loop=x@example.net"], /^doctor: Option --loop takes no value$/m],
  [
    ["--loop", "--address", "jo@example.org"],
    /^doctor: Address "jo@example\.org" is not an identity: use one of greg@/m,
  ],
];
for (const [args, says] of USAGE) {
  Deno.test(`doctor ${args.join(" ")} is rejected with one line, and nothing is sent`, async () => {
    using home = loopHome(HOME);
    const ran = await countersign(home, ["doctor", ...args]);
    oneLine(ran, 64, says);
    assert.deepEqual([ran.stdout, home.read("sent-to")], ["", ""]);
  });
}
