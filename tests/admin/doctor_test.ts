/** A home without problems, and the finding of doctor when one thing in it is broken. */
import assert from "node:assert/strict";
import type { Finding } from "../../admin/doctor/finding.ts";
import { assertComplete } from "./findings.ts";
import { conforms } from "./json.ts";
import { Home, oneLine, type Ran, ROOT, SECRET } from "../rig.ts";

const HOOK = `${ROOT}/hooks/incoming`;
const [CONFIG, KEYS, STATE] = [
  ".config/countersign/config.toml",
  ".config/countersign/keys",
  ".local/state/countersign",
];
const DAY = 86_400_000;

/** The date this many days from now. */
const day = (ahead: number): string => new Date(Date.now() + ahead * DAY).toISOString().slice(0, 10);

/** A file of contrib, with the hook of the checkout. */
function contrib(name: string): string {
  const text = Deno.readTextFileSync(`${ROOT}/contrib/${name}`);
  return text.replaceAll("/usr/local/lib/countersign/hooks/incoming", HOOK);
}

function settings(home: Home): string {
  return [
    `since = "${day(0)}"`,
    "",
    "[[identity]]",
    'address = "greg@example.org"',
    'srs_domain = "srs.example.org"',
    "",
    "[transport]",
    'preset = "sendmail"',
    `command = ["${home.path}/bin/sendmail"]`,
    "",
  ].join("\n");
}

/** A home without problems. */
function cleanHome(): Home {
  const home = new Home();
  home.write("bin/sendmail", "#!/bin/sh\ncat >/dev/null\n", 0o755);
  home.write(CONFIG, settings(home));
  home.write(KEYS, `# made by hand\nk1 ${day(-30)} ${SECRET}\n`, 0o600);
  home.write(".muttrc", `set sendmail="${ROOT}/shim/shim"\nset from="Greg <greg@example.org>"\n`);
  home.write(".qmail", contrib("qmail/greg/.qmail"));
  home.write(".qmail-srs-default", contrib("qmail/greg/.qmail-srs-default"));
  home.write(".mailfilter", contrib("maildrop/mailfilter"), 0o600);
  home.write(".procmailrc", contrib("procmail/procmailrc"));
  home.write(".forward", contrib("postfix/local/forward"));
  home.write("main.cf", "myhostname = mx.example.org\nmydomain = example.org\n");
  home.write("master.cf", contrib("postfix/pipe/master.cf"));
  home.write("more.cf", contrib("postfix/pipe/main.cf"));
  return home;
}

const POSTCONF = ["main.cf", "master.cf", "more.cf"].map((name) => `--postconf=${name}`);

function doctor(home: Home, ...args: string[]): Promise<Ran> {
  return command(home, "doctor", ...args);
}

/** Runs main.ts with the permissions of the launcher. */
function command(home: Home, ...args: string[]): Promise<Ran> {
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-R", "-W", "-E", "--allow-run", "--allow-sys=uid"];
  return home.run([...deno, "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, "countersign", ...args]);
}

/** Returns the findings as `file:line what`, without the path of the home. */
async function found(home: Home, code: number, ...args: string[]): Promise<string[]> {
  const ran = await doctor(home, "--json", ...POSTCONF, ...args);
  assert.deepEqual([ran.code, ran.stderr], [code, ""], ran.stdout);
  const { findings }: { findings: Finding[] } = conforms("doctor --json", JSON.parse(ran.stdout));
  for (const one of findings) assertComplete(one);
  const short = (text: string) => text.replaceAll(`${home.path}/`, "").replaceAll(home.path, "~");
  return findings.map(({ what, where: { file, line } }) =>
    short(`${file}${line === undefined ? "" : `:${line}`} ${what}`)
  );
}

/** Returns the number of the line that contains `part`. */
function lineOf(text: string, part: string): number {
  const index = text.split("\n").findIndex((line) => line.includes(part));
  assert.ok(index >= 0, `${part} is missing`);
  return index + 1;
}

/** Changes an existing file, keeping its mode. */
function edit(home: Home, name: string, from: string | RegExp, to: string): string {
  const [before, { mode }] = [home.read(name), Deno.statSync(`${home.path}/${name}`)];
  const after = before.replace(from, to);
  assert.notEqual(after, before, `${from} is in ${name}`);
  home.write(name, after, mode! & 0o777);
  return after;
}

Deno.test("doctor finds nothing in a correct setup", async () => {
  using home = cleanHome();
  assert.deepEqual(await found(home, 0), []);
  const ran = await doctor(home, ...POSTCONF);
  assert.deepEqual([ran.code, ran.stderr, ran.stdout], [0, "", "No problems found.\n"]);
});

/** Returns the lines that init prints for pasting, by file. */
function toPaste(stdout: string): [string, string][] {
  return stdout.split(/^--- /m).slice(1).flatMap((part) => {
    const [, name, text] = /^~\/(\.[\w.-]+)\b.*\n([^]*)$/.exec(part) ?? [];
    return name === undefined ? [] : [[name, text!.trimEnd() + "\n"] as [string, string]];
  });
}

const pasting = "doctor finds nothing after init, with all printed lines pasted";
for (const more of [[], ["--challenges"]]) {
  Deno.test([pasting, ...more].join(", "), async () => {
    using home = new Home();
    Deno.removeSync(`${home.path}/.config`, { recursive: true });
    const program = home.write("bin/sendmail", "#!/bin/sh\ncat >/dev/null\n", 0o755);
    for (const name of ["mutt", "maildrop", "procmail"]) home.write(`bin/${name}`, "#!/bin/sh\n", 0o755);
    const args = [
      "--yes",
      "--address",
      "greg@example.org",
      "--srs-domain",
      "srs.example.org",
      "--command",
      program,
      ...more,
    ];
    const made = await command(home, "init", ...args);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    const pasted = toPaste((await command(home, "init", "--print-all")).stdout);
    for (const [name, text] of pasted) home.write(name, text, 0o600);
    const names = pasted.map(([name]) => name);
    for (const name of [".muttrc", ".mailfilter", ".procmailrc"]) assert.ok(names.includes(name), made.stdout);
    const ran = await doctor(home);
    assert.deepEqual([ran.code, ran.stderr, ran.stdout], [0, "", "No problems found.\n"]);
  });
}

Deno.test("doctor changes only the log of the hook", async () => {
  using home = cleanHome();
  const before = below(home.path).sort();
  await found(home, 0);
  const made = below(home.path).filter((path) => !before.includes(path));
  const folders = [".local", ".local/state", STATE, `${STATE}/log`];
  assert.deepEqual(made.map((path) => path.slice(home.path.length + 1)).sort(), folders.sort());
  const log = home.read(`${STATE}/log`);
  assert.deepEqual([...log.matchAll(/ result=(\w+)/g)].map(([, result]) => result), ["genuine", "forged"]);
});

function below(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? [path, ...below(path)] : [path];
  });
}

/** Each breaks one thing and returns the findings, as `file:line what`. */
type Break = (home: Home) => (string | RegExp)[];

const breaks: Record<string, Break> = {
  "others may read the keys": (home) => {
    Deno.chmodSync(`${home.path}/${KEYS}`, 0o644);
    return [`${KEYS} Key file is readable by others (mode 0644)`];
  },
  "the key file is missing": (home) => {
    Deno.removeSync(`${home.path}/${KEYS}`);
    return [new RegExp(`^${CONFIG}:${lineOf(settings(home), "[[identity]]")} Key file does not exist$`)];
  },
  "a line of the keys has no date": (home) => {
    const text = edit(home, KEYS, /^k1 \S+/m, "k1 yesterday");
    return [new RegExp(`^${KEYS}:${lineOf(text, "yesterday")} Key "k1" needs a date`)];
  },
  "a key is dated in the future, and no other signs": (home) => {
    const text = edit(home, KEYS, /^k1 \S+/m, `k1 ${day(30)}`);
    return [`${KEYS}:${lineOf(text, "k1")} Key k1 of greg@example.org is dated in the future`];
  },
  "the only key is too old": (home) => {
    const text = edit(home, KEYS, /^k1 \S+/m, `k1 ${day(-901)}`);
    return [`${KEYS}:${lineOf(text, "k1")} All keys of greg@example.org are too old to sign`];
  },
  "the dot-qmail file is world-writable": (home) => {
    Deno.chmodSync(`${home.path}/.qmail`, 0o666);
    return [".qmail The file is world-writable"];
  },
  // As if the user could not read it; root always can.
  "the dot-qmail file cannot be read": (home) => {
    Deno.removeSync(`${home.path}/.qmail`);
    Deno.symlinkSync(".qmail", `${home.path}/.qmail`);
    return [/^\.qmail A mail filter cannot be read: /];
  },
  "a wrapper may not deliver": (home) => {
    home.write("bin/check", `#!/bin/sh\nexec ${HOOK} "$@"\n`, 0o755);
    home.write(".qmail", "|~/bin/check\n");
    return [/^\.qmail:1 No delivery instruction was found: ~\/bin\/check runs the hook, and no line follows$/];
  },
  "the dot-qmail file has its x bit": (home) => {
    Deno.chmodSync(`${home.path}/.qmail-srs-default`, 0o755);
    Deno.chmodSync(`${home.path}/.qmail`, 0o654); // qmail-local looks at the owner's bit only
    return [".qmail-srs-default The file is executable by its owner"];
  },
  "the maildir comes before the hook": (home) => {
    const text = home.write(".qmail", `# first the mail\n./Maildir/\n|${HOOK}\n./Maildir/\n`) && home.read(".qmail");
    return [`.qmail:${lineOf(text, "./Maildir/")} This line delivers before the hook runs`];
  },
  "a space precedes the bar": (home) => {
    const text = edit(home, ".qmail", "|", " |");
    return [`.qmail:${lineOf(text, HOOK)} The hook's line does not begin with |`];
  },
  "no line follows the hook": (home) => {
    const text = edit(home, ".qmail-srs-default", "./Maildir/\n", "");
    return [`.qmail-srs-default:${lineOf(text, HOOK)} No line follows the hook`];
  },
  "mutt uses the system's sendmail": (home) => {
    const text = edit(home, ".muttrc", `${ROOT}/shim/shim`, `${home.path}/bin/sendmail`);
    return [`.muttrc:${lineOf(text, "sendmail")} sendmail is bin/sendmail, which is not the shim`];
  },
  "mutt does not use its envelope sender": (home) => {
    const text = edit(home, ".muttrc", /$/, "set envelope_from_address=greg@example.org\n");
    return [`.muttrc:${lineOf(text, "envelope_from")} envelope_from_address is set, use_envelope_from is not`];
  },
  "procmail does not wait": (home) => {
    const text = edit(home, ".procmailrc", ":0 Wr", ":0 r");
    return [`.procmailrc:${lineOf(text, ":0 r")} Recipe :0 r has no w`];
  },
  "procmail continues after EXITCODE": (home) => {
    const text = edit(home, ".procmailrc", "EXITCODE=75\n    HOST=\n", "EXITCODE=75\n");
    return [`.procmailrc:${lineOf(text, "EXITCODE=75")} EXITCODE is set, but procmail does not stop there`];
  },
  "maildrop ignores status 99": (home) => {
    const text = edit(home, ".mailfilter", "RETURNCODE == 99", "RETURNCODE == 98");
    return [`.mailfilter:${lineOf(text, HOOK)} RETURNCODE is not compared with 99`];
  },
  "challenges are answered, and the filters keep ordinary mail from the hook": (home) => {
    home.write(CONFIG, `${home.read(CONFIG)}[challenge]\nanswer = true\n`);
    const [maildrop, procmail] = [home.read(".mailfilter"), home.read(".procmailrc")];
    const what = "Ordinary mail does not reach the hook, which must see challenges";
    return [
      `.mailfilter:${lineOf(maildrop, "COUNTERSIGN_HOOK=0")} ${what}`,
      `.procmailrc:${lineOf(procmail, "COUNTERSIGN_HOOK=no")} ${what}`,
    ];
  },
  "the filter of maildrop is accessible to others": (home) => {
    Deno.chmodSync(`${home.path}/.mailfilter`, 0o644);
    return [".mailfilter The filter is accessible to others"];
  },
  "the hook in .forward is elsewhere": (home) => {
    const text = edit(home, ".forward", HOOK, "/nowhere/hooks/incoming");
    return [`.forward:${lineOf(text, "/nowhere")} /nowhere/hooks/incoming does not exist`];
  },
  "Postfix masquerades the SRS domain": (home) => {
    const text = edit(home, "main.cf", /$/, "masquerade_domains = $mydomain\n");
    return [`main.cf:${lineOf(text, "masquerade")} masquerade_domains changes srs.example.org to example.org`];
  },
  "Postfix rejects foreign senders": (home) => {
    const rule = "reject_sender_login_mismatch";
    const text = edit(home, "main.cf", /$/, `smtpd_sender_restrictions = permit_mynetworks,\n  ${rule}\n`);
    const line = lineOf(text, "smtpd_sender_restrictions");
    return [`main.cf:${line} ${rule} rejects senders in srs.example.org`];
  },
  "Postfix hides the null sender": (home) => {
    const text = edit(home, "master.cf", "user=greg null_sender= ", "user=greg ");
    return [`master.cf:${lineOf(text, "countersign unix")} Service countersign has no null_sender=`];
  },
  "the transport program is missing": (home) => {
    Deno.removeSync(`${home.path}/bin/sendmail`);
    return [`${CONFIG}:${lineOf(settings(home), "command")} transport.command: bin/sendmail does not exist`];
  },
  "the transport program is the shim": (home) => {
    const text = edit(home, CONFIG, `${home.path}/bin/sendmail`, `${ROOT}/shim/shim`);
    return [`${CONFIG}:${lineOf(text, "command")} transport.command: ${ROOT}/shim/shim is the shim itself`];
  },
  "the transport program is a link to msmtp": (home) => {
    const program = `${home.path}/bin/sendmail`;
    Deno.renameSync(program, `${home.path}/bin/msmtp`);
    Deno.symlinkSync("msmtp", program);
    const line = lineOf(settings(home), "preset");
    return [`${CONFIG}:${line} bin/sendmail is msmtp, and transport.preset is "sendmail"`];
  },
  "the state is not a folder": (home) => {
    home.write(STATE, "");
    return [`${STATE} ${STATE} is not a folder`];
  },
  "the state is a link that leads nowhere": (home) => {
    Deno.mkdirSync(`${home.path}/${STATE.slice(0, STATE.lastIndexOf("/"))}`, { recursive: true });
    Deno.symlinkSync("/nonexistent/state", `${home.path}/${STATE}`);
    return [`${STATE} ${STATE} is not a folder`];
  },
  "the ledger is not a folder": (home) => {
    home.write(`${STATE}/ledger`, "");
    return [`${STATE}/ledger ${STATE}/ledger is not a folder`];
  },
  "the spool is not a folder": (home) => {
    edit(home, CONFIG, "preset =", "spool = true\npreset =");
    home.write(`${STATE}/spool`, "");
    return [`${STATE}/spool ${STATE}/spool is not a folder`];
  },
  "everybody may write the spool": (home) => {
    edit(home, CONFIG, "preset =", "spool = true\npreset =");
    Deno.mkdirSync(`${home.path}/${STATE}/spool`, { recursive: true });
    Deno.chmodSync(`${home.path}/${STATE}/spool`, 0o777);
    return [`${STATE}/spool ${STATE}/spool is world-writable`];
  },
  "the log is a folder": (home) => {
    home.write(`${STATE}/log/x`, "");
    return [`${STATE}/log The log ${STATE}/log is not a file`];
  },
  // As if the user could not read it; root always can.
  "the log cannot be read": (home) => {
    Deno.mkdirSync(`${home.path}/${STATE}`, { recursive: true });
    Deno.symlinkSync("log", `${home.path}/${STATE}/log`);
    return [new RegExp(`^${STATE}/log The log cannot be read: `)];
  },
  "the log goes on to another day": (home) => {
    const lines = [-1, 3].map((ahead) => `time=${day(ahead)}T00:00:00Z direction=in result=genuine\n`);
    home.write(`${STATE}/log`, lines.join("") + "half a line\n");
    const line = lines.length;
    return [new RegExp(`^${STATE}/log:${line} The clock is at .*, but the last line of the log is of ${day(3)}T`)];
  },
  "plain senders go out, and forged bounces are refused": (home) => {
    const more = '\n[[rule]]\nto = ["*@plain.example.net"]\nsender = "plain"\n\n[incoming]\nforged = "refuse"\n';
    const text = edit(home, CONFIG, /$/, more);
    return [
      `${CONFIG}:${lineOf(text, 'sender = "plain"')} Mail is sent with the plain sender, while bounces ` +
      "that look forged are refused",
    ];
  },
};

/** The same, with settings that cannot be read. */
const unreadable: Record<string, Break> = {
  "a line of the settings is wrong": (home) => {
    const text = edit(home, CONFIG, "preset =", "prest =");
    return [`${CONFIG}:${lineOf(text, "prest")} Unknown setting transport.prest`];
  },
  "everybody may write the settings": (home) => {
    Deno.chmodSync(`${home.path}/${CONFIG}`, 0o666);
    return [`${CONFIG} Settings file is writable by others (mode 0666)`];
  },
  "the settings are gone": (home) => {
    Deno.removeSync(`${home.path}/${CONFIG}`);
    return [`${CONFIG} Settings file does not exist`];
  },
};

for (const [code, table] of [[1, breaks], [78, unreadable]] as const) {
  for (const [name, damage] of Object.entries(table)) {
    Deno.test(`doctor finds that ${name}`, async () => {
      using home = cleanHome();
      const expected = damage(home);
      const findings = await found(home, code);
      assert.equal(findings.length, expected.length, findings.join("\n"));
      for (const [at, want] of expected.entries()) {
        if (typeof want === "string") assert.equal(findings[at], want);
        else assert.match(findings[at]!, want);
      }
    });
  }
}

Deno.test("doctor continues if the settings cannot be read", async () => {
  using home = cleanHome();
  edit(home, CONFIG, "[transport]", "[transprt]");
  const line = lineOf(home.read(CONFIG), "[transprt]");
  edit(home, ".procmailrc", ":0 Wr", ":0 r");
  const findings = await found(home, 78);
  assert.equal(findings.length, 2, findings.join("\n"));
  assert.match(findings[0]!, new RegExp(`^${CONFIG}:${line} Unknown setting transprt`));
  assert.match(findings[1]!, /^\.procmailrc:\d+ Recipe :0 r has no w$/);
});

Deno.test("doctor prints what, where, why and the fix", async () => {
  using home = cleanHome();
  Deno.chmodSync(`${home.path}/${KEYS}`, 0o644);
  const ran = await doctor(home, ...POSTCONF);
  const file = `${home.path}/${KEYS}`;
  assert.deepEqual([ran.code, ran.stderr], [1, ""]);
  assert.equal(
    ran.stdout,
    [
      "Key file is readable by others (mode 0644) [key-file-unusable]",
      `  where  ${file}`,
      "  why    Until this is fixed, the shim sends nothing and the hook defers all mail.",
      `  fix    chmod 600 ${file}`,
      "",
      "1 problem found.",
      "",
    ].join("\n"),
  );
});

/** [the behaviour, the hook, the finding] */
const hooks: [string, string, RegExp][] = [
  [
    "finds everything genuine",
    "cat >/dev/null; printf 'X-Countersign: genuine; x\\n\\n'",
    /returns genuine .* forged SRS address/,
  ],
  [
    "finds nothing genuine",
    "cat >/dev/null; printf 'X-Countersign: forged; x\\n\\n'",
    /returns forged .* valid SRS address/,
  ],
  ["says nothing", "cat >/dev/null", /fails to judge a bounce to greg@example.org: status 0$/],
  ["dies", "echo Broken >&2; exit 75", /fails to judge a bounce to greg@example.org: Broken$/],
];
for (const [name, body, says] of hooks) {
  Deno.test(`doctor reports a hook that ${name}`, async () => {
    using home = cleanHome();
    const hook = home.write("bin/incoming", `#!/bin/sh\n${body}\n`, 0o755);
    const findings = await found(home, 1, "--hook", hook);
    assert.equal(findings.length, 1, findings.join("\n"));
    assert.match(findings[0]!, says);
    assert.match(findings[0]!, /^bin\/incoming The hook (?:returns|fails)/);
  });
}

Deno.test("doctor reports a hook that does not exist", async () => {
  using home = cleanHome();
  assert.deepEqual(await found(home, 1, "--hook", `${home.path}/no`), ["no The hook no does not exist"]);
});

Deno.test("an identity without an SRS domain is tested with a tag", async () => {
  using home = cleanHome();
  edit(home, CONFIG, 'srs_domain = "srs.example.org"\n', "");
  assert.deepEqual(await found(home, 0), []);
  const log = home.read(`${STATE}/log`);
  assert.deepEqual([...log.matchAll(/ check=([\w-]+)/g)].map(([, check]) => check), ["returned-header", "forged"]);
});

Deno.test("with --dns the resolver is queried, and problems are reported", async () => {
  using home = cleanHome();
  const script = `import { doctor } from "${ROOT}/admin/doctor.ts";
    const txt = (name) => Promise.resolve(name === "srs.example.org" ? ["v=spf1 ip4:192.0.2.1 -all"] : []);
    const dns = { mx: () => Promise.resolve([]), txt, address: () => Promise.resolve(["192.0.2.1"]) };
    Deno.exit(await doctor("doctor", Deno.args, dns));`;
  const program = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, home.write("try.ts", script)];
  const ask = async (host: string) => {
    const ran = await home.run([...program, "--json", "--dns", "--host", host, ...POSTCONF, "--hook", HOOK]);
    return [ran.code, ran.stderr, ...JSON.parse(ran.stdout).findings.map(({ what }: Finding) => what)];
  };
  assert.deepEqual(await ask("192.0.2.1"), [0, ""]);
  assert.deepEqual(await ask("192.0.2.2"), [1, "", "SPF of srs.example.org returns fail for 192.0.2.2"]);
});

Deno.test("without network permission --dns adds a note", async () => {
  using home = cleanHome();
  const ran = await doctor(home, "--dns", "--host", "it's", ...POSTCONF);
  const [, line = ""] =
    /^Note: DNS was not queried, because this program may not use the network\. With permission: (.*)$/m.exec(
      ran.stdout,
    ) ?? [];
  assert.deepEqual([ran.code, ran.stdout.split("\n\n").at(-1)], [0, "No problems found.\n"]);
  // There may be no network here, but DNS is queried, with all arguments kept.
  const again = await home.run(["/bin/sh", "-c", line]);
  assert.ok([0, 1].includes(again.code) && again.stderr === "", again.stderr);
  assert.doesNotMatch(again.stdout, /DNS was not queried/);
  assert.match(again.stdout, /^(?:Note: DNS does not answer for|\S+ has no MX record|.*\bSPF\b)/m);
});

Deno.test("a home without a filter, or with a commented one, gets a note", async () => {
  using home = cleanHome();
  for (const name of [".qmail-srs-default", ".mailfilter", ".procmailrc", ".forward"]) {
    Deno.removeSync(`${home.path}/${name}`);
  }
  home.write(".qmail", `#|${HOOK}\n./Maildir/\n`);
  const ran = await doctor(home, "--postconf", "main.cf");
  assert.equal(ran.code, 0);
  assert.match(ran.stdout, /^Note: No mail filter found here calls the hook/);
});

/** [arguments, error message] */
const usage: [string[], RegExp][] = [
  [["--jason"], /^doctor: Unknown option "--jason": did you mean --json\?$/m],
  [["--config"], /^doctor: Option --config needs a value$/m],
  [["--json=yes"], /^doctor: Option --json takes no value$/m],
  [["mutt"], /^doctor: Unknown argument "mutt"$/m],
  [["--postconf", "nowhere.cf"], /^doctor: nowhere\.cf: File of --postconf cannot be read$/m],
];
for (const [args, says] of usage) {
  Deno.test(`doctor ${args.join(" ")} is rejected with one line`, async () => {
    using home = cleanHome();
    const ran = await doctor(home, ...args);
    oneLine(ran, 64, says);
    assert.equal(ran.stdout, "");
  });
}

Deno.test("doctor --help has an example", async () => {
  using home = new Home();
  const ran = await doctor(home, "--help");
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^Usage: countersign doctor [^]*^Example: countersign doctor /m);
});

Deno.test("mutt that makes up its address, where the shim sends to a server: a note", async () => {
  using home = cleanHome();
  const server = 'via = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"\n';
  home.write(CONFIG, settings(home).replace(/preset[^]*/, server));
  const note = /^Note: ~?.*\.muttrc does not set from: mutt writes your login name /m;
  assert.doesNotMatch((await doctor(home)).stdout, note);
  home.write(".muttrc", `set sendmail="${ROOT}/shim/shim"\n`);
  assert.match((await doctor(home)).stdout, note);
});
