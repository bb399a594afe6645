/**
 * Which messages are the user's own and are signed. The recorded messages in clients_test.ts have several reasons at
 * once not to be signed; here each reason is tested alone.
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

/** Settings that a test changes. */
interface Changes {
  also: string[];
  /** Lines before the identities, and tables after them. */
  top: string;
  tables: string;
  mailboxLine: boolean;
}

/** Plans a message with these header lines; `domain` is the setting of that name. */
function planned(lines: string[], args: string[], domain: string, changes: Partial<Changes> = {}) {
  const { also = [], top = "", mailboxLine = false } = changes;
  const tables = [ME, OTHER].map((one, i) =>
    `[[identity]]\naddress = "${one.address}"\nsrs_domain = "${one.srs_domain}"\nkeys = "keys${i}"\n`
  );
  const transport = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
  const settings = parseConfig([top, `domain = "${domain}"\n`, ...tables, transport, changes.tables ?? ""].join(""), {
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
    ...plan(invocation.request, header, { settings, identities, now, random: randomBytes(), mailboxLine }),
    given: invocation.request.sender,
  };
}

/** Expects a tag by this key and an envelope sender in this SRS domain. */
function isSigned(lines: string[], args: string[] = [], key = "k0", srs = ME.srs_domain, domain = "") {
  const out = planned(lines, args, domain);
  const shown = [...lines, ...args].join(" | ");
  assert.equal(out.scheme, "srs", shown);
  assert.equal(out.envelope.sender?.domain, srs, shown);
  assert.deepEqual(values(out.header, "X-Msgauth").map((tag) => tag.split(".")[1]), [key], shown);
}

/** Expects that no tag is added and that the sender is passed on unchanged. */
function isNotSigned(lines: string[], args: string[] = [], domain = "") {
  const out = planned(lines, args, domain);
  const shown = [...lines, ...args].join(" | ");
  assert.equal(out.scheme, "none", shown);
  assert.equal(out.identity, undefined, shown);
  assert.deepEqual(out.envelope.sender, out.given, shown);
  assert.deepEqual(values(out.header, "X-Msgauth"), [], shown);
}

const FROM = "From: Me <me@example.org>";

Deno.test("mail with From and envelope sender of identities is signed", () => {
  isSigned([FROM]);
  isSigned(["from: ME@EXAMPLE.ORG"], ["-f", "Me@Example.Org"]);
  isSigned([FROM, "Reply-To: x@y.example", "Sender: x@y.example"]);
  isSigned([], ["-f", "me@example.org"]);
  isSigned([]); // Without an author, as the first identity.
  isSigned([`From: "Me, too"\n (a comment) <me@example.org>`]);
  isSigned(["From: me@example.org, other@example.net"]);
  isSigned(["From: other@example.net"], [], "k1", OTHER.srs_domain);
  // The envelope sender is signed as one identity, the tag is made by the other.
  isSigned([FROM], ["-f", "other@example.net"], "k0", OTHER.srs_domain);
  // Earlier tags, for example of a draft, are replaced.
  isSigned([FROM, "X-Msgauth: v1.old.1.x.y", "X-MSGAUTH: v1.older.1.x.y"]);
});

Deno.test("a From field with an address that is not an identity is not signed", () => {
  for (
    const from of ["x@y.example", "me@example.org, x@y.example", "x@y.example, me@example.org", "<>", "<", "me@", "("]
  ) {
    isNotSigned([`From: ${from}`]);
    isNotSigned([`From: ${from}`], ["-f", "me@example.org"]);
  }
  isNotSigned([FROM, "From: x@y.example"]);
  isNotSigned(["From: me@example.org.y.example"]);
  isNotSigned(['From: "me@example.org" <x@y.example>']);
});

Deno.test("an empty From or Sender counts as a missing one, an empty Resent-From does not", () => {
  isSigned(["From: "]);
  isSigned(["From:"], ["-f", "other@example.net"], "k1", OTHER.srs_domain);
  isSigned(["From:", FROM]);
  isNotSigned(["From:"], ["-f", "x@y.example"]);
  isNotSigned(["From:", "From: x@y.example"]);
  isSigned(["From: me@example.org, other@example.net", "Sender: "]);
  isNotSigned(["From: me@example.org, x@y.example", "Sender:"]);
  const { header } = planned([FROM, "Sender:", "From:", "Date: "], [], "");
  for (const name of ["From", "Date"]) assert.equal(values(header, name).filter((one) => one !== "").length, 1, name);
  assert.deepEqual([values(header, "From").length, values(header, "Sender")], [1, []]);
  // Nobody says who re-sends the message, whatever is in the blocks below.
  isNotSigned(["Resent-From:", FROM]);
  isNotSigned(["Resent-From:", "Resent-To: a@b.example", "Resent-From: me@example.org", FROM]);
});

Deno.test("a sender that is not an identity is not signed", () => {
  for (const sender of ["x@y.example", "", "<>", "@", "Me", "bounce+me@example.org", "me@srs.example.org"]) {
    isNotSigned([FROM], ["-f", sender]);
    isNotSigned([], ["-f", sender]);
  }
});

Deno.test("an already relayed message is not signed", () => {
  const traceFields = ["Received: from a by b; x", "Delivered-To: me@example.org", "RECEIVED: x", "delivered-to: x"];
  const resent = ["From", "To", "Cc", "Bcc", "Date", "Message-ID", "Sender"].map((name) =>
    `Resent-${name}: x@y.example`
  );
  for (const line of [...traceFields, ...resent, "resent-to: me@example.org"]) {
    isNotSigned([FROM, line]);
    isNotSigned([line, FROM], ["-f", "me@example.org"]);
  }
});

Deno.test("an unqualified From is an identity only if the domain is configured", () => {
  isNotSigned(["From: me"]);
  isNotSigned(["From: me (Cron Daemon)"], ["-f", "me"]);
  isSigned(["From: me"], [], "k0", ME.srs_domain, "example.org");
  isSigned(["From: me"], ["-f", "me"], "k0", ME.srs_domain, "example.org");
  isNotSigned(["From: root"], [], "example.org");
  isNotSigned(["From: me"], [], "example.com");
});

/** A summary of the plan: scheme and address of the envelope sender, whether there is a tag, and what is remembered. */
function outcome(lines: string[], args: string[] = [], changes: Partial<Changes> = {}): string {
  const out = planned(lines, args, "", changes);
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

/** Checks rows of [what, header lines, arguments, expected outcome]. */
function table(rows: [string, string[], string[], string][], changes: Partial<Changes> = {}): void {
  for (const [what, lines, args, expected] of rows) assert.equal(outcome(lines, args, changes), expected, what);
}

const ID = "Message-ID: <1@example.org>";
const RECEIVED = ["Received: from a by b; x", "From: Eve <eve@evil.example>", "Message-ID: <e@evil.example>"];
const RESENT = ["Resent-From: Me <me@example.org>", "Resent-Message-ID: <r@example.org>", "Resent-To: to@a.example"];

Deno.test("of a resent message only the envelope sender is signed, and the header is unchanged", () => {
  const good = "srs(me@example.org), me@example.org r@example.org";
  const other = "other@example.net";
  table([
    ["mutt", [...RESENT, "Return-Path: <eve@evil.example>", "Delivered-To: me@example.org", ...RECEIVED], [], good],
    ["-f", [...RESENT, ...RECEIVED], ["-f", "me@example.org"], good],
    ["a sent message of one's own", [...RESENT, FROM, ID], [], good],
    ["resent twice", [...RESENT, ...RESENT.map((one) => one.replace(/me@|<r/, "eve@")), ...RECEIVED], [], good],
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
      "two addresses in Resent-From, and a Resent-Sender",
      ["Resent-From: me@example.org, x@y.example", "Resent-Sender: me@example.org", RESENT[1]!, ...RECEIVED],
      [],
      good,
    ],
    [
      "two addresses in Resent-From",
      ["Resent-From: me@example.org, x@y.example", RESENT[1]!, ...RECEIVED],
      [],
      "none, me@example.org r@example.org",
    ],
  ]);
  const { header } = planned([...RESENT, ...RECEIVED], [], "");
  assert.deepEqual(header.map(({ raw }) => raw), [...RESENT, ...RECEIVED], "the header is unchanged");
});

Deno.test("a received message with Resent-From that a delivery agent forwards is neither signed nor remembered", () => {
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
    // maildrop and preline pass on the mbox line at the top.
    table([["an mbox line", mail, [], "none, not remembered"]], { mailboxLine: true });
  }
  // The stranger's block of Resent- fields is the first one.
  table([[
    "resent by a stranger last",
    ["Resent-From: eve@evil.example", ...RECEIVED, ...RESENT],
    [],
    "none, not remembered",
  ]]);
});

Deno.test("with several authors the Sender counts; without a Sender all authors must be identities", () => {
  const both = "From: me@example.org, x@y.example";
  const two = "From: me@example.org, other@example.net";
  const unsigned = "none, me@example.org 1@example.org";
  table([
    ["the first author is an identity", [both, ID], [], unsigned],
    ["the second author is an identity", ["From: x@y.example, me@example.org", ID], [], unsigned],
    ["with -f", [both, ID], ["-f", "me@example.org"], "me@example.org, me@example.org 1@example.org"],
    [
      "an author is the Sender",
      [both, "Sender: me@example.org", ID],
      [],
      "srs(me@example.org) tagged, me@example.org 1@example.org signed",
    ],
    [
      "only the Sender is an identity",
      ["From: a@y.example, b@y.example", "Sender: me@example.org", ID],
      [],
      "srs(me@example.org) tagged, me@example.org 1@example.org signed",
    ],
    [
      "the Sender is a stranger",
      [two, "Sender: x@y.example", ID],
      [],
      "none, me@example.org other@example.net 1@example.org",
    ],
    ["two addresses in Sender", [both, "Sender: me@example.org, x@y.example", ID], [], unsigned],
    ["an unparsable Sender", [both, "Sender: <<", ID], [], unsigned],
    [
      "both authors are identities",
      [two, ID],
      [],
      "srs(me@example.org) tagged, me@example.org other@example.net 1@example.org signed",
    ],
    [
      "both authors are identities, and a Sender",
      [two, "Sender: other@example.net", ID],
      [],
      "srs(other@example.net) tagged, other@example.net me@example.org 1@example.org signed",
    ],
    ["two From fields", [FROM, "From: x@y.example", "Sender: me@example.org", ID], [], unsigned],
    [
      "with one author the Sender does not count",
      ["From: x@y.example", "Sender: me@example.org", ID],
      [],
      "none, not remembered",
    ],
  ]);
});

Deno.test("the signed address contains the address that was used, if a pattern of the identity matches it", () => {
  const also = ["me+*@example.org", "*@me.example.org"];
  table([
    [
      "a subaddress",
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
      "resent",
      ["Resent-From: me+x@example.org", RESENT[1]!, ...RECEIVED],
      [],
      "srs(me+x@example.org), me@example.org r@example.org",
    ],
    ["an address that no pattern matches", ["From: you+x@example.org", ID], [], "none, not remembered"],
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

Deno.test("unsigned mail of an identity is remembered as unsigned", () => {
  const remembered = "me@example.org 1@example.org";
  table([
    ["the null sender", [FROM, ID], ["-f", "<>"], `<>, ${remembered}`],
    ["a stranger's -f", [FROM, ID], ["-f", "x@y.example"], `x@y.example, ${remembered}`],
    ["a stranger's From", ["From: x@y.example", ID], ["-f", "me@example.org"], `me@example.org, ${remembered}`],
    ["an unparsable From", ["From: <<", ID], ["-f", "me@example.org"], `me@example.org, ${remembered}`],
    [
      "two identities",
      [FROM, ID],
      ["-f", "other@example.net"],
      "srs(other@example.net) tagged, other@example.net me@example.org 1@example.org signed",
    ],
    ["of no identity", ["From: x@y.example", ID], [], "none, not remembered"],
    ["relayed", [FROM, "Received: x", ID], ["-f", "me@example.org"], "me@example.org, not remembered"],
  ]);
  table([["tag.sign = false", [FROM, ID], [], `srs(me@example.org), ${remembered}`]], {
    tables: "[tag]\nsign = false\n",
  });
  table([["sender = plain, with a tag", [FROM, ID], [], `me@example.org tagged, ${remembered} signed`]], {
    top: 'sender = "plain"\n',
  });
  table([["sender = plain, without a tag", [FROM, ID], [], `me@example.org, ${remembered}`]], {
    top: 'sender = "plain"\n',
    tables: "[tag]\nsign = false\n",
  });
});

Deno.test("a signed address of an identity as -f, valid or expired, is replaced by a new one", () => {
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
      ["prvs as a subaddress", [FROM, ID], ["-f", prvs(day(days), "-")], good],
      [
        "resent",
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
  // A missing From becomes the plain address, not the signed one.
  const { header } = planned([ID], ["-f", srs(now)], "");
  assert.deepEqual(values(header, "From"), ["me@example.org"]);

  // A signed address that was not made with the identity's key is a stranger's.
  for (
    const address of [srs(now, "mallory"), srs(now, secret, "eve@evil.example"), "SRS0=@srs.example.org"]
  ) {
    const out = planned([FROM, ID], ["-f", address], "");
    assert.deepEqual([out.scheme, out.envelope.sender], ["none", out.given], address);
    assert.deepEqual(out.notes, ["the envelope sender is in your SRS domain, but no key signed it"]);
    assert.equal(out.sent?.signed, false);
  }
});

Deno.test("the tag is directly below the Message-ID, wherever that is in the header", () => {
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

Deno.test("blank continuation lines in a Message-ID are removed, because they would end the header in a bounce", () => {
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
