/** The whole hook: its one-line error messages, the exit status for each caller, and its log. */
import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../incoming/delivery.ts";
import { hookHere } from "../admin/resident.ts";
import { FORGED, FORGED_SRS, gregsHome, ORDINARY } from "../programs/letters.ts";
import { Home, oneLine, ROOT } from "../rig.ts";
import { signed, stubTransport } from "../stub.ts";

const CONFIG = ".config/countersign/config.toml";
const LOG = ".local/state/countersign/log";
const FRIEND = "friend@friend.example";
const PLAIN = "greg@example.org";

/** The status that makes each caller retry; the filter lets the message through. */
const DEFER_STATUS: Record<Caller, number> = {
  qmail: 75,
  maildrop: 75,
  procmail: 75,
  postfix: 75,
  filter: 0,
  condredirect: 111,
};

/** Configuration problems, and the error message for each. */
const problems: [what: string, prepare: (home: Home) => void, message: (home: Home) => string][] = [
  ["an unknown setting", (home) => home.settings("\n[incoming]\nspan = 1\n"), (home) => {
    const line = home.read(CONFIG).split("\n").indexOf("span = 1") + 1;
    return `${home.path}/${CONFIG}:${line}: Unknown setting incoming.span: did you mean incoming.spam?`;
  }],
  ["invalid TOML", (home) => home.settings("nonsense = ["), (home) => {
    const line = home.read(CONFIG).split("\n").indexOf("nonsense = [") + 1;
    return `${home.path}/${CONFIG}:${line}: Invalid TOML document: `;
  }],
  ["an invalid value", (home) => home.settings('\n[incoming]\nforged = "drop"\n'), (home) => {
    const line = home.read(CONFIG).split("\n").indexOf('forged = "drop"') + 1;
    return `${home.path}/${CONFIG}:${line}: incoming.forged: "drop" is not one of`;
  }],
  ["no settings", (home) => Deno.removeSync(`${home.path}/${CONFIG}`), (home) => {
    return `${home.path}/${CONFIG}: Settings file does not exist: countersign init`;
  }],
  ["a key file with a bad line", (home) => home.write(".config/countersign/keys", "\nk1\n", 0o600), (home) => {
    return `${home.path}/.config/countersign/keys:2: `;
  }],
  [
    "a key file that others can read",
    (home) => Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644),
    (home) => {
      return `${home.path}/.config/countersign/keys: Key file is readable by others (mode 0644): chmod 600 `;
    },
  ],
];
for (const [what, prepare, message] of problems) {
  Deno.test(`${what}: one line that names file and line, and each caller retries`, async () => {
    for (const caller of CALLERS) {
      for (const [mail, recipient] of [[FORGED, PLAIN], [ORDINARY, PLAIN], [FORGED, FORGED_SRS]] as const) {
        using home = gregsHome();
        prepare(home);
        const env = { SENDER: "", RECIPIENT: recipient };
        const ran = await hookHere(home, ["--as", caller], mail, env);
        oneLine(ran, DEFER_STATUS[caller], /^incoming: /);
        assert.ok(ran.stderr.includes(message(home)), `${caller}: ${message(home)} is not in: ${ran.stderr}`);
        assert.equal(ran.stdout, caller === "filter" ? mail : "");
        assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Spam")], [[], []]);
      }
    }
  });
}

Deno.test("--config and COUNTERSIGN_CONFIG choose the settings file, also if it does not exist", async () => {
  using home = new Home();
  const env = { SENDER: "", RECIPIENT: PLAIN };
  oneLine(
    await home.hook(["--config", "other.toml"], FORGED, env),
    75,
    new RegExp(`${home.path}/other.toml: Settings file does not exist`),
  );
  oneLine(
    await home.hook([], FORGED, { ...env, COUNTERSIGN_CONFIG: "/nonexistent/c" }),
    75,
    / \/nonexistent\/c: Settings file does not exist/,
  );
});

Deno.test("under qmail SENDER must be set", async () => {
  const message = /^incoming: SENDER is not set: run the hook from qmail-local, or add --as$/m;
  for (const mail of [FORGED, ORDINARY, `Return-Path: <>\nDelivered-To: ${PLAIN}\n${FORGED}`]) {
    for (const recipient of [PLAIN, FORGED_SRS, signed()]) {
      for (const args of [[], ["--maildir", "Maildir"]]) {
        using home = gregsHome();
        oneLine(await hookHere(home, args, mail, { RECIPIENT: recipient }), 75, message);
        const [line, ...more] = home.read(".local/state/countersign/log").trimEnd().split("\n");
        assert.match(line!, / direction=in sender=unknown outcome=defer .*why="SENDER is not set"/);
        assert.deepEqual(more, []);
        assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Spam")], [[], []]);
      }
    }
  }
  using home = gregsHome();
  assert.equal(
    (await home.hook([], ORDINARY, { SENDER: "", RECIPIENT: "x@y.example" })).code,
    0,
    "an empty SENDER is set",
  );
});

/** Arguments and environment in shell syntax. \377 is not valid UTF-8; U+FFFD itself also makes an address invalid. */
const undecodable: [what: string, args: string, env: string][] = ["\\377", "\\357\\277\\275"].flatMap(
  (byte): typeof undecodable => {
    const person = `"$(printf 's${byte}r@x.example')"`;
    const daemon = `"$(printf 'mailer-daemon@x${byte}.example')"`;
    const srs = `"$(printf 'SRS0=${byte}=JJ=example.org=greg@srs.example.org')"`;
    return [
      [`${byte} in --sender`, `--as maildrop --sender ${person} --recipient ${PLAIN}`, ""],
      [`${byte} in --sender of a daemon`, `--as maildrop --sender ${daemon} --recipient ${PLAIN}`, ""],
      [`${byte} in --recipient`, `--as maildrop --sender '' --recipient ${srs}`, ""],
      [`${byte} in --recipient, attached`, `--as maildrop --sender= --recipient=${srs}`, ""],
      [`${byte} in Postfix's sender`, `--as postfix -- ${person} ${PLAIN}`, ""],
      [`${byte} in Postfix's recipient`, `--as postfix -- '' ${srs}`, ""],
      [`${byte} in both`, `--as postfix -- ${person} ${srs}`, ""],
      [`${byte} in SENDER`, "--as maildrop", `SENDER=${person} RECIPIENT=${PLAIN}`],
      [`${byte} in RECIPIENT`, "--as procmail", `SENDER= RECIPIENT=${srs}`],
      [`${byte} in ORIGINAL_RECIPIENT`, "--as postfix", `SENDER= RECIPIENT=${PLAIN} ORIGINAL_RECIPIENT=${srs}`],
      [
        `${byte} in all variables of qmail`,
        "",
        `SENDER= HOST=srs.example.org DEFAULT=${srs} EXT=${srs} RECIPIENT=${srs}`,
      ],
      [`${byte} in SENDER of qmail`, "", `SENDER=${daemon} HOST=example.org EXT= RECIPIENT=${PLAIN}`],
    ];
  },
);
for (const [what, args, env] of undecodable) {
  Deno.test(`an invalid sender counts as a person, an invalid recipient as not an identity: ${what}`, async () => {
    using home = gregsHome();
    const script = `${env} exec "$0" ${args.replace(/^/, '--maildir "$HOME/Maildir" ')}`;
    const ran = await home.run(["sh", "-c", script, `${ROOT}/hooks/incoming`], FORGED);
    assert.equal(ran.stderr, "");
    assert.equal(ran.code, args === "" ? 99 : 0);
    assert.deepEqual([home.mails("Maildir").length, home.mails("Maildir/.Spam").length], [1, 0]);
    assert.match(home.read(LOG), / result=other .* outcome=delivered /);
  });
}

Deno.test("the paths of --config and --maildir must be valid UTF-8", async () => {
  for (const args of ["--config", "--maildir"]) {
    using home = gregsHome();
    const script = `exec "$0" --as maildrop ${args} "$(printf '/tmp/\\377')"`;
    oneLine(await home.run(["sh", "-c", script, `${ROOT}/hooks/incoming`], FORGED), 75, /is not UTF-8|cannot be read/);
  }
});

Deno.test("the log records the result and the outcome", async (t) => {
  const inbox = (home: Home) => ["--maildir", `${home.path}/Maildir`];
  const unsignedSrs = "nobody@srs.example.org";
  /** Home, arguments, sender, recipient, exit status, and a pattern for the log line. */
  type Row = [what: string, home: () => Home, args: (home: Home) => string[], string, string, number, RegExp];
  const defaults = () => gregsHome();
  const refusing = () => gregsHome('forged = "refuse"');
  const forwarding = (then?: string) => () => {
    const home = gregsHome();
    home.settings(stubTransport(home, then));
    return home;
  };
  /** The spam maildir cannot be created. */
  const unwritable = () => {
    const home = gregsHome();
    home.write("file", "not a folder");
    home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/file/Spam"\n`);
    return home;
  };
  const as = (caller: string) => () => ["--as", caller];
  const forward = () => ["--forward"];
  const table: Row[] = [
    ["go-on", defaults, as("maildrop"), FRIEND, PLAIN, 0, /result=other check=addressed outcome=go-on /],
    ["delivered", defaults, inbox, FRIEND, PLAIN, 99, /result=other check=addressed outcome=delivered /],
    ["filed", defaults, as("maildrop"), "", PLAIN, 99, /result=forged check=forged outcome=filed /],
    [
      "filter: its caller files the message",
      defaults,
      as("filter"),
      "",
      PLAIN,
      0,
      /result=forged .* outcome=go-on /,
    ],
    [
      "a person, filed",
      refusing,
      as("qmail"),
      FRIEND,
      FORGED_SRS,
      99,
      /result=forged check=signed-recipient outcome=filed /,
    ],
    ["filed, not refused", refusing, as("qmail"), "", FORGED_SRS, 99, /result=forged .* outcome=filed /],
    ["redirected", defaults, as("condredirect"), "", PLAIN, 0, /result=forged .* outcome=redirected /],
    [
      "forwarded",
      forwarding(),
      forward,
      "",
      signed(),
      99,
      /identity=greg@example\.org result=genuine .* outcome=forwarded /,
    ],
    ["forged when forwarding", forwarding(), forward, FRIEND, unsignedSrs, 99, /result=forged .* outcome=filed /],
    [
      "defer: the program fails",
      forwarding("exit 75"),
      forward,
      "",
      signed(),
      75,
      /result=genuine .* outcome=defer /,
    ],
    [
      "defer: nothing to forward to",
      forwarding(),
      forward,
      FRIEND,
      "x@y.example",
      75,
      /result=other .* outcome=defer /,
    ],
    ["defer: no spam maildir", unwritable, as("maildrop"), "", PLAIN, 75, /result=forged .* outcome=defer /],
    [
      "defer: no inbox maildir",
      unwritable,
      () => ["--maildir", "file/x"],
      FRIEND,
      PLAIN,
      75,
      /result=other .* outcome=defer /,
    ],
  ];
  for (const [what, makeHome, args, sender, recipient, status, line] of table) {
    await t.step(what, async () => {
      using home = makeHome();
      const ran = await hookHere(home, args(home), FORGED, {
        SENDER: sender,
        RECIPIENT: recipient,
        EXT: "",
        HOST: "y.example",
      });
      assert.equal(ran.code, status, ran.stderr);
      const log = home.read(LOG);
      assert.match(log, line);
      assert.equal(log.split("\n").length, 2, "one line");
      assert.match(log, sender === "" ? / sender=<> / : / sender=@friend\.example /);
    });
  }
});

Deno.test("the hook's log has only the domains of other people unless log_addresses is set", async () => {
  for (const logAddresses of [false, true]) {
    using home = new Home();
    home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, logAddresses ? "log_addresses = true" : "");
    assert.equal((await home.hook([], ORDINARY, { SENDER: FRIEND, RECIPIENT: PLAIN, EXT: "" })).code, 0);
    assert.match(home.read(LOG), logAddresses ? / sender=friend@friend\.example / : / sender=@friend\.example /);
  }
});

Deno.test("a message that is deferred before it is judged is in the log", async () => {
  using home = gregsHome();
  Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644);
  oneLine(await home.hook([], FORGED, { SENDER: "", RECIPIENT: PLAIN }), 75, /Key file is readable by others/);
  assert.match(
    home.read(LOG),
    /^time=\S+ direction=in sender=<> outcome=defer original=\S+ from=@mx\.example\.net why=permission\n$/,
  );
});
