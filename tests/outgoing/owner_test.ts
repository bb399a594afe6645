/**
 * Which messages are our own, and so are signed. What real clients sent (clients_test.ts) is a stranger's in several
 * ways at once; here each sign that a message must not be signed is tested alone.
 */
import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../lib/address.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { parseKeys } from "../../lib/settings/keys.ts";
import { parseHead, values } from "../../lib/message.ts";
import { bareMessageId } from "../../lib/message_id.ts";
import { prvsSign } from "../../lib/prvs.ts";
import { srsForward } from "../../lib/srs.ts";
import { parseFlags } from "../../shim/flags.ts";
import { plan } from "../../outgoing/plan.ts";
import { randomBytes } from "../random.ts";

const ME = { address: "me@example.org", srs_domain: "srs.example.org" };
const OTHER = { address: "other@example.net", srs_domain: "srs.example.net" };
const now = new Date("2026-11-20T05:32:58Z");

/** Settings of ME that a row changes. */
interface Mine {
  also: string[];
  /** Lines before the identities, and tables after them. */
  top: string;
  tables: string;
  mailboxLine: boolean;
}

/** Plans a message with these header lines. */
function planned(lines: string[], args: string[], domain: string, more: Partial<Mine> = {}) {
  const { also = [], top = "", mailboxLine = false } = more;
  const tables = [ME, OTHER].map((one, i) =>
    `[[identity]]\naddress = "${one.address}"\nsrs_domain = "${one.srs_domain}"\nkeys = "keys${i}"\n`
  );
  const transport = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
  const settings = parseConfig([top, `domain = "${domain}"\n`, ...tables, transport, more.tables ?? ""].join(""), {
    file: "/c",
    home: "/h",
  });
  const identities = [ME, OTHER].map((one, i) => ({
    also: one === ME ? also : [],
    address: parseAddress(one.address),
    srsDomain: one.srs_domain,
    keys: parseKeys(`k${i} 2026-01-01 secret ${i}, for tests only\n`, "keys"),
  }));
  const invocation = parseFlags("sendmail", [...args, "--", "to@a.example"]);
  assert.ok(invocation.mode === "send");
  const header = parseHead(new TextEncoder().encode([...lines, "", ""].join("\n")), true)!.header;
  return {
    ...plan(invocation.call, header, { settings, identities, now, random: randomBytes(), mailboxLine }),
    given: invocation.call.sender,
  };
}

/** Signed by this key, the envelope sender in this domain. */
function own(lines: string[], args: string[] = [], key = "k0", srs = ME.srs_domain, domain = "") {
  const out = planned(lines, args, domain);
  const shown = [...lines, ...args].join(" | ");
  assert.equal(out.scheme, "srs", shown);
  assert.equal(out.envelope.sender?.domain, srs, shown);
  assert.deepEqual(values(out.header, "X-Msgauth").map((tag) => tag.split(".")[1]), [key], shown);
}

/** Not signed: no tag is added, and the sender is passed on unchanged. */
function strange(lines: string[], args: string[] = [], domain = "") {
  const out = planned(lines, args, domain);
  const shown = [...lines, ...args].join(" | ");
  assert.equal(out.scheme, "none", shown);
  assert.equal(out.identity, undefined, shown);
  assert.deepEqual(out.envelope.sender, out.given, shown);
  assert.deepEqual(values(out.header, "X-Msgauth"), [], shown);
}

const FROM = "From: Me <me@example.org>";

Deno.test("mail from an identity, by an identity, is signed", () => {
  own([FROM]);
  own(["from: ME@EXAMPLE.ORG"], ["-f", "Me@Example.Org"]);
  own([FROM, "Reply-To: x@y.example", "Sender: x@y.example"]);
  own([], ["-f", "me@example.org"]);
  own([]); // no author at all: the first identity
  own([`From: "Me, too"\n (a comment) <me@example.org>`]);
  own(["From: me@example.org, other@example.net"]);
  own(["From: other@example.net"], [], "k1", OTHER.srs_domain);
  // Each signs for itself: the sender is the one's, the tag the other's.
  own([FROM], ["-f", "other@example.net"], "k0", OTHER.srs_domain);
  // A former tag, as from a draft, is replaced.
  own([FROM, "X-Msgauth: v1.old.1.x.y", "X-MSGAUTH: v1.older.1.x.y"]);
});

Deno.test("a From field with an address that is not an identity is not signed", () => {
  for (
    const from of ["x@y.example", "me@example.org, x@y.example", "x@y.example, me@example.org", "<>", "", "me@", "("]
  ) {
    strange([`From: ${from}`]);
    strange([`From: ${from}`], ["-f", "me@example.org"]);
  }
  strange([FROM, "From: x@y.example"]);
  strange(["From: me@example.org.y.example"]);
  strange(['From: "me@example.org" <x@y.example>']);
});

Deno.test("a sender that is not an identity is not signed", () => {
  for (const sender of ["x@y.example", "", "<>", "@", "Me", "bounce+me@example.org", "me@srs.example.org"]) {
    strange([FROM], ["-f", sender]);
    strange([], ["-f", sender]);
  }
});

Deno.test("an already relayed message is not signed", () => {
  const signs = ["Received: from a by b; x", "Delivered-To: me@example.org", "RECEIVED: x", "delivered-to: x"];
  const resent = ["From", "To", "Cc", "Bcc", "Date", "Message-ID", "Sender"].map((name) =>
    `Resent-${name}: x@y.example`
  );
  for (const sign of [...signs, ...resent, "resent-to: me@example.org"]) {
    strange([FROM, sign]);
    strange([sign, FROM], ["-f", "me@example.org"]);
  }
});

Deno.test("an unqualified From is an identity only if the domain is configured", () => {
  strange(["From: me"]);
  strange(["From: me (Cron Daemon)"], ["-f", "me"]);
  own(["From: me"], [], "k0", ME.srs_domain, "example.org");
  own(["From: me"], ["-f", "me"], "k0", ME.srs_domain, "example.org");
  strange(["From: root"], [], "example.org");
  strange(["From: me"], [], "example.com");
});

/** What is sent: the envelope sender without signature, whether it is tagged, and what is remembered. */
function outcome(lines: string[], args: string[] = [], more: Partial<Mine> = {}): string {
  const out = planned(lines, args, "", more);
  const { sender } = out.envelope;
  const text = sender === null ? "<>" : sender === undefined ? "none" : formatAddress(sender);
  const srs = /^SRS0=[^=]+=[^=]+=([^=]+)=(.+)@srs\./.exec(text);
  const prvs = /^prvs=\d{4}[0-9a-f]{6}=(.+)$/.exec(text);
  const shown = srs ? `srs(${srs[2]}@${srs[1]})` : prvs ? `prvs(${prvs[1]})` : text;
  const tag = values(out.header, "X-Msgauth").length > 0 ? " tagged" : "";
  const sent = out.sent === undefined ? "not remembered" : [
    ...out.sent.identities.map(canonicalAddress),
    bareMessageId(out.sent.messageId),
    ...out.sent.signed ? ["signed"] : [],
  ].join(" ");
  return `${shown}${tag}, ${sent}`;
}

/** Each row: what, its header, its arguments, what leaves. */
function table(rows: [string, string[], string[], string][], more: Partial<Mine> = {}): void {
  for (const [what, lines, args, expected] of rows) assert.equal(outcome(lines, args, more), expected, what);
}

const ID = "Message-ID: <1@example.org>";
const RECEIVED = ["Received: from a by b; x", "From: Eve <eve@evil.example>", "Message-ID: <e@evil.example>"];
const RESENT = ["Resent-From: Me <me@example.org>", "Resent-Message-ID: <r@example.org>", "Resent-To: to@a.example"];

Deno.test("a re-sent message: only the envelope sender is signed, the header is unchanged", () => {
  const good = "srs(me@example.org), me@example.org r@example.org";
  const other = "other@example.net";
  table([
    ["mutt", [...RESENT, "Return-Path: <eve@evil.example>", "Delivered-To: me@example.org", ...RECEIVED], [], good],
    ["-f", [...RESENT, ...RECEIVED], ["-f", "me@example.org"], good],
    ["one's own, from the folder of sent mail", [...RESENT, FROM, ID], [], good],
    ["re-sent twice", [...RESENT, ...RESENT.map((one) => one.replace(/me@|<r/, "eve@")), ...RECEIVED], [], good],
    [
      "another identity's -f",
      [...RESENT, ...RECEIVED],
      ["-f", other],
      `srs(${other}), ${other} me@example.org r@example.org`,
    ],
    ["a stranger's -f", [...RESENT, ...RECEIVED], ["-f", "x@y.example"], "x@y.example, me@example.org r@example.org"],
    ["the null sender", [...RESENT, ...RECEIVED], ["-f", "<>"], "<>, me@example.org r@example.org"],
    ["no Resent-Message-ID", [RESENT[0]!, ...RECEIVED], [], "srs(me@example.org), not remembered"],
    [
      "two who re-send, and a Resent-Sender",
      ["Resent-From: me@example.org, x@y.example", "Resent-Sender: me@example.org", RESENT[1]!, ...RECEIVED],
      [],
      good,
    ],
    [
      "two who re-send",
      ["Resent-From: me@example.org, x@y.example", RESENT[1]!, ...RECEIVED],
      [],
      "none, me@example.org r@example.org",
    ],
  ]);
  const { header } = planned([...RESENT, ...RECEIVED], [], "");
  assert.deepEqual(header.map(({ raw }) => raw), [...RESENT, ...RECEIVED], "nothing is added, nothing removed");
});

Deno.test("a stranger's Resent-From, forwarded by a delivery agent, signs nothing and is not remembered", () => {
  const evil = [...RESENT, "From: Eve <eve@evil.example>", "Message-ID: <e@evil.example>"];
  const forged = [...RESENT, FROM, ID];
  for (const mail of [evil, forged]) {
    for (
      const top of [
        ["Received: from evil by mx; x"],
        ["Return-Path: <eve@evil.example>"],
        ["Delivered-To: me@example.org"],
        ["X-Original-To: me@example.org", "Delivered-To: me@example.org", "Received: from evil by mx; x"],
        ["X-Spam-Status: No", "Received: from evil by mx; x"],
        ["return-path: <eve@evil.example>"],
      ]
    ) {
      table([
        ["procmail", [...top, ...mail], [], "none, not remembered"],
        ["procmail with -f", [...top, ...mail], ["-f", "me@example.org"], "me@example.org, not remembered"],
        ["maildrop", [...top, ...mail], ["-f", ""], "<>, not remembered"],
      ]);
    }
    // maildrop and preline leave the line of a mailbox on top.
    table([["a mailbox line", mail, [], "none, not remembered"]], { mailboxLine: true });
  }
  // Resent by a stranger, to me, forwarded by me: the first block is the stranger's.
  table([[
    "a stranger's",
    ["Resent-From: eve@evil.example", ...RECEIVED, ...RESENT],
    [],
    "none, not remembered",
  ]]);
});

Deno.test("several authors: the Sender counts when there is one, else all must be identities", () => {
  const both = "From: me@example.org, x@y.example";
  const two = "From: me@example.org, other@example.net";
  const unsigned = "none, me@example.org 1@example.org";
  table([
    ["one of two is ours", [both, ID], [], unsigned],
    ["the second is", ["From: x@y.example, me@example.org", ID], [], unsigned],
    ["with -f", [both, ID], ["-f", "me@example.org"], "me@example.org, me@example.org 1@example.org"],
    [
      "we are the Sender",
      [both, "Sender: me@example.org", ID],
      [],
      "srs(me@example.org) tagged, me@example.org 1@example.org signed",
    ],
    [
      "the Sender alone is ours",
      ["From: a@y.example, b@y.example", "Sender: me@example.org", ID],
      [],
      "srs(me@example.org) tagged, me@example.org 1@example.org signed",
    ],
    [
      "a stranger is the Sender",
      [two, "Sender: x@y.example", ID],
      [],
      "none, me@example.org other@example.net 1@example.org",
    ],
    ["two Senders", [both, "Sender: me@example.org, x@y.example", ID], [], unsigned],
    ["a Sender that cannot be read", [both, "Sender: <<", ID], [], unsigned],
    [
      "both are ours",
      [two, ID],
      [],
      "srs(me@example.org) tagged, me@example.org other@example.net 1@example.org signed",
    ],
    [
      "both, and a Sender",
      [two, "Sender: other@example.net", ID],
      [],
      "srs(other@example.net) tagged, other@example.net me@example.org 1@example.org signed",
    ],
    ["two From fields", [FROM, "From: x@y.example", "Sender: me@example.org", ID], [], unsigned],
    [
      "one author: Sender changes nothing",
      ["From: x@y.example", "Sender: me@example.org", ID],
      [],
      "none, not remembered",
    ],
  ]);
});

Deno.test("patterns: the signed address contains the address in use", () => {
  const also = ["me+*@example.org", "*@me.example.org"];
  table([
    [
      "a tag",
      ["From: me+list@example.org", ID],
      [],
      "srs(me+list@example.org) tagged, me@example.org 1@example.org signed",
    ],
    [
      "a subdomain",
      ["From: shop@ME.example.org", ID],
      [],
      "srs(shop@me.example.org) tagged, me@example.org 1@example.org signed",
    ],
    ["-f", [FROM, ID], ["-f", "me+x@example.org"], "srs(me+x@example.org) tagged, me@example.org 1@example.org signed"],
    [
      "re-sent",
      ["Resent-From: me+x@example.org", RESENT[1]!, ...RECEIVED],
      [],
      "srs(me+x@example.org), me@example.org r@example.org",
    ],
    ["no pattern of ours", ["From: you+x@example.org", ID], [], "none, not remembered"],
  ], { also });
  const prvs = 'sender = "prvs"\nprvs.receive = true\n';
  table([
    [
      "prvs",
      ["From: me+list@example.org", ID],
      [],
      "prvs(me+list@example.org) tagged, me@example.org 1@example.org signed",
    ],
  ], { also, top: prvs });
  table([
    ["plain", ["From: me+list@example.org", ID], [], "me+list@example.org tagged, me@example.org 1@example.org signed"],
  ], { also, top: 'sender = "plain"\n' });
});

Deno.test("mail passed on unsigned for an identity is remembered as unsigned", () => {
  const mine = "me@example.org 1@example.org";
  table([
    ["the null sender", [FROM, ID], ["-f", "<>"], `<>, ${mine}`],
    ["a stranger's -f", [FROM, ID], ["-f", "x@y.example"], `x@y.example, ${mine}`],
    ["a stranger's From", ["From: x@y.example", ID], ["-f", "me@example.org"], `me@example.org, ${mine}`],
    ["an unreadable From", ["From: <<", ID], ["-f", "me@example.org"], `me@example.org, ${mine}`],
    [
      "two identities",
      [FROM, ID],
      ["-f", "other@example.net"],
      "srs(other@example.net) tagged, other@example.net me@example.org 1@example.org signed",
    ],
    ["nobody's", ["From: x@y.example", ID], [], "none, not remembered"],
    ["relayed", [FROM, "Received: x", ID], ["-f", "me@example.org"], "me@example.org, not remembered"],
  ]);
  table([["no tag", [FROM, ID], [], `srs(me@example.org), ${mine}`]], { tables: "[tag]\nsign = false\n" });
  table([["plain, tagged", [FROM, ID], [], `me@example.org tagged, ${mine} signed`]], {
    top: 'sender = "plain"\n',
  });
  table([["nothing", [FROM, ID], [], `me@example.org, ${mine}`]], {
    top: 'sender = "plain"\n',
    tables: "[tag]\nsign = false\n",
  });
});

Deno.test("a signed address of an identity as -f, valid or expired, is signed again from the plain address", () => {
  const day = (days: number) => new Date(now.getTime() + days * 86_400_000);
  const secret = "secret 0, for tests only";
  const srs = (when: Date, by = secret, address = "me@example.org") =>
    srsForward(address, "srs.example.org", { secrets: [by], hashLength: 8, alphabet: "base64url", now: when });
  const prvs = (when: Date, delimiter = "", address = "me@example.org") =>
    prvsSign(address, { secret, keyNumber: 0, lifetime: 14, delimiter, now: when });
  const good = "srs(me@example.org) tagged, me@example.org 1@example.org signed";
  for (const days of [0, -1, -22, -179, -300, 5]) {
    table([
      ["srs", [FROM, ID], ["-f", srs(day(days))], good],
      ["srs in upper case", [FROM, ID], ["-f", srs(day(days)).toUpperCase()], good],
      ["prvs", [FROM, ID], ["-f", prvs(day(days))], good],
      ["prvs, sub-address", [FROM, ID], ["-f", prvs(day(days), "-")], good],
      [
        "re-sent",
        [...RESENT, ...RECEIVED],
        ["-f", srs(day(days))],
        "srs(me@example.org), me@example.org r@example.org",
      ],
    ]);
  }
  const tag = "me+x@example.org";
  table([
    ["a pattern", [FROM, ID], ["-f", srs(now, secret, tag)], good.replace("me@", "me+x@")],
    ["a pattern, prvs", [FROM, ID], ["-f", prvs(now, "", tag)], good.replace("me@", "me+x@")],
  ], { also: ["me+*@example.org"] });
  // A missing From is never made from the signed address.
  const { header } = planned([ID], ["-f", srs(now)], "");
  assert.deepEqual(values(header, "From"), ["me@example.org"]);

  // An address that no key signed belongs to a stranger.
  for (
    const address of [srs(now, "mallory"), srs(now, secret, "eve@evil.example"), "SRS0=@srs.example.org"]
  ) {
    const out = planned([FROM, ID], ["-f", address], "");
    assert.deepEqual([out.scheme, out.envelope.sender], ["none", out.given], address);
    assert.deepEqual(out.notes, ["the envelope sender is in your SRS domain, but no key signed it"]);
    assert.equal(out.sent?.signed, false);
  }
});

Deno.test("the tag is directly below the Message-ID, wherever that is", () => {
  for (
    const lines of [[ID, FROM], [FROM, "To: x@y.example", ID, "Subject: s"], [
      FROM,
      "Message-ID:\n <1@example.org>",
      "A: b",
    ], [FROM]]
  ) {
    const { header } = planned(lines, [], "");
    const at = header.findIndex(({ name }) => name.toLowerCase() === "message-id");
    assert.equal(header[at + 1]?.name, "X-Msgauth");
    assert.equal(header.filter(({ name }) => name === "X-Msgauth").length, 1);
  }
});

Deno.test("lines of white space in a Message-ID are removed, because in a bounce they would end the header", () => {
  for (
    const id of [
      "Message-ID: <1@example.org>\n ",
      "Message-ID:\n \t\n <1@example.org>",
      "Message-ID:\n <1@example.org>\n \n ",
    ]
  ) {
    const { header } = planned([FROM, id], [], "");
    const written = header.find(({ name }) => name === "Message-ID")!.raw;
    assert.doesNotMatch(written, /\n[ \t]*(?:\n|$)/);
    assert.equal(bareMessageId(written.slice(11)), "1@example.org");
  }
});
