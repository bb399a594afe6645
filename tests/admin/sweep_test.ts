/** sweep: what it moves, what it leaves, and what it prints. */
import assert from "node:assert/strict";
import { sweepMaildir } from "../../admin/sweep/pass.ts";
import { SweepReport } from "../../admin/sweep/report.ts";
import { loadIdentities, loadSettings } from "../../io/system/load.ts";
import { fieldOf, oneLine, SECRET } from "../rig.ts";
import { fields } from "../../admin/log/line.ts";
import { Qsecretary } from "../qsecretary.ts";
import { conforms } from "./json.ts";
import { countersign, snapshot } from "./home.ts";
import { fetched, forged, Laptop, letter } from "./sweep.ts";

const LOG = ".local/state/countersign/log";
const DAY = 86_400_000;

Deno.test("sweep moves a forged bounce and leaves a genuine one and ordinary mail", async () => {
  using home = new Laptop();
  home.put("new/1.P1.x", forged(1));
  home.put("cur/2.P1.x:2,S", forged(2));
  home.put("new/3.P1.x", await home.bounce());
  home.put("cur/4.P1.x:2,FS", letter());
  const ran = await home.sweep();
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.deepEqual(home.names(), ["new/3.P1.x", "cur/4.P1.x:2,FS"]);
  // What was unread is still unread, and flags are kept.
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.P1.x", "cur/2.P1.x:2,S"]);
  assert.equal(home.read("Mail/Spam/new/1.P1.x"), forged(1), "the message is unchanged");
  const today = new Date().toISOString().slice(0, 10);
  const row = `  ${today}  MAILER-DAEMON@mx.example.net  "failure notice"`;
  assert.equal(
    ran.stdout,
    `4 messages judged: 1 genuine, 2 forged, 1 other\n2 messages moved to ${home.path}/Mail/Spam:\n${row}\n${row}\n`,
  );
  const log = home.read(LOG).trim().split("\n").map(fields).filter(({ direction }) => direction === "in");
  assert.deepEqual(log.map(({ result, outcome }) => `${result} ${outcome}`).sort(), [
    "forged filed",
    "forged filed",
    "genuine go-on",
  ]);

  const again = await home.sweep();
  assert.deepEqual(again, { code: 0, stdout: "0 messages judged\n", stderr: "" });
});

Deno.test("sweep knows a bounce without a tag by the Message-ID that was sent", async () => {
  using home = new Laptop("", "[tag]\nsign = false\n");
  const bounce = await home.bounce();
  assert.ok(!bounce.includes("X-Msgauth"));
  home.put("new/1.x", bounce);
  const ran = await home.sweep();
  assert.match(ran.stdout, /^1 message judged: 1 known\n$/);
  assert.deepEqual(home.names(), ["new/1.x"]);
});

Deno.test("without a recorded envelope, a message that looks like a bounce counts as one", async () => {
  using home = new Laptop();
  const bare = (mail: string) => mail.replace(/^(?:.*\n){3}/, "");
  home.put("new/1.x", bare(forged()));
  home.put("new/2.x", bare(await home.bounce()));
  home.put("new/3.x", bare(letter()));
  home.put("new/4.x", "");
  // Delivered to a mailbox with another name, which the provider uses.
  home.put("new/5.x", forged(5).replace("Delivered-To: greg@example.org", "Delivered-To: u1234"));
  // Of another user.
  home.put("new/6.x", bare(forged(6)).replace("To: greg@example.org", "To: eve@example.org"));
  const ran = await home.sweep();
  assert.match(ran.stdout, /^6 messages judged: 1 genuine, 2 forged, 3 other\n/);
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.x", "new/5.x"]);
});

Deno.test("sweep obeys the settings as the hook does", async (t) => {
  const today = new Date().toISOString().slice(0, 10);
  const receipt = fetched(
    "From: Kay <kay@example.net>\nTo: greg@example.org\nSubject: Read\n\nYour message was read.\n",
  );
  const table: [what: string, incoming: string, top: string, mail: string, result: string, moved: boolean][] = [
    ["during the grace period", "", `since = ${today}`, forged(), "suspect", false],
    ["forged = mark", 'forged = "mark"', "", forged(), "suspect", false],
    ["forged = refuse", 'forged = "refuse"', "", forged(), "forged", true],
    ["unsolicited = mark", "", "", receipt, "unsolicited", false],
    ["unsolicited = spam", 'unsolicited = "spam"', "", receipt, "unsolicited", true],
  ];
  for (const [what, incoming, top, mail, result, moved] of table) {
    await t.step(what, async () => {
      using home = new Laptop(incoming, top);
      home.put("new/1.x", mail);
      const all = conforms("sweep --json", JSON.parse((await home.sweep("--json")).stdout));
      assert.equal(all.results[result], 1);
      assert.equal(home.names("Mail/Spam").length, moved ? 1 : 0);
    });
  }
});

Deno.test("--json has the documented members, --quiet prints nothing, --dry-run changes nothing", async () => {
  using home = new Laptop();
  home.put("cur/1.x,U=7:2,S", forged());
  const before = snapshot(home.path);
  const dry = await home.sweep("--dry-run");
  assert.match(dry.stdout, /^1 message judged: 1 forged\n1 message would be moved to /);
  const ran = await home.sweep("--dry-run", "--json");
  assert.deepEqual(snapshot(home.path), before);
  const all = conforms("sweep --json", JSON.parse(ran.stdout));
  assert.deepEqual([all.dryRun, all.judged, all.moved[0].file], [true, 1, `${home.path}/Mail/Inbox/cur/1.x,U=7:2,S`]);
  assert.deepEqual(await home.sweep("--quiet"), { code: 0, stdout: "", stderr: "" });
  assert.deepEqual(home.names("Mail/Spam"), ["cur/1.x:2,S"], "the UID of mbsync is not taken along");
});

Deno.test("a message that the user moves back is left, whatever its new name is", async (t) => {
  for (const name of ["new/1.x", "cur/1.x:2,S", "cur/99.P5.host,U=4:2,FS"]) {
    await t.step(name, async () => {
      using home = new Laptop();
      home.put("new/1.x", forged());
      await home.sweep();
      assert.deepEqual(home.names(), []);
      Deno.renameSync(`${home.path}/Mail/Spam/new/1.x`, `${home.path}/Mail/Inbox/${name}`);
      await home.sweep();
      await home.sweep("--all");
      assert.deepEqual(home.names(), [name]);
    });
  }
});

Deno.test("copies of a forged bounce are all moved", async () => {
  using home = new Laptop();
  for (const name of ["new/1.x", "new/2.x", "cur/3.x:2,S"]) home.put(name, forged());
  await home.sweep();
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.x", "new/2.x", "cur/3.x:2,S"]);
});

Deno.test("two files of one name, as in a mailbox that was restored, are both judged", async () => {
  using home = new Laptop();
  for (const name of ["new/1.x", "cur/1.x:2,", "cur/1.x:2,S"]) home.put(name, forged());
  assert.match((await home.sweep()).stdout, /^3 messages judged: 3 forged\n3 messages moved/);
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.x", "cur/1.x:2,", "cur/1.x:2,S"]);
});

Deno.test("the first sweep judges unread messages, and of the others those of the last days", async () => {
  using home = new Laptop();
  const old = new Date(Date.now() - 20 * DAY);
  const age = (path: string) => Deno.utimeSync(path, old, old);
  age(home.put("cur/1.x:2,S", forged(1)));
  age(home.put("new/2.x", forged(2)));
  // Fetched now, but it arrived at the server 20 days ago.
  home.put("new/3.x", forged(3, old));
  // fetchmail adds its own field at the top.
  home.put(
    "new/4.x",
    `Received: from pop.example.org by laptop with POP3 (fetchmail-6.4.37); ${new Date().toUTCString()}\n${
      forged(4, old)
    }`,
  );
  // So does getmail.
  home.put(
    "new/5.x",
    `Delivered-To: unknown\nReceived: from imap.example.org by laptop with IMAP4-SSL getmail6 msgid:INBOX/7; ${
      new Date().toUTCString()
    }\n${forged(5, old)}`,
  );
  // mpop does it in this form,
  home.put(
    "new/6.x",
    `Received: from pop.example.org (pop.example.org [192.0.2.1])\n\tby laptop (mpop-1.4.18) with POP3\n\tfor <greg>; ${
      new Date().toUTCString()
    }\n${forged(6, old)}`,
  );
  // and fdm in this one, below the fields of the server.
  home.put(
    "new/7.x",
    forged(7, old).replace(
      "Received:",
      `Received: by laptop (fdm 1.9, account "provider") \n\twith pop3 (unencrypted)\n\t${
        new Date().toUTCString()
      }\n$&`,
    ),
  );
  const ran = await home.sweep();
  assert.match(ran.stdout, /^6 messages judged: 6 forged\n/);
  assert.match(ran.stdout, /^5 messages left in place \(arrived too long ago\)$/m);
  assert.deepEqual(home.names("Mail/Spam"), ["new/2.x"]);
  assert.match((await home.sweep("--all", "--days", "23")).stdout, /^6 messages judged: 6 forged\n6 messages moved/);
});

Deno.test("several maildirs, each once; --spam", async () => {
  using home = new Laptop();
  home.maildir("Mail/Lists");
  home.put("new/1.x", forged(1));
  home.put("new/2.x", forged(2), "Mail/Lists");
  Deno.symlinkSync("Inbox", `${home.path}/Mail/Link`);
  const ran = await countersign(home, [
    ...["sweep", "Mail/Inbox", "Mail/Lists/", "Mail/Link", "./Mail/Inbox"],
    "--spam",
    "Mail/Other",
  ]);
  assert.match(ran.stdout, /^2 messages judged: 2 forged\n/);
  assert.deepEqual(home.names("Mail/Other"), ["new/1.x", "new/2.x"]);
});

Deno.test("errors are one line", async (t) => {
  using home = new Laptop();
  home.maildir("Mail/Spam");
  home.put("new/1.x", forged());
  const table: [args: string[], code: number, error: RegExp][] = [
    [["sweep"], 64, /MAILDIR is missing/],
    [["sweep", "Mail/None"], 74, /Mail\/None: Maildir cannot be read: No such file or directory/],
    [["sweep", "Mail"], 74, /Mail: Maildir cannot be read: it is not a maildir/],
    [["sweep", "Mail/None", "Mail"], 74, /Mail\/None: Maildir cannot be read: No such file or directory/],
    [["sweep", "Mail/Spam"], 64, /Mail\/Spam: This is the spam maildir/],
    [["sweep", "Mail/Inbox", "--days", "24"], 64, /Option --days is "24", not a number from 1 to 23/],
    [["sweep", "Mail/Inbox", "--watch", "--dry-run"], 64, /cannot be combined/],
    [["sweep", "Mail/Inbox", "--quiet", "--json"], 64, /cannot be combined/],
  ];
  for (const [args, code, error] of table) {
    await t.step(args.join(" "), async () => {
      const ran = await countersign(home, args);
      oneLine(ran, code, error);
      assert.deepEqual(home.names(), ["new/1.x"]);
    });
  }
});

Deno.test("--mark adds the result, and corrects the size in the name", async () => {
  using home = new Laptop('forged = "mark"');
  const time = new Date(Date.now() - DAY);
  Deno.utimeSync(home.put(`cur/1.x,S=${forged(1).length},W=999:2,S`, forged(1)), time, time);
  Deno.utimeSync(home.put("new/2.x", forged(2)), time, time);
  home.put("new/3.x", await home.bounce());
  home.put("new/4.x", `X-Countersign: genuine; check=proof\n${forged(4)}`);
  const ran = await home.sweep("--mark");
  assert.match(ran.stdout, /: 1 genuine, 3 suspect\n3 messages marked\n$/);
  const [two, three, four, one] = home.names();
  assert.deepEqual([two, three, four], ["new/2.x", "new/3.x", "new/4.x"]);
  const text = home.read(`Mail/Inbox/${one}`);
  assert.equal(one, `cur/1.x,S=${text.length}:2,S`);
  for (const name of [one, two, four]) {
    const mail = home.read(`Mail/Inbox/${name}`);
    assert.match(fieldOf(mail, "X-Countersign"), /^suspect; check=forged; /);
    assert.equal(mail.match(/X-Countersign/g)!.length, 1);
  }
  for (const name of [one, two]) {
    assert.equal(Deno.statSync(`${home.path}/Mail/Inbox/${name}`).mtime!.getTime(), time.getTime());
  }
  const before = snapshot(`${home.path}/Mail`);
  await home.sweep("--mark", "--all");
  assert.deepEqual(snapshot(`${home.path}/Mail`), before, "marked once");
});

Deno.test("--mark also marks what is moved", async () => {
  using home = new Laptop();
  home.put("cur/1.x,S=17,U=3:2,S", forged());
  await home.sweep("--mark");
  const [name] = home.names("Mail/Spam");
  const mail = home.read(`Mail/Spam/${name}`);
  assert.equal(name, `cur/1.x,S=${mail.length}:2,S`);
  assert.match(fieldOf(mail, "X-Countersign"), /^forged; check=forged; /);
  assert.equal(mail.replace(/^X-Countersign: .*\n/, ""), forged());
  assert.deepEqual(home.names(), []);
});

Deno.test("keys that cannot verify: too old, and dated in the future", async (t) => {
  const key = (days: number) => `k1 ${new Date(Date.now() + days * DAY).toISOString().slice(0, 10)} ${SECRET}\n`;
  await t.step("too old: unjudged, and left", async () => {
    using home = new Laptop();
    home.write(".config/countersign/keys", key(-1000), 0o600);
    home.put("new/1.x", forged());
    assert.match((await home.sweep()).stdout, /^1 message judged: 1 unjudged\n$/);
    assert.deepEqual(home.names(), ["new/1.x"]);
  });
  await t.step("in the future: the clock may be wrong, so it is tried again", async () => {
    using home = new Laptop();
    home.write(".config/countersign/keys", key(100), 0o600);
    home.put("new/1.x", forged());
    oneLine(await home.sweep("--quiet"), 75, /dated in the future.*; the next sweep tries again/);
    home.write(".config/countersign/keys", key(-100), 0o600);
    assert.match((await home.sweep()).stdout, /^1 message judged: 1 forged\n1 message moved/);
  });
});

Deno.test("challenges that the hook would answer are left", async () => {
  const list = "list@lists.example";
  using home = new Laptop(`[challenge]\nanswer = true\nlists = ["${list}"]\nanswered = "~/kept"\n`);
  const ran = await home.shim(["--", list], `From: greg@example.org\nTo: ${list}\nSubject: Hello\n\nHi all.\n`);
  assert.equal(ran.code, 0, ran.stderr);
  const { mail } = new Qsecretary(list).take("greg@example.org", home.mails("out")[0]!);
  Deno.removeSync(`${home.path}/out`, { recursive: true });
  home.put("new/1.x", fetched(mail));
  assert.equal((await home.sweep()).code, 0);
  assert.deepEqual([home.names(), home.mails("out"), home.names("kept")], [["new/1.x"], [], []]);
  // It is still answered if it comes through a hook.
  const env = { SENDER: "", RECIPIENT: "greg@example.org" };
  assert.equal((await home.hook(["--as", "maildrop"], mail, env)).code, 99);
  assert.deepEqual([home.mails("out").length, home.names("kept").length], [1, 1]);
});

Deno.test("a bounce that arrived in the grace period is left, also when it is fetched after it", async () => {
  const since = new Date(Date.now() - 16 * DAY).toISOString().slice(0, 10);
  using home = new Laptop("", `since = ${since}`);
  home.put("new/1.x", forged(1, new Date(Date.now() - 10 * DAY)));
  home.put("new/2.x", forged(2));
  const ran = await home.sweep();
  assert.match(ran.stdout, /^2 messages judged: 1 suspect, 1 forged\n/);
  assert.deepEqual(home.names(), ["new/1.x"]);
});

Deno.test("a sender cannot make a forged bounce look old", async (t) => {
  const date = new Date().toUTCString().replace("GMT", "+0000");
  const server = (text: string) => `Received: ${text}; ${date}`;
  for (
    const received of [
      server("from getmail-6.spam.example (getmail-6.spam.example [192.0.2.1]) by mx.example.org with ESMTP id 1"),
      server(
        'from a (helo=b) by mx.example.org with esmtp (Exim) (envelope-from <"by x with POP3"@spam.example>) id 1',
      ),
      server('from a by mx.example.org with esmtp (envelope-from <"\\") by x with POP3 ("@spam.example>) id 1'),
      server("from a (b (by x with IMAP c)) by mx.example.org with ESMTP id 1"),
    ]
  ) {
    await t.step(received, async () => {
      using home = new Laptop();
      home.put("new/1.x", forged(1, new Date(Date.now() - 20 * DAY)).replace("Received:", `${received}\nReceived:`));
      await home.sweep();
      assert.deepEqual(home.names("Mail/Spam"), ["new/1.x"]);
    });
  }
});

Deno.test("a spam maildir that leads back to the swept one loses no message", async () => {
  using home = new Laptop();
  home.put("new/1.x", forged());
  Deno.mkdirSync(`${home.path}/Mail/Spam/tmp`, { recursive: true });
  for (const folder of ["new", "cur"]) Deno.symlinkSync(`../Inbox/${folder}`, `${home.path}/Mail/Spam/${folder}`);
  oneLine(await home.sweep(), 64, /Mail\/Inbox: This is the spam maildir$/m);
  assert.deepEqual(home.names(), ["new/1.x"]);
});

Deno.test("a copy in the spam maildir that a killed sweep left is used", async () => {
  using home = new Laptop();
  for (const maildir of ["Mail/Inbox", "Mail/Spam"]) home.put("new/1.x", forged(), maildir);
  assert.match((await home.sweep()).stdout, /^1 message moved/m);
  assert.deepEqual([home.names(), home.names("Mail/Spam")], [[], ["new/1.x"]]);
});

Deno.test("a message that the user moves back is left, also if the sweep was killed when it had moved it", async () => {
  using home = new Laptop();
  home.put("new/1.x", forged());
  const settings = loadSettings({ file: `${home.path}/.config/countersign/config.toml`, home: home.path });
  const [inbox, spam] = [`${home.path}/Mail/Inbox`, `${home.path}/Mail/Spam`];
  const options = { spam, days: 14, mark: false, dryRun: false, all: false };
  const context = { settings, identities: loadIdentities(settings), now: new Date() };
  const { renameSync } = Deno;
  Deno.renameSync = (from, to) => {
    renameSync(from, to);
    if (`${to}`.startsWith(spam)) throw new Error("killed");
  };
  try {
    await sweepMaildir(inbox, options, context, new SweepReport());
  } finally {
    Deno.renameSync = renameSync;
  }
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.x"]);
  Deno.renameSync(`${spam}/new/1.x`, `${inbox}/cur/2.y:2,S`);
  assert.match((await home.sweep()).stdout, /^1 message left in place \(moved back by you\)$/m);
  assert.deepEqual(home.names(), ["cur/2.y:2,S"]);
});

Deno.test("explain --as sweep explains the verdict of sweep, also where the hook would see another envelope", async (t) => {
  const since = new Date(Date.now() - 16 * DAY).toISOString().slice(0, 10);
  const date = new Date().toUTCString();
  const mailbox = forged().replace("Delivered-To: greg@example.org", "Delivered-To: u77@store.example");
  const table: [what: string, mail: string, result: string, outcome: RegExp][] = [
    ["the name of a mailbox", mailbox, "forged", /^moved to \S+\/Mail\/Spam, unless it arrived too long ago/],
    ["no envelope", forged().replace(/^(?:Return-Path|Delivered-To).*\n/gm, ""), "forged", /^moved to /],
    ["below fetchmail's field", `Received: from a by b with POP3; ${date}\n${forged()}`, "forged", /^moved to /],
    ["in the grace period", forged(1, new Date(Date.now() - 10 * DAY)), "suspect", /^left$/],
    ["from a person", letter(), "other", /^left$/],
  ];
  using home = new Laptop("", `since = ${since}`);
  for (const [what, mail, result, outcome] of table) {
    await t.step(what, async () => {
      const file = home.put("new/1.x", mail);
      const ran = await countersign(home, ["explain", "--json", "--as", "sweep", file]);
      const { verdict } = JSON.parse(ran.stdout);
      assert.equal(verdict.result, result, ran.stdout);
      assert.match(verdict.outcome, outcome);
      assert.equal(JSON.parse((await home.sweep("--dry-run", "--all", "--json")).stdout).results[result], 1);
    });
  }
  const ran = await countersign(home, ["explain", "--as", "sweep", "--sender", "<>", home.put("new/1.x", letter())]);
  oneLine(ran, 64, /Option --as sweep cannot be combined with --sender or --recipient/);
});

Deno.test("sweep moves to maildirs only: with a spam mailbox in mbox format, one must be named", async () => {
  using home = new Laptop();
  home.settings('[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "mbox:~/Mail/spam.mbox"\n');
  home.put("new/1.P1.x", forged(1));
  oneLine(await home.sweep(), 64, /incoming\.spam is an mbox file: name a maildir with --spam/);
  const ran = await home.sweep("--spam", `${home.path}/Mail/Spam`);
  assert.deepEqual([ran.code, home.names("Mail/Spam")], [0, ["new/1.P1.x"]], ran.stderr);
});
