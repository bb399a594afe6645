/**
 * The hook recognizes the bounce of every message that the shim sent for an identity (whole programs, most of them in
 * one process).
 */
import assert from "node:assert/strict";
import { hookHere, shimHere } from "./admin/resident.ts";
import { fieldOf, Home, qsbmf } from "./rig.ts";

const LOG = ".local/state/countersign/log";
const ID = "Message-ID: <1@example.org>";
const LETTER = (more = ID) => `From: greg@example.org\nTo: ann@example.net\n${more}\nSubject: x\n\nHi.\n`;
const RECEIVED = "Received: from a by b; x\nFrom: Eve <eve@evil.example>\nMessage-ID: <e@evil.example>\n\nHi.\n";
const RESENT = "Resent-From: greg@example.org\nResent-Message-ID: <r@example.org>\nResent-To: ann@example.net\n";
const LONG = `greg+${"x".repeat(50)}@example.org`;

interface Row {
  what: string;
  mail: string;
  args?: string[];
  /** Settings before the identity, after it, and in it. */
  top?: string;
  more?: string;
  identity?: string;
  /** Results for a bounce to the envelope sender and for one to the plain address, both returning the header. */
  results: [sender: string, plain: string];
}

const PLAIN = 'sender = "plain"\n';
const UNTAGGED = "[tag]\nsign = false\n";
const ALSO = 'also = ["greg+*@example.org"]\n';
const TWO = LETTER().replace("From: greg@example.org", "From: greg@example.org, ann@example.com");

const rows: Row[] = [
  { what: "a signed message", mail: LETTER(), results: ["genuine", "genuine"] },
  { what: "sender = plain", mail: LETTER(), top: PLAIN, results: ["genuine", "genuine"] },
  { what: "tag.sign = false", mail: LETTER(), more: UNTAGGED, results: ["genuine", "known"] },
  { what: "sender = plain, tag.sign = false", mail: LETTER(), top: PLAIN, more: UNTAGGED, results: ["known", "known"] },
  { what: "resent", mail: RESENT + RECEIVED, results: ["genuine", "known"] },
  { what: "resent, sender = plain", mail: RESENT + RECEIVED, top: PLAIN, results: ["known", "known"] },
  { what: "two authors", mail: TWO, args: ["-f", "greg@example.org"], results: ["known", "known"] },
  {
    what: "two authors, Sender of an identity",
    mail: `Sender: greg@example.org\n${TWO}`,
    results: ["genuine", "genuine"],
  },
  {
    what: "an address that a pattern matches",
    mail: LETTER().replace("greg@", "greg+x@"),
    identity: ALSO,
    results: ["genuine", "genuine"],
  },
  {
    what: "an address that a pattern matches, sender = plain",
    mail: LETTER().replace("greg@", "greg+x@"),
    identity: ALSO,
    top: PLAIN,
    results: ["genuine", "genuine"],
  },
  {
    what: "too long for SRS",
    mail: LETTER().replace("greg@example.org", LONG),
    identity: ALSO,
    results: ["genuine", "genuine"],
  },
  {
    what: "a stranger's From",
    mail: LETTER().replace("greg@", "role@"),
    args: ["-f", "greg@example.org"],
    results: ["known", "known"],
  },
  { what: "the null sender", mail: LETTER(), args: ["-f", "<>"], results: ["known", "known"] },
  { what: "a stranger's -f", mail: LETTER(), args: ["-f", "eve@evil.example"], results: ["other", "known"] },
  {
    what: "an encoded Message-ID",
    mail: LETTER("Message-ID: =?utf-8?q?=3C1=40example=2Eorg=3E?="),
    results: ["genuine", "genuine"],
  },
  {
    what: "a folded Message-ID with a comment, tag.sign = false",
    mail: LETTER("Message-ID:\n <1@example.\n org> (c)"),
    more: UNTAGGED,
    results: ["genuine", "known"],
  },
  // Messages of others are not remembered.
  { what: "a forwarded message", mail: RECEIVED, args: ["-f", "greg@example.org"], results: ["forged", "forged"] },
  {
    what: "a received message with Resent-From",
    mail: `Received: x\n${RESENT}${RECEIVED}`,
    args: ["-f", "greg@example.org"],
    results: ["forged", "forged"],
  },
];

for (const { what, mail, args = [], top = "", more = "", identity = "", results } of rows) {
  Deno.test(`the bounce of a message: ${what}`, async () => {
    using home = new Home();
    home.settings(`${identity}[transport]\nvia = "maildir"\nmaildir = "~/out"\n${more}`, top);
    const ran = await shimHere(home, [...args, "ann@example.net"], mail);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    const [out = ""] = home.mails("out");
    const original = out.replace(/^(?:Return-Path|X-Envelope-To): .*\n/gm, "");
    const sender = fieldOf(out, "Return-Path").replace(/[<>]/g, "") || "greg@example.org";
    for (const [at, recipient] of [sender, "greg@example.org"].entries()) {
      const env = { SENDER: "", RECIPIENT: recipient };
      const hook = await hookHere(home, ["--maildir", `${home.path}/Maildir`], qsbmf(recipient, original), env);
      assert.deepEqual([hook.code === 99 || hook.code === 0, hook.stderr], [true, ""]);
      const line = home.read(LOG).trimEnd().split("\n").at(-1)!;
      assert.equal(/ result=(\w+)/.exec(line)?.[1], results[at], `${recipient}: ${line}`);
    }
  });
}
