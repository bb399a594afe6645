/** What the hook does itself: it files and delivers, and writes qmail's header lines in front of the message. */
import assert from "node:assert/strict";
import { hookHere } from "../admin/resident.ts";
import { FORGED, FORGED_SRS, gregsHome, ORDINARY } from "../programs/letters.ts";
import { fieldOf, Home, oneLine } from "../rig.ts";
import { signed, stub } from "../stub.ts";

const FRIEND = "friend@friend.example";
const PLAIN = "greg@example.org";
const MAILDIR = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
const mailCounts = (home: Home) => [home.mails("Maildir").length, home.mails("Maildir/.Spam").length];

Deno.test("a hook never rejects, so no bounce is sent: forged mail is filed silently", async () => {
  const senders = [
    "",
    "<>",
    FRIEND,
    "MAILER-DAEMON@mx.example.net",
    "mailer-daemon@x.example",
    "MAILER-DAEMON",
    undefined,
  ];
  for (const sender of senders) {
    for (const recipient of [FORGED_SRS, PLAIN]) {
      for (const [caller, status] of [["qmail", 99], ["maildrop", 99], ["procmail", 0], ["postfix", 0]] as const) {
        if (sender === undefined && (caller === "qmail" || recipient === PLAIN)) continue; // exits 75, or no bounce
        if (sender === FRIEND && recipient === PLAIN) continue; // ordinary mail
        using home = gregsHome('forged = "refuse"\ninbox = "~/Maildir"');
        const env = { RECIPIENT: recipient, ...(sender !== undefined && { SENDER: sender }) };
        const ran = await hookHere(home, ["--as", caller], FORGED, env);
        assert.deepEqual(ran, { code: status, stdout: "", stderr: "" }, `${caller} ${sender} ${recipient}`);
        assert.deepEqual(mailCounts(home), [0, 1]);
      }
    }
  }
});

Deno.test("a double bounce is delivered with a mark, never filed", async () => {
  for (const recipient of [FORGED_SRS, PLAIN, signed(), "nobody@srs.example.org", "ann@example.org"]) {
    for (const [caller, status] of [["qmail", 99], ["maildrop", 0], ["procmail", 0], ["postfix", 0]] as const) {
      using home = gregsHome('forged = "refuse"');
      const args = ["--as", caller, "--maildir", `${home.path}/Maildir`];
      const ran = await hookHere(home, args, FORGED, { SENDER: "#@[]", RECIPIENT: recipient });
      assert.deepEqual(ran, { code: status, stdout: "", stderr: "" }, `${caller} ${recipient}`);
      assert.deepEqual(mailCounts(home), [1, 0]);
      assert.match(fieldOf(home.mails("Maildir")[0]!, "X-Countersign"), /^other; check=double-bounce; /);
    }
  }
});

Deno.test("a hook that delivers by itself marks suspect and late bounces", async () => {
  const late = signed(30);
  const rows: [what: string, incoming: string, recipient: string, mark: RegExp][] = [
    ["forged, plain address", 'forged = "mark"', PLAIN, /^suspect; check=forged; reason="a bounce /],
    ["forged, SRS address", 'forged = "mark"', FORGED_SRS, /^suspect; check=signed-recipient; reason="SRS address /],
    ["late", "", late, /^late; check=signed-recipient; reason="expired signed address of greg@example\.org"$/],
    ["not expired", "", signed(), /^genuine; check=signed-recipient; reason="valid signed address of /],
  ];
  for (const [what, incoming, recipient, mark] of rows) {
    const deliveries: [args: (home: Home) => string[], settings: string, status: number][] = [
      [(home) => ["--maildir", `${home.path}/Maildir`], "", 99],
      [(home) => ["--as", "maildrop", "--maildir", `${home.path}/Maildir`], "", 0],
      [() => ["--as", "postfix"], 'inbox = "~/Maildir"', 0],
    ];
    for (const [args, settings, status] of deliveries) {
      using home = gregsHome(`${incoming}\n${settings}`);
      const ran = await hookHere(home, args(home), FORGED, { SENDER: "", RECIPIENT: recipient });
      assert.deepEqual(ran, { code: status, stdout: "", stderr: "" }, what);
      assert.deepEqual(mailCounts(home), [1, 0], what);
      assert.match(fieldOf(home.mails("Maildir")[0]!, "X-Countersign"), mark);
    }
  }
});

const RPLINE = "Return-Path: <friend@friend.example>\n";
const DTLINE = "Delivered-To: greg@example.org\n";

Deno.test("RPLINE and DTLINE are written before delivered and filed mail, if each is a single line", async () => {
  const rows: [rpline: string | undefined, dtline: string | undefined, prefix: string][] = [
    [RPLINE, DTLINE, RPLINE + DTLINE],
    [RPLINE, undefined, RPLINE],
    [undefined, DTLINE, DTLINE],
    [undefined, undefined, ""],
    ["Return-Path: <a\nX-Evil: b@x.example>\n", DTLINE, DTLINE],
    [RPLINE, "Delivered-To: a\n\nb\n", RPLINE],
    [`${RPLINE}\n`, `\n${DTLINE}`, ""],
    ["Return-Path: <no newline>", "\n", ""],
    ["", "", ""],
  ];
  for (const [rpline, dtline, prefix] of rows) {
    const env = { ...(rpline !== undefined && { RPLINE: rpline }), ...(dtline !== undefined && { DTLINE: dtline }) };
    using home = gregsHome();
    const args = ["--maildir", `${home.path}/Maildir`];
    assert.equal((await hookHere(home, args, ORDINARY, { ...env, SENDER: FRIEND, RECIPIENT: PLAIN })).code, 99);
    assert.equal((await hookHere(home, args, ORDINARY, { ...env, SENDER: FRIEND, RECIPIENT: FORGED_SRS })).code, 99);
    for (const mail of [...home.mails("Maildir"), ...home.mails("Maildir/.Spam")]) {
      const [field] = /^X-Countersign: .*\n/m.exec(mail) ?? [""];
      assert.equal(mail, prefix + field + ORDINARY, JSON.stringify(env));
    }
    assert.deepEqual(mailCounts(home), [1, 1]);
  }
});

Deno.test("under other callers RPLINE and DTLINE are ignored: the message already has these fields", async () => {
  for (const [caller, status] of [["maildrop", 0], ["procmail", 0], ["postfix", 0]] as const) {
    using home = gregsHome();
    const env = { RPLINE, DTLINE, SENDER: FRIEND, RECIPIENT: PLAIN };
    const ran = await hookHere(home, ["--as", caller, "--maildir", `${home.path}/Maildir`], ORDINARY, env);
    assert.equal(ran.code, status, ran.stderr);
    const [mail] = home.mails("Maildir") as [string];
    assert.equal(mail, `${mail.split("\n")[0]}\n${ORDINARY}`);
    assert.match(mail, /^X-Countersign: other; /);
  }
});

Deno.test("missing parent folders of the spam maildir are created, those of the inbox are not", async () => {
  using home = new Home();
  home.settings(`${MAILDIR}[incoming]\nspam = "~/a/b/c/Spam"\ninbox = "~/d/e/Inbox"\n`);
  // `countersign sandbox` creates these folders itself, because the hook may not write to their parents.
  Deno.removeSync(`${home.path}/.config/countersign/config.sandbox`);
  const as = ["--as", "postfix"];
  const filed = await home.hook(as, FORGED, { SENDER: "", RECIPIENT: PLAIN });
  assert.deepEqual(filed, { code: 0, stdout: "", stderr: "" });
  assert.equal(home.mails("a/b/c/Spam").length, 1);
  for (const folder of ["a", "a/b", "a/b/c", "a/b/c/Spam"]) {
    assert.equal(Deno.statSync(`${home.path}/${folder}`).mode! & 0o777, 0o700, folder);
  }
  const delivered = await home.hook(as, ORDINARY, { SENDER: FRIEND, RECIPIENT: PLAIN });
  oneLine(delivered, 75, new RegExp(`${home.path}/d/e/Inbox: Maildir cannot be written: `));
  assert.throws(() => Deno.statSync(`${home.path}/d`), Deno.errors.NotFound);
  const explicit = await home.hook([...as, "--maildir", `${home.path}/f/g`], ORDINARY, {
    SENDER: FRIEND,
    RECIPIENT: PLAIN,
  });
  oneLine(explicit, 75, /f\/g: Maildir cannot be written/);
  assert.throws(() => Deno.statSync(`${home.path}/f`), Deno.errors.NotFound);
});

Deno.test("when incoming.spam_command fails, the hook defers and reports the program's error message", async () => {
  for (const [status, code] of [[0, 99], [1, 75], [100, 75]] as const) {
    using home = new Home();
    home.settings(`${MAILDIR}[incoming]\nspam_command = ["${stub(home, `echo full >&2; exit ${status}`)}", "a b"]\n`);
    const ran = await home.hook(["--as", "maildrop"], FORGED, { SENDER: "", RECIPIENT: PLAIN });
    if (status === 0) assert.deepEqual(ran, { code, stdout: "", stderr: "" });
    else oneLine(ran, code, new RegExp(`stub exited with status ${status}: full$`, "m"));
    assert.match(home.read("stub.got"), /^X-Countersign: forged; /);
    assert.equal(home.read("stub.args"), "a b\n");
  }
});
