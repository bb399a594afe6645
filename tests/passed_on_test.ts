/** Whatever the shim passes on for an identity, the hook knows its bounce: shim and hook as whole programs. */
import assert from "node:assert/strict";
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
  /** Settings before and behind the identity, and in it. */
  top?: string;
  more?: string;
  identity?: string;
  /** What is found of a bounce to the envelope sender, and of one to the plain address, both with the header. */
  results: [sender: string, plain: string];
}

const PLAIN = 'sender = "plain"\n';
const UNTAGGED = "[tag]\nsign = false\n";
const ALSO = 'also = ["greg+*@example.org"]\n';
const TWO = LETTER().replace("From: greg@example.org", "From: greg@example.org, ann@example.com");

const rows: Row[] = [
  { what: "our own", mail: LETTER(), results: ["genuine", "genuine"] },
  { what: "plain by rule", mail: LETTER(), top: PLAIN, results: ["genuine", "genuine"] },
  { what: "no tag", mail: LETTER(), more: UNTAGGED, results: ["genuine", "known"] },
  { what: "no tag, plain", mail: LETTER(), top: PLAIN, more: UNTAGGED, results: ["known", "known"] },
  { what: "re-sent", mail: RESENT + RECEIVED, results: ["genuine", "known"] },
  { what: "re-sent, plain", mail: RESENT + RECEIVED, top: PLAIN, results: ["known", "known"] },
  { what: "two authors", mail: TWO, args: ["-f", "greg@example.org"], results: ["known", "known"] },
  { what: "two authors, the Sender ours", mail: `Sender: greg@example.org\n${TWO}`, results: ["genuine", "genuine"] },
  { what: "a pattern", mail: LETTER().replace("greg@", "greg+x@"), identity: ALSO, results: ["genuine", "genuine"] },
  {
    what: "a pattern, plain",
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
    what: "the same, without a tag",
    mail: LETTER("Message-ID:\n <1@example.\n org> (c)"),
    more: UNTAGGED,
    results: ["genuine", "known"],
  },
  // Not ours: nothing is known of it.
  { what: "a stranger's, forwarded", mail: RECEIVED, args: ["-f", "greg@example.org"], results: ["forged", "forged"] },
  {
    what: "a stranger's Resent-From",
    mail: `Received: x\n${RESENT}${RECEIVED}`,
    args: ["-f", "greg@example.org"],
    results: ["forged", "forged"],
  },
];

for (const { what, mail, args = [], top = "", more = "", identity = "", results } of rows) {
  Deno.test(`the bounce of what was passed on: ${what}`, async () => {
    using home = new Home();
    home.settings(`${identity}[transport]\nvia = "maildir"\nmaildir = "~/out"\n${more}`, top);
    const ran = await home.shim([...args, "ann@example.net"], mail);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    const [out = ""] = home.mails("out");
    const original = out.replace(/^(?:Return-Path|X-Envelope-To): .*\n/gm, "");
    const sender = fieldOf(out, "Return-Path").replace(/[<>]/g, "") || "greg@example.org";
    for (const [at, recipient] of [sender, "greg@example.org"].entries()) {
      const env = { SENDER: "", RECIPIENT: recipient };
      const hook = await home.hook(["--maildir", `${home.path}/Maildir`], qsbmf(recipient, original), env);
      assert.deepEqual([hook.code === 99 || hook.code === 0, hook.stderr], [true, ""]);
      const line = home.read(LOG).trimEnd().split("\n").at(-1)!;
      assert.equal(/ result=(\w+)/.exec(line)?.[1], results[at], `${recipient}: ${line}`);
    }
  });
}
