/**
 * Re-sent and forwarded mail: `b` of the real mutt, which adds the user's own Resent-From, and `!` of the real procmail
 * and maildrop, which forward messages unchanged, including a stranger's Resent-From.
 */
import assert from "node:assert/strict";
import { srsReverse } from "../../mod.ts";
import { fieldOf, type Home, ROOT, SECRET } from "../rig.ts";
import { Desk } from "./desk.ts";
import { need } from "./need.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const LOG = ".local/state/countersign/log";
const LETTER = `From: Eve <eve@evil.example>
To: greg@example.org
Subject: On the way
Date: Fri, 20 Nov 2026 05:32:58 +0000
Message-ID: <e@evil.example>

Read this.
`;
const RECEIVED = "Received: from evil.example by mx.example.org; Fri, 20 Nov 2026 05:32:58 +0000\n";
const ON_TOP = `Return-Path: <eve@evil.example>\nDelivered-To: greg@example.org\n${RECEIVED}`;
const RESENT = "Resent-From: Greg <greg@example.org>\nResent-Message-ID: <r@evil.example>\nResent-To: x@evil.example\n";
const MBOX = "From eve@evil.example Fri Nov 20 05:32:58 2026\n";

/** The number of records in the index of sent mail. */
function remembered(home: Home): number {
  let bytes = 0;
  const walk = (folder: string): void => {
    for (const { name, isFile } of Deno.readDirSync(folder)) {
      if (isFile) bytes += Deno.statSync(`${folder}/${name}`).size;
      else walk(`${folder}/${name}`);
    }
  };
  try {
    walk(`${home.path}/.local/state/countersign/sent`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return bytes / 20;
}

const onTerminal = await needOnTerminal("mutt");

onTerminal("mutt's b: only the envelope sender is signed", async () => {
  for (const more of ["", "set use_envelope_from=yes envelope_from_address=greg@example.org\n"]) {
    using desk = new Desk();
    desk.write("inbox", `${MBOX}${ON_TOP}${LETTER}\n`);
    desk.write(
      ".muttrc",
      `set sendmail="${ROOT}/shim/shim" from="greg@example.org" realname="Greg" hostname="laptop.example.org"\n` +
        `set spoolfile="${desk.path}/inbox" folder="${desk.path}" bounce=yes confirmappend=no\n${more}`,
    );
    await using terminal = await Terminal.open(desk, [
      "mutt",
      "-n",
      "-F",
      `${desk.path}/.muttrc`,
      "-f",
      `${desk.path}/inbox`,
    ]);
    await terminal.shows(/On the way/);
    await terminal.type("b");
    await terminal.shows(/Bounce message to/);
    await terminal.type("ann@example.net");
    await terminal.press("Enter");
    await terminal.shows(/Message bounced/);
    await terminal.type("x");
    await terminal.ended();
    const [sent, ...others] = desk.injected();
    assert.deepEqual([others, sent!.argv.at(-1)], [[], "ann@example.net"]);
    const sender = sent!.argv[sent!.argv.indexOf("-f") + 1]!;
    const original = srsReverse(sender, { secrets: [SECRET], hashLength: 8, alphabet: "base64url", now: new Date() });
    assert.equal(original, "greg@example.org");
    assert.doesNotMatch(sent!.mail, /^X-Msgauth:/m);
    assert.match(sent!.mail, /^Resent-From: (?:Greg <)?greg@example\.org>?\n/, "mutt's field is the first");
    assert.match(fieldOf(sent!.mail, "From"), /eve@evil\.example/);
    assert.match(desk.read(LOG), / identity=greg@example\.org scheme=srs /);
    assert.equal(remembered(desk), 1);
  }
});

/** Messages of strangers as a delivery agent gets them. */
const STRANGERS: [what: string, message: string][] = [
  ["Resent-From below Received", `${RECEIVED}${RESENT}${LETTER}`],
  [
    "Resent-From below Return-Path and Delivered-To",
    `Return-Path: <eve@evil.example>\nDelivered-To: x\n${RESENT}${LETTER}`,
  ],
  ["Resent-From after an mbox line", `${MBOX}${ON_TOP}${RESENT}${LETTER}`],
  [
    "Resent-From and From with greg's address",
    `${ON_TOP}${RESENT}${LETTER.replace("Eve <eve@evil.example>", "greg@example.org")}`,
  ],
];

/** Asserts that the message is forwarded unsigned and not remembered. */
function assertUnsigned(desk: Desk, what: string): void {
  const [sent, ...others] = desk.injected();
  assert.deepEqual([others, sent!.argv.at(-1)], [[], "ann@example.net"], what);
  assert.doesNotMatch(sent!.argv.join(" "), /SRS0|greg@/, what);
  assert.doesNotMatch(sent!.mail, /^X-Msgauth:/m, what);
  assert.match(desk.read(LOG), / scheme=none .* why="the message was already relayed"$/m, what);
  assert.equal(remembered(desk), 0, what);
}

const procmail = await need("procmail");
procmail("procmail's !: a stranger's Resent-From does not cause a signature", async () => {
  for (const [what, message] of STRANGERS) {
    using desk = new Desk();
    const rc = `HOME=${desk.path}\nPATH=${desk.path}/bin:/usr/bin:/bin\nDENO_DIR=${desk.env["DENO_DIR"]}\n` +
      `SENDMAIL=${ROOT}/shim/shim\nLOGFILE=${desk.path}/procmail.log\nDEFAULT=${desk.path}/Maildir/\n:0 w\n! ann@example.net\n`;
    const ran = await desk.run(["procmail", "-m", desk.write(".procmailrc", rc, 0o600)], message);
    assert.equal(ran.code, 0, what + desk.read("procmail.log"));
    assertUnsigned(desk, what);
  }
});

const maildrop = await need("maildrop");
maildrop("maildrop's !: a stranger's Resent-From does not cause a signature", async () => {
  for (
    const [what, message] of [...STRANGERS, [
      "Resent-From directly after an mbox line",
      `${MBOX}${RESENT}${LETTER}`,
    ]] as const
  ) {
    using desk = new Desk();
    const places = `PATH="${desk.path}/bin:/usr/bin:/bin"\nDENO_DIR="${desk.env["DENO_DIR"]}"\n`;
    const forward = `SENDMAIL="${ROOT}/shim/shim"\nto "!ann@example.net"\n`;
    const filter = desk.write(".mailfilter", `HOME="${desk.path}"\n${places}${forward}`, 0o600);
    const ran = await desk.run(["maildrop", filter], message);
    assert.equal(ran.code, 0, what + ran.stderr);
    assertUnsigned(desk, what);
  }
});
