/**
 * Mail that is sent on: with the real mutt's `b`, whose Resent-From is the user's own, and with `!` of the real procmail
 * and maildrop, which pass on whatever a stranger wrote.
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

/** How many records the index of sent mail holds. */
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

onTerminal("mutt's b: the envelope sender is signed, and only that", async () => {
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
    const inside = srsReverse(sender, { secrets: [SECRET], hashLength: 8, alphabet: "base64url", now: new Date() });
    assert.equal(inside, "greg@example.org");
    assert.doesNotMatch(sent!.mail, /^X-Msgauth:/m);
    assert.match(sent!.mail, /^Resent-From: (?:Greg <)?greg@example\.org>?\n/, "on top, as mutt wrote it");
    assert.match(fieldOf(sent!.mail, "From"), /eve@evil\.example/);
    assert.match(desk.read(LOG), / identity=greg@example\.org scheme=srs /);
    assert.equal(remembered(desk), 1);
  }
});

/** What a stranger's message looks like when a delivery agent gets it. */
const STRANGERS: [what: string, message: string][] = [
  ["Resent-From below Received", `${RECEIVED}${RESENT}${LETTER}`],
  ["below Return-Path and Delivered-To", `Return-Path: <eve@evil.example>\nDelivered-To: x\n${RESENT}${LETTER}`],
  ["behind a mailbox line", `${MBOX}${ON_TOP}${RESENT}${LETTER}`],
  ["From greg, too", `${ON_TOP}${RESENT}${LETTER.replace("Eve <eve@evil.example>", "greg@example.org")}`],
];

/** Nothing is signed, nothing remembered. */
function passedOn(desk: Desk, what: string): void {
  const [sent, ...others] = desk.injected();
  assert.deepEqual([others, sent!.argv.at(-1)], [[], "ann@example.net"], what);
  assert.doesNotMatch(sent!.argv.join(" "), /SRS0|greg@/, what);
  assert.doesNotMatch(sent!.mail, /^X-Msgauth:/m, what);
  assert.match(desk.read(LOG), / scheme=none .* why="the message was already relayed"$/m, what);
  assert.equal(remembered(desk), 0, what);
}

const procmail = await need("procmail");
procmail("procmail's !: a stranger's Resent-From signs nothing", async () => {
  for (const [what, message] of STRANGERS) {
    using desk = new Desk();
    const rc = `HOME=${desk.path}\nPATH=${desk.path}/bin:/usr/bin:/bin\nDENO_DIR=${desk.env["DENO_DIR"]}\n` +
      `SENDMAIL=${ROOT}/shim/shim\nLOGFILE=${desk.path}/procmail.log\nDEFAULT=${desk.path}/Maildir/\n:0 w\n! ann@example.net\n`;
    const ran = await desk.run(["procmail", "-m", desk.write(".procmailrc", rc, 0o600)], message);
    assert.equal(ran.code, 0, what + desk.read("procmail.log"));
    passedOn(desk, what);
  }
});

const maildrop = await need("maildrop");
maildrop("maildrop's !: a stranger's Resent-From signs nothing", async () => {
  for (const [what, message] of [...STRANGERS, ["nothing but a mailbox line", `${MBOX}${RESENT}${LETTER}`]] as const) {
    using desk = new Desk();
    const places = `PATH="${desk.path}/bin:/usr/bin:/bin"\nDENO_DIR="${desk.env["DENO_DIR"]}"\n`;
    const forward = `SENDMAIL="${ROOT}/shim/shim"\nto "!ann@example.net"\n`;
    const filter = desk.write(".mailfilter", `HOME="${desk.path}"\n${places}${forward}`, 0o600);
    const ran = await desk.run(["maildrop", filter], message);
    assert.equal(ran.code, 0, what + ran.stderr);
    passedOn(desk, what);
  }
});
