/** `--forward`: which mail is forwarded to the identity, with which sender and proof, and which is not. */
import assert from "node:assert/strict";
import { hookHere } from "../admin/resident.ts";
import { FORGED_SRS, gregsHome, ORDINARY } from "../programs/letters.ts";
import { fieldOf, type Home, oneLine, type Ran, ROOT } from "../rig.ts";
import { signed, stubArguments, stubInput, stubRuns, stubTransport } from "../stub.ts";

const FRIEND = "friend@friend.example";
const PLAIN = "greg@example.org";
const DTLINE = "Delivered-To: greg-srs-x@srs.example.org\n";
/** A bounce that returns no part of the message: only the proof shows that it is genuine. */
const BOUNCE = "From: MAILER-DAEMON@mx.example.net\nDate: 20 Nov 2026 05:32:58 -0000\n" +
  "Message-ID: <bounce@mx.example.net>\nSubject: failure notice\n\nHi. This is the qmail-send program.\n";
const mailCounts = (home: Home) => [stubRuns(home), home.mails("Maildir").length, home.mails("Maildir/.Spam").length];
const without = (mail: string, ...names: string[]) =>
  mail.replace(new RegExp(`^(?:${names.join("|")}): .*\n`, "gm"), "");

/** A home that forwards through the stub. */
function forwardingHome(incoming = "", then?: string): Home {
  const home = gregsHome();
  home.settings(`${stubTransport(home, then)}\n[incoming]\nspam = "${home.path}/Maildir/.Spam"\n${incoming}\n`);
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
  const defaults = {
    SENDER: sender,
    RECIPIENT: recipient,
    EXT: "",
    HOST: "",
    DTLINE,
    RPLINE: `Return-Path: <${sender}>\n`,
  };
  return hookHere(home, ["--forward", ...args], mail, { ...defaults, ...env });
}

/** The result of the identity's own hook for a message from this sender. */
async function judged(home: Home, mail: string, sender = ""): Promise<string> {
  const maildir = `${home.path}/judged`;
  const env = { SENDER: sender, RECIPIENT: PLAIN };
  const ran = await hookHere(home, ["--as", "maildrop", "--maildir", maildir], mail, env);
  assert.equal(ran.code, 0, ran.stderr);
  const [found] = [...home.mails("judged"), ...home.mails("Maildir/.Spam")] as [string];
  for (const folder of ["judged", "Maildir/.Spam"]) {
    for (const name of home.mails(folder).length > 0 ? Deno.readDirSync(`${home.path}/${folder}/new`) : []) {
      Deno.removeSync(`${home.path}/${folder}/new/${name.name}`);
    }
  }
  return fieldOf(found, "X-Countersign").split("; reason")[0]!;
}

/** The message as an injector sends it: missing fields are added, nothing else changes. */
function injected(mail: string): string {
  const required = ["Date: 21 Nov 2026 05:32:58 -0000", "Message-ID: <made@by.injector>", "From: injector@mx.example"];
  const missing = required.filter((line) => !new RegExp(`^${line.split(":")[0]}:`, "im").test(mail.split("\n\n")[0]!));
  return [...missing, mail].join("\n");
}

Deno.test("a genuine bounce is forwarded from the null sender, with one proof", async () => {
  using home = forwardingHome();
  const forgedFields = "X-Countersign: v1.k1.99999.aaaaaaaaaaaaaaaaaaaaaaaaaa\nx-countersign: genuine; trust me\n";
  const mail = `Return-Path: <>\n${forgedFields}Received: x\nReturn-Path: <x@y.example>\n${BOUNCE}`;
  assert.deepEqual(await forward(home, "", signed(), mail), { code: 99, stdout: "", stderr: "" });
  assert.deepEqual(stubArguments(home), ["-i", "-f", "<>", "--", PLAIN]);
  const proof = /^X-Countersign: v1\.k1\.\d+\.[a-z2-7]{26}\n/m.exec(stubInput(home))![0];
  assert.equal(stubInput(home), `${DTLINE}${proof}Received: x\n${BOUNCE}`);
  assert.deepEqual(mailCounts(home), [1, 0, 0]);
  assert.equal(await judged(home, stubInput(home)), "genuine; check=proof");
  assert.equal(await judged(home, BOUNCE), "forged; check=forged", "without the proof it is forged");
  assert.equal(await judged(home, stubInput(home).replace("notice", "Notice")), "forged; check=forged");
});

Deno.test("fields that an injector would add are added before the proof is computed", async () => {
  const missing = [["Date"], ["From"], ["Message-ID"], ["Subject"], ["Date", "From", "Message-ID", "Subject"]];
  for (const names of missing) {
    using home = forwardingHome();
    const bare = without(BOUNCE, ...names);
    for (const name of names) assert.equal(fieldOf(bare, name), "");
    assert.equal((await forward(home, "", signed(), bare)).code, 99);
    for (const name of names.filter((name) => name !== "Subject")) {
      assert.notEqual(fieldOf(stubInput(home), name), "", name);
    }
    // The injector has nothing to add, so the proof verifies.
    assert.equal(injected(stubInput(home)), stubInput(home));
    assert.equal(await judged(home, injected(stubInput(home))), "genuine; check=proof", names.join());
    assert.match(
      fieldOf(stubInput(home), "From"),
      names.includes("From") ? /^MAILER-DAEMON@example\.org$/ : /mx\.example/,
    );
    assert.ok(stubInput(home).endsWith(bare.slice(bare.indexOf("\n\n"))));
  }
  // The proof covers these fields: with fields that are added later it does not verify.
  using home = forwardingHome();
  await forward(home, "", signed(), BOUNCE);
  for (const name of ["Date", "From", "Message-ID"]) {
    assert.equal(await judged(home, injected(without(stubInput(home), name))), "forged; check=forged", name);
  }
});

Deno.test("forward_sender is the sender of forwarded bounces only", async () => {
  const rows: [from: string, expected: string][] = [
    ["", "MAILER-DAEMON@example.org"],
    ["#@[]", "MAILER-DAEMON@example.org"],
    ["MAILER-DAEMON@mx.example.net", "MAILER-DAEMON@example.org"],
    [FRIEND, FRIEND],
  ];
  for (const [from, expected] of rows) {
    using home = forwardingHome('forward_sender = "MAILER-DAEMON@example.org"');
    assert.equal((await forward(home, from, signed(), BOUNCE)).code, 99);
    assert.deepEqual(stubArguments(home), ["-i", "-f", expected, "--", PLAIN]);
    // A double bounce gets no proof, whatever its recipient.
    const proof = from !== FRIEND && from !== "#@[]";
    assert.equal(fieldOf(stubInput(home), "X-Countersign") !== "", proof);
    if (proof) assert.equal(await judged(home, stubInput(home), expected), "genuine; check=proof");
  }
});

Deno.test("mail from a person keeps its sender and gets neither a proof nor missing fields", async () => {
  using home = forwardingHome();
  const mail = `X-Countersign: v1.k1.99999.x\n${without(ORDINARY, "Message-ID", "From")}`;
  assert.equal((await forward(home, FRIEND, signed(), mail)).code, 99);
  assert.deepEqual(stubArguments(home), ["-i", "-f", FRIEND, "--", PLAIN]);
  assert.equal(stubInput(home), DTLINE + without(mail, "X-Countersign"));
});

Deno.test("mail with an invalid sender is forwarded from the null sender, without a proof", async () => {
  for (const sender of ["no address", "a b@c.example", "a@b.example, c@d.example", "s\ufffdr@x.example", "@"]) {
    for (const [setting, expected] of [["", "<>"], ['forward_sender = "x@example.org"', "x@example.org"]] as const) {
      using home = forwardingHome(setting);
      const ran = await forward(home, sender, signed(), BOUNCE);
      assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" }, sender);
      assert.deepEqual(stubArguments(home), ["-i", "-f", expected, "--", PLAIN]);
      assert.equal(stubInput(home), DTLINE + BOUNCE);
      assert.equal(await judged(home, stubInput(home)), "forged; check=forged");
    }
  }
});

Deno.test("DTLINE is written first, under qmail only and if it is a single line", async () => {
  const rows: [args: string[], dtline: string, prefix: string, status: number][] = [
    [[], DTLINE, DTLINE, 99],
    [[], `${DTLINE}X-Evil: x\n`, "", 99],
    [["--as", "maildrop"], DTLINE, "", 0],
    [["--as", "postfix"], DTLINE, "", 0],
  ];
  for (const [args, dtline, prefix, status] of rows) {
    using home = forwardingHome();
    assert.equal((await forward(home, FRIEND, signed(), ORDINARY, { DTLINE: dtline }, args)).code, status);
    assert.equal(stubInput(home), prefix + ORDINARY);
  }
});

Deno.test("a message that was already delivered to the identity is a loop and is not forwarded", async () => {
  for (const line of [`Delivered-To: ${PLAIN}\n`, "delivered-to: Greg@Example.ORG\n"]) {
    using home = forwardingHome();
    const to = signed();
    assert.deepEqual(await forward(home, "", to, line + BOUNCE), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 0, 1]);
    assert.match(
      home.mails("Maildir/.Spam")[0]!,
      /^X-Countersign: .*"mail forwarding loop: it was already delivered to \S+"$/m,
    );
    assert.deepEqual(await forward(home, FRIEND, to, line + ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 0, 2]);
    assert.match(
      home.read(".local/state/countersign/log"),
      / outcome=filed why="mail forwarding loop: it was already delivered to .*"\n$/,
    );
    // With an inbox it is delivered there, because the signed address proves that it is genuine.
    using inbox = forwardingHome('inbox = "~/Maildir"');
    assert.deepEqual(await forward(inbox, "", to, line + BOUNCE), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(inbox), [0, 1, 0]);
    assert.match(
      inbox.mails("Maildir")[0]!,
      /^X-Countersign: .*"mail forwarding loop: it was already delivered to \S+"$/m,
    );
  }
  // A Delivered-To field with another address is not a loop.
  using home = forwardingHome();
  assert.equal((await forward(home, "", signed(), `Delivered-To: ann@example.org\n${BOUNCE}`)).code, 99);
  assert.deepEqual(mailCounts(home), [1, 0, 0]);
});

Deno.test("only genuine bounces and mail to an identity are forwarded", async () => {
  const unsigned = "someone@srs.example.org";
  const table: [what: string, from: string, to: string, status: number, spam: number, expectedError: RegExp][] = [
    ["forged", "", FORGED_SRS, 99, 1, /^$/],
    ["forged, from a person", FRIEND, FORGED_SRS, 99, 1, /^$/],
    ["expired long ago", "", signed(200), 99, 1, /^$/],
    ["a signed address of somebody else", "", signed(0, "ann@example.org"), 99, 1, /^$/],
    ["a person, to an unsigned address", FRIEND, unsigned, 99, 1, /^$/],
    ["null sender, to an unsigned address", "", unsigned, 99, 1, /^$/],
    ["a daemon, to an unsigned address", "MAILER-DAEMON@x.example", unsigned.toUpperCase(), 99, 1, /^$/],
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
  for (const [what, from, to, status, spam, expectedError] of table) {
    using home = forwardingHome();
    const ran = await forward(home, from, to, BOUNCE);
    assert.deepEqual([ran.code, ...mailCounts(home)], [status, 0, 0, spam], `${what}: ${ran.stderr}`);
    assert.match(ran.stderr, expectedError, what);
  }
});

Deno.test("forged = mark does not forward forged bounces: their user is unknown", async () => {
  // The recipient is not in the SRS domain, but its local part is an SRS address that claims to be greg's.
  const srsInLocalPart = `greg-srs-${FORGED_SRS.split("@")[0]}@example.org`;
  for (const recipient of [FORGED_SRS, srsInLocalPart]) {
    using home = forwardingHome('forged = "mark"');
    assert.deepEqual(await forward(home, "", recipient, BOUNCE), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 0, 1]);
    assert.deepEqual(await forward(home, FRIEND, recipient, ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 0, 2]);
    using inbox = forwardingHome('forged = "mark"\ninbox = "~/Maildir"');
    assert.equal((await forward(inbox, "", recipient, BOUNCE)).code, 99);
    assert.deepEqual(mailCounts(inbox), [0, 1, 0]);
    assert.match(fieldOf(inbox.mails("Maildir")[0]!, "X-Countersign"), /^suspect; /);
  }
});

Deno.test("if the injector fails temporarily, the hook defers and keeps no copy", async () => {
  for (const status of [1, 64, 75, 77, 78, 111]) {
    using home = forwardingHome("", `exit ${status}`);
    oneLine(await forward(home, "", signed(), BOUNCE), 75, new RegExp(`exited with status ${status}$`, "m"));
    assert.deepEqual(mailCounts(home), [1, 0, 0]);
  }
});

Deno.test("if the injector fails permanently, the message is delivered to the inbox, or filed without one", async () => {
  const large = BOUNCE + "a line of the body\n".repeat(20_000);
  for (const status of [65, 67, 68, 69, 100]) {
    for (const [incoming, kept] of [["", [1, 0, 1]], ['inbox = "~/Maildir"', [1, 1, 0]]] as const) {
      using home = forwardingHome(incoming, `exit ${status}`);
      assert.deepEqual(await forward(home, "", signed(), BOUNCE), { code: 99, stdout: "", stderr: "" });
      assert.deepEqual(mailCounts(home), kept);
      const [mail] = [...home.mails("Maildir"), ...home.mails("Maildir/.Spam")];
      assert.match(mail!, new RegExp(`^X-Countersign: genuine; .*"it cannot be forwarded: status ${status}"$`, "m"));
      assert.ok(mail!.endsWith(BOUNCE.slice(BOUNCE.indexOf("\n\n"))), "the body is complete");
      // A message longer than the inspected prefix cannot be read again, so the hook defers.
      oneLine(await forward(home, "", signed(), large), 75, new RegExp(`exited with status ${status}$`, "m"));
      assert.deepEqual(mailCounts(home), [2, ...kept.slice(1)]);
    }
  }
});

Deno.test("ordinary mail that cannot be forwarded is delivered to the inbox if there is one", async () => {
  for (const to of ["x@other.example", PLAIN]) {
    using home = forwardingHome('inbox = "~/Maildir"');
    assert.deepEqual(await forward(home, FRIEND, to, ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 1, 0]);
  }
});

Deno.test("mail to an invalid recipient is not deferred", async () => {
  for (const [incoming, kept] of [["", [0, 0, 1]], ['inbox = "~/Maildir"', [0, 1, 0]]] as const) {
    using home = forwardingHome(incoming);
    const ran = await forward(home, FRIEND, "SRS0=\ufffd=JJ=example.org=greg@srs.example.org", ORDINARY);
    assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), kept);
  }
});

Deno.test("mail to postmaster and abuse of the SRS domain is forwarded to the first identity", async () => {
  for (const local of ["postmaster", "ABUSE", "greg-srs-postmaster"]) {
    using home = forwardingHome();
    const to = `${local}@srs.example.org`;
    assert.deepEqual(await forward(home, FRIEND, to, ORDINARY), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(stubArguments(home), ["-i", "-f", FRIEND, "--", PLAIN]);
    assert.equal((await forward(home, "", to, BOUNCE)).code, 99);
    assert.deepEqual(mailCounts(home), [2, 0, 0]);
  }
});

Deno.test("mail to another user's signed address is left to the next line, or filed without one", async () => {
  const ann = signed(0, "ann@example.org");
  const settings = '[srs]\nothers = "pass"';
  const writeDotQmail = (home: Home, more: string) =>
    home.write(".qmail-srs-default", `|${ROOT}/hooks/incoming --forward\n${more}`);
  const env = { DEFAULT: ann.split("@")[0], EXT: `srs-${ann.split("@")[0]}`, HOST: "srs.example.org" };
  for (const sender of ["", FRIEND]) {
    using home = forwardingHome(settings);
    writeDotQmail(home, "./Ann/\n");
    assert.deepEqual(await forward(home, sender, `greg-${ann}`, BOUNCE, env), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 0, 0]);
    // Exit 0 would lose the message, and retrying would not find another user either.
    writeDotQmail(home, "");
    assert.deepEqual(await forward(home, sender, `greg-${ann}`, BOUNCE, env), { code: 99, stdout: "", stderr: "" });
    assert.deepEqual(mailCounts(home), [0, 0, 1]);
  }
});
