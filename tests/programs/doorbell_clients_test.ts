/**
 * Whole conversations with a doorbell: requests by the real mutt and mail through the shim, whose signed sender changes
 * daily; replies of the real mutt on a terminal and of mail; and the hook that answers challenges.
 */
import assert from "node:assert/strict";
import { srsForward } from "../../mod.ts";
import { type Home, ledgerFiles, ROOT, SECRET } from "../rig.ts";
import { command, heldCount, reply, replyTo, request, ring, runs, serviceHome, SVC } from "../doorbell/home.ts";
import { need } from "./need.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const GREG = "greg@example.org";
const ANSWERS = '[challenge]\nanswer = true\nlists = ["*@example.org"]\n';

/** A message that was sent, and its envelope. */
interface Sent {
  sender: string;
  to: string;
  mail: string;
}

/** The messages that the shim and the doorbell have sent, oldest first. */
function sent(home: Home): Sent[] {
  return home.mails("out").map((text) => {
    const [, sender, to, mail] = /^Return-Path: <(.*)>\nX-Envelope-To: (.*)\n([^]*)$/.exec(text)!;
    return { sender: sender!, to: to!, mail: mail! };
  });
}

/** The messages that were not there before. */
function fresh(home: Home, before: readonly Sent[]): Sent[] {
  return sent(home).filter(({ mail }) => !before.some((one) => one.mail === mail));
}

/** Gives a home mutt and mail, which send through the shim. */
function clients(home: Home): void {
  const shim = home.write("bin/at-home", `#!/bin/sh\nHOME="${home.path}" exec "${ROOT}/shim/shim" "$@"\n`, 0o755);
  home.write(".muttrc", `set sendmail="${shim}" from="${GREG}" realname="Greg" copy=no\n`);
  home.write(".mailrc", `set sendmail="${shim}"\nset nosave\n`);
}

const write: Record<string, (home: Home, to: string) => Promise<unknown>> = {
  mutt: (home, to) => home.run(["mutt", "-n", "-F", `${home.path}/.muttrc`, "-s", "subscribe", "--", to], "Please.\n"),
  "bsd-mailx": (home, to) =>
    home.run(["bsd-mailx", "-s", "subscribe", to], "Please.\n", { MAILRC: `${home.path}/.mailrc` }),
};

/** Delivers a challenge to greg's hook. @returns what it added to the inbox */
async function judged(home: Home, { sender, to, mail }: Sent): Promise<string> {
  const before = home.mails("Maildir").length;
  const ran = await home.hook(["--maildir", `${home.path}/Maildir`], mail, { SENDER: sender, RECIPIENT: to });
  assert.deepEqual([ran.code, ran.stderr, home.mails("Maildir").length], [99, "", before + 1]);
  return home.mails("Maildir").at(-1)!;
}

for (const [program, send] of Object.entries(write)) {
  const test = await need(program);

  test(`${program}: mail that was sent is challenged, the hook does not answer, a person's reply confirms`, async () => {
    using home = serviceHome("", ANSWERS);
    clients(home);
    await send(home, SVC);
    const [mail, ...none] = sent(home) as [Sent];
    assert.deepEqual([none.length, ledgerFiles(`${home.path}/.local/state/countersign/ledger`).issued.length], [0, 1]);
    assert.match(mail.sender, /^SRS0=/);
    await ring(home, mail.sender, SVC, mail.mail);
    const [challenge, ...others] = fresh(home, [mail]) as [Sent];
    assert.deepEqual([others.length, challenge.sender, challenge.to], [0, "", GREG]);
    assert.match(await judged(home, challenge), /^Subject: Auto: subscribe$/m);
    const left = ledgerFiles(`${home.path}/.local/state/countersign/ledger`);
    assert.deepEqual([sent(home).length, left.issued.length, left.spent.length, runs(home)], [2, 1, 0, []]);
    await send(home, replyTo(challenge.mail));
    const [answer] = fresh(home, [mail, challenge]) as [Sent];
    await ring(home, answer.sender, answer.to, answer.mail);
    assert.deepEqual([runs(home).length, heldCount(home), sent(home).length], [1, 0, 3]);
    assert.equal(home.read("got"), mail.mail);
  });
}

Deno.test("mail that was never sent is challenged, but the hook does not answer, and nothing is confirmed", async () => {
  using home = serviceHome("", ANSWERS);
  await ring(home, GREG, SVC, request(GREG));
  const [challenge] = sent(home) as [Sent];
  assert.match(await judged(home, challenge), /^X-Countersign: unsolicited;/m);
  assert.deepEqual([sent(home).length, runs(home), heldCount(home)], [1, [], 1]);
});

const terminal = await needOnTerminal("mutt");

terminal("mutt on a terminal: r and y reply to the address that confirms", async () => {
  using home = serviceHome();
  clients(home);
  await ring(home, GREG, SVC, request(GREG));
  const [challenge] = sent(home) as [Sent];
  Deno.mkdirSync(`${home.path}/Mail`); // mutt would ask for it
  home.write("inbox", `From MAILER-DAEMON Fri Nov 20 05:32:58 2026\n${challenge.mail}\n`);
  const editor = home.write("bin/edits", '#!/bin/sh\necho Yes. >>"$1"\n', 0o755);
  const more = `set editor="${editor}" fast_reply=yes include=no wait_key=no quit=yes move=no record="" beep=no\n`;
  home.write(".muttrc", home.read(".muttrc") + more);
  const mutt = await Terminal.open(home, ["mutt", "-n", "-F", `${home.path}/.muttrc`, "-f", `${home.path}/inbox`]);
  try {
    await mutt.shows(/Auto: subscribe me/);
    await mutt.press("r");
    await mutt.shows(/^Reply to svc-confirm-\S+@example\.org\?/m);
    await mutt.press("y");
    await mutt.shows(/-- Mutt: Compose/);
    await mutt.press("y");
    await mutt.until("the reply is sent", () => sent(home).length === 2);
  } finally {
    await mutt[Symbol.asyncDispose]();
  }
  const [answer] = fresh(home, [challenge]) as [Sent];
  assert.equal(answer.to, replyTo(challenge.mail));
  await ring(home, answer.sender, answer.to, answer.mail);
  assert.deepEqual([runs(home).length, heldCount(home)], [1, 0]);
});

(await need("bsd-mailx"))("mail: reply writes to the address that confirms", async () => {
  using home = serviceHome();
  clients(home);
  await ring(home, GREG, SVC, request(GREG));
  const [challenge] = sent(home) as [Sent];
  const inbox = home.write("inbox", `From MAILER-DAEMON Fri Nov 20 05:32:58 2026\n${challenge.mail}\n`);
  await home.run(["bsd-mailx", "-N", "-f", inbox], "reply 1\nYes.\n.\nquit\n", { MAILRC: `${home.path}/.mailrc` });
  const [answer] = fresh(home, [challenge]) as [Sent];
  assert.equal(answer.to, replyTo(challenge.mail));
  await ring(home, answer.sender, answer.to, answer.mail);
  assert.deepEqual([runs(home).length, heldCount(home)], [1, 0]);
});

const DAY = 86_400_000;
/** greg's signed sender of a day. */
const srsOf = (days: number) =>
  srsForward(GREG, "srs.example.org", { secrets: [SECRET], now: new Date(Date.now() + days * DAY), skew: 2 });

Deno.test("signed senders of today and tomorrow are one person: on greg's own host, and where DMARC passed", async (t) => {
  const own = 'trust_results = "mx.example.org"\n';
  for (const [where, settings] of [["the own host", ""], ["another host", own]] as const) {
    await t.step(where, async () => {
      using home = serviceHome(`remember = 90\n${settings}`);
      if (settings !== "") {
        const config = home.read(".config/countersign/config.toml");
        const other = config.replace(GREG, "joe@host.example").replace("srs.example.org", "srs.host.example");
        home.write(".config/countersign/config.toml", other);
      }
      const passed = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\n";
      const gate = (days: number, to: string, mail: string) =>
        home.doorbell(["--as", "procmail"], passed + mail, { SENDER: srsOf(days), RECIPIENT: to });
      assert.notEqual(srsOf(0), srsOf(1));
      assert.equal((await gate(0, SVC, request(GREG))).stdout, "new\n");
      const [challenge] = sent(home) as [Sent];
      assert.equal(challenge.to, GREG);
      assert.equal((await gate(1, replyTo(challenge.mail), reply("", GREG))).stdout, "known\n");
      const next = request(GREG).replace("<request@", "<tomorrow@");
      assert.equal((await gate(1, SVC, next)).stdout, "known\n");
      assert.equal(sent(home).length, 1);
    });
  }
});

Deno.test("elsewhere, without DMARC, each signed sender is challenged as it is, not the address inside it", async () => {
  using home = serviceHome("remember = 90");
  const joe = "SRS0=abcd=XY=friend.example=joe@srs.friend.example";
  const mail = request("joe@friend.example");
  await home.doorbell(["--as", "procmail"], mail, { SENDER: joe, RECIPIENT: SVC });
  assert.equal(sent(home)[0]!.to.toLowerCase(), joe.toLowerCase());
});

Deno.test("two hosts that share doorbell.folder: one holds, the other confirms, and of eight confirmations one runs", async () => {
  using first = serviceHome();
  using second = serviceHome();
  const folder = `${first.path}/shared`;
  for (const home of [first, second]) {
    const config = home.read(".config/countersign/config.toml");
    home.write(".config/countersign/config.toml", `${config}folder = "${folder}"\n`);
  }
  await ring(first, GREG, SVC, request(GREG));
  await ring(second, GREG, SVC, request(GREG));
  assert.deepEqual([sent(first).length, sent(second).length], [1, 0], "held and challenged once");
  const to = replyTo(sent(first)[0]!.mail);
  const all = await Promise.all(Array.from({ length: 8 }, (_, nth) => {
    const home = nth % 2 === 0 ? first : second;
    return ring(home, GREG, to, reply(to, GREG), command(home));
  }));
  assert.deepEqual(all.map(({ code }) => code), Array(8).fill(99));
  assert.equal(runs(first).length + runs(second).length, 1);
});
