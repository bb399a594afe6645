/** The whole hook: what is wrong with it in one line, in the number of each caller; and its log. */
import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../incoming/delivery.ts";
import { FORGED, FORGED_SRS, gregsHome, ORDINARY } from "../programs/letters.ts";
import { Home, oneLine, ROOT } from "../rig.ts";
import { byStub, signed } from "../stub.ts";

const CONFIG = ".config/countersign/config.toml";
const LOG = ".local/state/countersign/log";
const FRIEND = "friend@friend.example";
const PLAIN = "greg@example.org";

/** "Later", as each caller takes it; the filter lets the message through. */
const LATER: Record<Caller, number> = {
  qmail: 75,
  maildrop: 75,
  procmail: 75,
  postfix: 75,
  filter: 0,
  condredirect: 111,
};

/** One thing wrong with the settings, and what the line says. */
const wrong: [what: string, prepare: (home: Home) => void, says: (home: Home) => string][] = [
  ["an unknown setting", (home) => home.settings("\n[incoming]\nspan = 1\n"), (home) => {
    const line = home.read(CONFIG).split("\n").indexOf("span = 1") + 1;
    return `${home.path}/${CONFIG}:${line}: Unknown setting incoming.span: did you mean incoming.spam?`;
  }],
  ["no TOML", (home) => home.settings("nonsense = ["), (home) => {
    const line = home.read(CONFIG).split("\n").indexOf("nonsense = [") + 1;
    return `${home.path}/${CONFIG}:${line}: Invalid TOML document: `;
  }],
  ["a wrong value", (home) => home.settings('\n[incoming]\nforged = "drop"\n'), (home) => {
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
for (const [what, prepare, says] of wrong) {
  Deno.test(`${what}: one line that names the place, and later, for each caller`, async () => {
    for (const caller of CALLERS) {
      for (const [mail, recipient] of [[FORGED, PLAIN], [ORDINARY, PLAIN], [FORGED, FORGED_SRS]] as const) {
        using home = gregsHome();
        prepare(home);
        const env = { SENDER: "", RECIPIENT: recipient };
        const ran = await home.hook(["--as", caller], mail, env);
        oneLine(ran, LATER[caller], /^incoming: /);
        assert.ok(ran.stderr.includes(says(home)), `${caller}: ${says(home)} is not in: ${ran.stderr}`);
        assert.equal(ran.stdout, caller === "filter" ? mail : "");
        assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Spam")], [[], []]);
      }
    }
  });
}

Deno.test("settings that --config or COUNTERSIGN_CONFIG name are those that are meant", async () => {
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

Deno.test("under qmail somebody must have told the sender", async () => {
  const says = /^incoming: SENDER is not set: run the hook by qmail-local, or give --as$/m;
  for (const mail of [FORGED, ORDINARY, `Return-Path: <>\nDelivered-To: ${PLAIN}\n${FORGED}`]) {
    for (const recipient of [PLAIN, FORGED_SRS, signed()]) {
      for (const args of [[], ["--maildir", "Maildir"]]) {
        using home = gregsHome();
        oneLine(await home.hook(args, mail, { RECIPIENT: recipient }), 75, says);
        assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Spam")], [[], []]);
      }
    }
  }
  using home = gregsHome();
  assert.equal((await home.hook([], ORDINARY, { SENDER: "", RECIPIENT: "x@y.example" })).code, 0, "empty is told");
});

/** [what, arguments and environment as a shell writes them: \377 is no UTF-8, and U+FFFD itself is in an address, too] */
const unreadable: [what: string, args: string, env: string][] = ["\\377", "\\357\\277\\275"].flatMap(
  (byte): typeof unreadable => {
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
        `${byte} in all that qmail tells`,
        "",
        `SENDER= HOST=srs.example.org DEFAULT=${srs} EXT=${srs} RECIPIENT=${srs}`,
      ],
      [`${byte} in SENDER of qmail`, "", `SENDER=${daemon} HOST=example.org EXT= RECIPIENT=${PLAIN}`],
    ];
  },
);
for (const [what, args, env] of unreadable) {
  Deno.test(`an address that cannot be read is a person's, and nobody's of ours: ${what}`, async () => {
    using home = gregsHome();
    const script = `${env} exec "$0" ${args.replace(/^/, '--maildir "$HOME/Maildir" ')}`;
    const ran = await home.run(["sh", "-c", script, `${ROOT}/hooks/incoming`], FORGED);
    assert.equal(ran.stderr, "");
    assert.equal(ran.code, args === "" ? 99 : 0);
    assert.deepEqual([home.mails("Maildir").length, home.mails("Maildir/.Spam").length], [1, 0]);
    assert.match(home.read(LOG), / result=other .* outcome=delivered /);
  });
}

Deno.test("what the user wrote must be readable: settings and maildir", async () => {
  for (const args of ["--config", "--maildir"]) {
    using home = gregsHome();
    const script = `exec "$0" --as maildrop ${args} "$(printf '/tmp/\\377')"`;
    oneLine(await home.run(["sh", "-c", script, `${ROOT}/hooks/incoming`], FORGED), 75, /is not UTF-8|cannot be read/);
  }
});

Deno.test("the log says what happened", async (t) => {
  const inbox = (home: Home) => ["--maildir", `${home.path}/Maildir`];
  const stranger = "nobody@srs.example.org";
  /** Settings of the way out, arguments, sender, recipient, status, the end of the line. */
  type Row = [what: string, home: () => Home, args: (home: Home) => string[], string, string, number, RegExp];
  const plain = () => gregsHome();
  const refusing = () => gregsHome('forged = "refuse"');
  const forwarding = (then?: string) => () => {
    const home = gregsHome();
    home.settings(byStub(home, then));
    return home;
  };
  /** A maildir that cannot be made, for inbox and spam. */
  const closed = () => {
    const home = gregsHome();
    home.write("file", "no folder");
    home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/file/Spam"\n`);
    return home;
  };
  const as = (caller: string) => () => ["--as", caller];
  const forward = () => ["--forward"];
  const table: Row[] = [
    ["go-on", plain, as("maildrop"), FRIEND, PLAIN, 0, /result=other check=addressed outcome=go-on /],
    ["delivered", plain, inbox, FRIEND, PLAIN, 99, /result=other check=addressed outcome=delivered /],
    ["filed", plain, as("maildrop"), "", PLAIN, 99, /result=forged check=forged outcome=filed /],
    ["filed by the filter is not ours to know", plain, as("filter"), "", PLAIN, 0, /result=forged .* outcome=go-on /],
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
    ["redirected", plain, as("condredirect"), "", PLAIN, 0, /result=forged .* outcome=redirected /],
    [
      "forwarded",
      forwarding(),
      forward,
      "",
      signed(),
      99,
      /identity=greg@example\.org result=genuine .* outcome=forwarded /,
    ],
    ["forged when forwarding", forwarding(), forward, FRIEND, stranger, 99, /result=forged .* outcome=filed /],
    [
      "defer: the program fails",
      forwarding("exit 67"),
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
    ["defer: no spam maildir", closed, as("maildrop"), "", PLAIN, 75, /result=forged .* outcome=defer /],
    ["defer: no maildir", closed, () => ["--maildir", "file/x"], FRIEND, PLAIN, 75, /result=other .* outcome=defer /],
  ];
  for (const [what, make, args, sender, recipient, status, line] of table) {
    await t.step(what, async () => {
      using home = make();
      const ran = await home.hook(args(home), FORGED, {
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

Deno.test("the log of the way in names other people by their domains only, unless set otherwise", async () => {
  for (const whole of [false, true]) {
    using home = new Home();
    home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, whole ? "log_addresses = true" : "");
    assert.equal((await home.hook([], ORDINARY, { SENDER: FRIEND, RECIPIENT: PLAIN, EXT: "" })).code, 0);
    assert.match(home.read(LOG), whole ? / sender=friend@friend\.example / : / sender=@friend\.example /);
  }
});

Deno.test("a message that is deferred before it is judged is in the log", async () => {
  using home = gregsHome();
  Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644);
  oneLine(await home.hook([], FORGED, { SENDER: "", RECIPIENT: PLAIN }), 75, /Key file is readable by others/);
  assert.match(home.read(LOG), /^time=\S+ direction=in sender=<> outcome=defer (?:original=\S+ )?why=permission\n$/);
});
