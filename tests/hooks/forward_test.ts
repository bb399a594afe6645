/** `--forward`: what goes on to the identity, from whom, with which proof; and what does not. */
import assert from "node:assert/strict";
import { FORGED_SRS, gregsHome, ORDINARY } from "../programs/letters.ts";
import { fieldOf, type Home, oneLine, type Ran, ROOT } from "../rig.ts";
import { byStub, got, runs, signed, words } from "../stub.ts";

const FRIEND = "friend@friend.example";
const PLAIN = "greg@example.org";
const DTLINE = "Delivered-To: greg-srs-x@srs.example.org\n";
/** A bounce that returns nothing: the proof alone says that it is genuine. */
const BOUNCE = "From: MAILER-DAEMON@mx.example.net\nDate: 20 Nov 2026 05:32:58 -0000\n" +
  "Message-ID: <bounce@mx.example.net>\nSubject: failure notice\n\nHi. This is the qmail-send program.\n";
const where = (home: Home) => [runs(home), home.mails("Maildir").length, home.mails("Maildir/.Spam").length];
const without = (mail: string, ...names: string[]) =>
  mail.replace(new RegExp(`^(?:${names.join("|")}): .*\n`, "gm"), "");

/** A home whose way out is the stub. */
function forwardingHome(incoming = "", then?: string): Home {
  const home = gregsHome();
  home.settings(`${byStub(home, then)}\n[incoming]\nspam = "${home.path}/Maildir/.Spam"\n${incoming}\n`);
  return home;
}

/** Runs the hook as the SRS domain's dot-qmail file does. */
function forward(
  home: Home,
  sender: string,
  recipient: string,
  mail: string,
  env = {},
  args: string[] = [],
): Promise<Ran> {
  const told = {
    SENDER: sender,
    RECIPIENT: recipient,
    EXT: "",
    HOST: "",
    DTLINE,
    RPLINE: `Return-Path: <${sender}>\n`,
  };
  return home.hook(["--forward", ...args], mail, { ...told, ...env });
}

/** What the identity's own hook says of a message from this sender. */
async function judged(home: Home, mail: string, sender = ""): Promise<string> {
  const maildir = `${home.path}/judged`;
  const env = { SENDER: sender, RECIPIENT: PLAIN };
  const ran = await home.hook(["--as", "maildrop", "--maildir", maildir], mail, env);
  assert.equal(ran.code, 0, ran.stderr);
  const [found] = [...home.mails("judged"), ...home.mails("Maildir/.Spam")] as [string];
  for (const folder of ["judged", "Maildir/.Spam"]) {
    for (const name of home.mails(folder).length > 0 ? Deno.readDirSync(`${home.path}/${folder}/new`) : []) {
      Deno.removeSync(`${home.path}/${folder}/new/${name.name}`);
    }
  }
  return fieldOf(found, "X-Countersign").split("; reason")[0]!;
}

/** What an injector does: adds what is missing, and nothing else. */
function injected(mail: string): string {
  const wanted = ["Date: 21 Nov 2026 05:32:58 -0000", "Message-ID: <made@by.injector>", "From: injector@mx.example"];
  const missing = wanted.filter((line) => !new RegExp(`^${line.split(":")[0]}:`, "im").test(mail.split("\n\n")[0]!));
  return [...missing, mail].join("\n");
}

Deno.test("a genuine bounce goes to the identity from the null sender, with one proof of ours", async () => {
  using home = forwardingHome();
  const lies = "X-Countersign: v1.k1.99999.aaaaaaaaaaaaaaaaaaaaaaaaaa\nx-countersign: genuine; trust me\n";
  const mail = `Return-Path: <>\n${lies}Received: x\nReturn-Path: <x@y.example>\n${BOUNCE}`;
  assert.deepEqual(await forward(home, "", signed(), mail), { code: 99, stdout: "", stderr: "" });
  assert.deepEqual(words(home), ["-i", "-f", "<>", "--", PLAIN]);
  const proof = /^X-Countersign: v1\.k1\.\d+\.[a-z2-7]{26}\n/m.exec(got(home))![0];
  assert.equal(got(home), `${DTLINE}${proof}Received: x\n${BOUNCE}`);
  assert.deepEqual(where(home), [1, 0, 0]);
  assert.equal(await judged(home, got(home)), "genuine; check=proof");
  assert.equal(await judged(home, BOUNCE), "forged; check=forged", "without it, it would not be");
  assert.equal(await judged(home, got(home).replace("notice", "Notice")), "forged; check=forged");
});

Deno.test("what an injector would add is there before the proof is made", async () => {
  const missing = [["Date"], ["From"], ["Message-ID"], ["Subject"], ["Date", "From", "Message-ID", "Subject"]];
  for (const names of missing) {
    using home = forwardingHome();
    const bare = without(BOUNCE, ...names);
    for (const name of names) assert.equal(fieldOf(bare, name), "");
    assert.equal((await forward(home, "", signed(), bare)).code, 99);
    for (const name of names.filter((one) => one !== "Subject")) assert.notEqual(fieldOf(got(home), name), "", name);
    // An injector finds nothing to add, so the proof holds.
    assert.equal(injected(got(home)), got(home));
    assert.equal(await judged(home, injected(got(home))), "genuine; check=proof", names.join());
    assert.match(fieldOf(got(home), "From"), names.includes("From") ? /^MAILER-DAEMON@example\.org$/ : /mx\.example/);
    assert.ok(got(home).endsWith(bare.slice(bare.indexOf("\n\n"))));
  }
  // It is the fields that make the proof: had they been added later, it would not hold.
  using home = forwardingHome();
  await forward(home, "", signed(), BOUNCE);
  for (const name of ["Date", "From", "Message-ID"]) {
    assert.equal(await judged(home, injected(without(got(home), name))), "forged; check=forged", name);
  }
});

Deno.test("forward_sender is the sender of bounces, and of nobody else's mail", async () => {
  const rows: [from: string, expected: string][] = [
    ["", "MAILER-DAEMON@example.org"],
    ["#@[]", "MAILER-DAEMON@example.org"],
    ["MAILER-DAEMON@mx.example.net", "MAILER-DAEMON@example.org"],
    [FRIEND, FRIEND],
  ];
  for (const [from, expected] of rows) {
    using home = forwardingHome('forward_sender = "MAILER-DAEMON@example.org"');
    assert.equal((await forward(home, from, signed(), BOUNCE)).code, 99);
    assert.deepEqual(words(home), ["-i", "-f", expected, "--", PLAIN]);
    // A double bounce proves nothing, whatever address it was sent to.
    const proof = from !== FRIEND && from !== "#@[]";
    assert.equal(fieldOf(got(home), "X-Countersign") !== "", proof);
    if (proof) assert.equal(await judged(home, got(home), expected), "genuine; check=proof");
  }
});

Deno.test("a person's mail keeps its sender and gets no proof; nothing is added to it", async () => {
  using home = forwardingHome();
  const mail = `X-Countersign: v1.k1.99999.x\n${without(ORDINARY, "Message-ID", "From")}`;
  assert.equal((await forward(home, FRIEND, signed(), mail)).code, 99);
  assert.deepEqual(words(home), ["-i", "-f", FRIEND, "--", PLAIN]);
  assert.equal(got(home), DTLINE + without(mail, "X-Countersign"));
});

Deno.test("a sender that cannot be read goes on as the null sender, without a proof", async () => {
  for (const sender of ["no address", "a b@c.example", "a@b.example, c@d.example", "s\ufffdr@x.example", "@"]) {
    for (const [setting, expected] of [["", "<>"], ['forward_sender = "x@example.org"', "x@example.org"]] as const) {
      using home = forwardingHome(setting);
      const ran = await forward(home, sender, signed(), BOUNCE);
      assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" }, sender);
      assert.deepEqual(words(home), ["-i", "-f", expected, "--", PLAIN]);
      assert.equal(got(home), DTLINE + BOUNCE);
      assert.equal(await judged(home, got(home)), "forged; check=forged");
    }
  }
});

Deno.test("qmail's Delivered-To goes in front, under qmail alone, and when it is one line", async () => {
  const rows: [args: string[], dtline: string, front: string, done: number][] = [
    [[], DTLINE, DTLINE, 99],
    [[], `${DTLINE}X-Evil: x\n`, "", 99],
    [["--as", "maildrop"], DTLINE, "", 0],
    [["--as", "postfix"], DTLINE, "", 0],
  ];
  for (const [args, dtline, front, done] of rows) {
    using home = forwardingHome();
    assert.equal((await forward(home, FRIEND, signed(), ORDINARY, { DTLINE: dtline }, args)).code, done);
    assert.equal(got(home), front + ORDINARY);
  }
});

Deno.test("what was delivered to the identity before is a loop: it ends here, whoever sent it", async () => {
  for (const line of [`Delivered-To: ${PLAIN}\n`, "delivered-to: Greg@Example.ORG\n"]) {
    using home = forwardingHome();
    const to = signed();
    assert.deepEqual(await forward(home, "", to, line + BOUNCE), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 0, 1]);
    assert.match(home.mails("Maildir/.Spam")[0]!, /^X-Countersign: .* before: a loop"$/m);
    assert.deepEqual(await forward(home, FRIEND, to, line + ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 0, 2]);
    assert.match(home.read(".local/state/countersign/log"), / outcome=filed why="it was delivered to .*: a loop"\n$/);
    // With an inbox it is delivered there: that it is ours was proved.
    using inbox = forwardingHome('inbox = "~/Maildir"');
    assert.deepEqual(await forward(inbox, "", to, line + BOUNCE), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(inbox), [0, 1, 0]);
    assert.match(inbox.mails("Maildir")[0]!, /^X-Countersign: .* before: a loop"$/m);
  }
  // That of another address is no loop.
  using home = forwardingHome();
  assert.equal((await forward(home, "", signed(), `Delivered-To: ann@example.org\n${BOUNCE}`)).code, 99);
  assert.deepEqual(where(home), [1, 0, 0]);
});

Deno.test("what is no genuine bounce and nobody's mail to an identity is not forwarded", async () => {
  const unsigned = "someone@srs.example.org";
  const table: [what: string, from: string, to: string, status: number, spam: number, says: RegExp][] = [
    ["forged", "", FORGED_SRS, 99, 1, /^$/],
    ["forged, from a person", FRIEND, FORGED_SRS, 99, 1, /^$/],
    ["too old", "", signed(200), 99, 1, /^$/],
    ["another's address in it", "", signed(0, "ann@example.org"), 99, 1, /^$/],
    ["a person, to no signed address", FRIEND, unsigned, 99, 1, /^$/],
    ["null sender, to no signed address", "", unsigned, 99, 1, /^$/],
    ["a daemon, to no signed address", "MAILER-DAEMON@x.example", unsigned.toUpperCase(), 99, 1, /^$/],
    [
      "ordinary mail to another domain",
      FRIEND,
      "x@other.example",
      75,
      0,
      /^incoming: Ordinary mail cannot be forwarded: /,
    ],
    ["a bounce to another domain", "", "x@other.example", 75, 0, /^incoming: Ordinary mail cannot be forwarded: /],
    ["ordinary mail to the plain address", FRIEND, PLAIN, 75, 0, /own address cannot be forwarded to it/],
    ["a forged bounce to the plain address", "", PLAIN, 99, 1, /^$/],
  ];
  for (const [what, from, to, status, spam, says] of table) {
    using home = forwardingHome();
    const ran = await forward(home, from, to, BOUNCE);
    assert.deepEqual([ran.code, ...where(home)], [status, 0, 0, spam], `${what}: ${ran.stderr}`);
    assert.match(ran.stderr, says, what);
  }
});

Deno.test("forged = mark forwards nothing: nobody knows to whom", async () => {
  // The second door: the SRS domain is not in the recipient, and the SRS address claims to be greg's.
  const door = `greg-srs-${FORGED_SRS.split("@")[0]}@example.org`;
  for (const recipient of [FORGED_SRS, door]) {
    using home = forwardingHome('forged = "mark"');
    assert.deepEqual(await forward(home, "", recipient, BOUNCE), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 0, 1]);
    assert.deepEqual(await forward(home, FRIEND, recipient, ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 0, 2]);
    using inbox = forwardingHome('forged = "mark"\ninbox = "~/Maildir"');
    assert.equal((await forward(inbox, "", recipient, BOUNCE)).code, 99);
    assert.deepEqual(where(inbox), [0, 1, 0]);
    assert.match(fieldOf(inbox.mails("Maildir")[0]!, "X-Countersign"), /^suspect; /);
  }
});

Deno.test("an injector that does not take it: later, and it is nowhere", async () => {
  for (const status of [1, 67, 75, 77, 111]) {
    using home = forwardingHome("", `exit ${status}`);
    oneLine(await forward(home, "", signed(), BOUNCE), 75, new RegExp(`exited with status ${status}$`, "m"));
    assert.deepEqual(where(home), [1, 0, 0]);
  }
});

Deno.test("an injector that will never take it: the message is kept here, in the inbox or else filed", async () => {
  const large = BOUNCE + "a line of the body\n".repeat(20_000);
  for (const status of [65, 100]) {
    for (const [incoming, kept] of [["", [1, 0, 1]], ['inbox = "~/Maildir"', [1, 1, 0]]] as const) {
      using home = forwardingHome(incoming, `exit ${status}`);
      assert.deepEqual(await forward(home, "", signed(), BOUNCE), { code: 99, stdout: "", stderr: "" });
      assert.deepEqual(where(home), kept);
      const [mail] = [...home.mails("Maildir"), ...home.mails("Maildir/.Spam")];
      assert.match(mail!, new RegExp(`^X-Countersign: genuine; .*"it cannot be forwarded: status ${status}"$`, "m"));
      assert.ok(mail!.endsWith(BOUNCE.slice(BOUNCE.indexOf("\n\n"))), "whole");
      // What is longer than the prefix cannot be read a second time.
      oneLine(await forward(home, "", signed(), large), 75, new RegExp(`exited with status ${status}$`, "m"));
      assert.deepEqual(where(home), [2, ...kept.slice(1)]);
    }
  }
});

Deno.test("ordinary mail that nobody can be found for goes to the inbox where there is one", async () => {
  for (const to of ["x@other.example", PLAIN]) {
    using home = forwardingHome('inbox = "~/Maildir"');
    assert.deepEqual(await forward(home, FRIEND, to, ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 1, 0]);
  }
});

Deno.test("a recipient that cannot be read is not deferred", async () => {
  for (const [incoming, kept] of [["", [0, 0, 1]], ['inbox = "~/Maildir"', [0, 1, 0]]] as const) {
    using home = forwardingHome(incoming);
    const ran = await forward(home, FRIEND, "SRS0=\ufffd=JJ=example.org=greg@srs.example.org", ORDINARY);
    assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), kept);
  }
});

Deno.test("postmaster and abuse of the SRS domain are forwarded to the first identity", async () => {
  for (const local of ["postmaster", "ABUSE", "greg-srs-postmaster"]) {
    using home = forwardingHome();
    const to = `${local}@srs.example.org`;
    assert.deepEqual(await forward(home, FRIEND, to, ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(words(home), ["-i", "-f", FRIEND, "--", PLAIN]);
    assert.equal((await forward(home, "", to, BOUNCE)).code, 99);
    assert.deepEqual(where(home), [2, 0, 0]);
  }
});

Deno.test("another user's signed address is passed to the next line, else kept", async () => {
  const ann = signed(0, "ann@example.org");
  const others = '[srs]\nothers = "pass"';
  const lines = (home: Home, more: string) =>
    home.write(".qmail-srs-default", `|${ROOT}/hooks/incoming --forward\n${more}`);
  const env = { DEFAULT: ann.split("@")[0], EXT: `srs-${ann.split("@")[0]}`, HOST: "srs.example.org" };
  for (const sender of ["", FRIEND]) {
    using home = forwardingHome(others);
    lines(home, "./Ann/\n");
    assert.deepEqual(await forward(home, sender, `greg-${ann}`, BOUNCE, env), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 0, 0]);
    // Ending with 0 would lose it here, and no retry would find another user.
    lines(home, "");
    assert.deepEqual(await forward(home, sender, `greg-${ann}`, BOUNCE, env), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(where(home), [0, 0, 1]);
  }
});
